"""The command line: what it says, how it ends, and never a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from plant import LEAVES, SORT, THANKS, Plant, Said, at_home, build_plant

Call = Callable[..., Said]


@pytest.fixture
def bare(tmp_path: Path) -> Plant:
    """A line whose home was never made."""
    with at_home(build_plant(tmp_path)) as plant:
        yield plant


def test_help_lists_the_commands_and_exit_codes(cli: Call) -> None:
    said = cli("--help")
    assert said.code == 0
    assert all(f" {command} " in said.out for command in ("run", "estimate", "status", "trace", "lint", "report", "serve", "ui", "pico"))
    assert "3 another run" in " ".join(said.out.split())


def test_lint_of_a_sound_taxonomy(bare: Plant, cli: Call) -> None:
    said = cli("lint", str(bare.root / "taxonomy"))
    assert (said.code, said.out.splitlines()[-1], said.err) == (0, "3 leaves, 0 faults", "")


def test_lint_names_every_fault_with_its_place(bare: Plant, cli: Call) -> None:
    bare.qna(SORT).write_text("version: 3\n\tbroken: true\n")
    bare.qna(THANKS).write_text(bare.qna(THANKS).read_text().replace("problems: thank_you_note", "problems: thank_you_notes"))
    said = cli("lint", str(bare.root / "taxonomy"))
    assert said.code == 1
    lines = said.out.splitlines()
    assert any(f"{SORT}/qna.yaml:2" in line for line in lines)
    assert any(f"{THANKS}/qna.yaml:5" in line and "thank_you_note" in line for line in lines)
    assert lines[-1] == "1 leaves, 2 faults"


def test_lint_of_no_folder(bare: Plant, cli: Call) -> None:
    said = cli("lint", str(bare.root / "nowhere"))
    assert said.code == 2 and "nowhere" in said.err and not said.out


@pytest.mark.parametrize("command", ["run", "estimate", "status", "report"])
def test_an_unknown_line_is_answered_with_the_nearest(bare: Plant, cli: Call, command: str) -> None:
    said = cli(command, "tinny")
    assert said.code == 2
    assert "There is no line 'tinny'" in said.err and "Did you mean 'tiny'?" in said.err


def test_an_unknown_key_in_a_line_is_named_with_its_place(bare: Plant, cli: Call) -> None:
    bare.file.write_text("name: tiny\nseeds:\n  taxonomi: taxonomy\n")
    said = cli("run", "tiny")
    assert said.code == 2
    assert f"{bare.file}:3" in said.err and "taxonomi" in said.err and "did you mean 'taxonomy'" in said.err
    assert not bare.home.root.exists()


def test_a_missing_taxonomy_is_named_with_its_place(bare: Plant, cli: Call) -> None:
    shutil.rmtree(bare.root / "taxonomy")
    said = cli("run", str(bare.file))
    assert said.code == 2
    assert f"{bare.file}:" in said.err and str(bare.root / "taxonomy") in said.err


def test_wrong_usage(cli: Call) -> None:
    assert cli("run", "--refesh").code == 2
    assert cli("fly").code == 2


def test_a_home_that_cannot_be_written_is_named(bare: Plant, cli: Call) -> None:
    bare.home.root.write_text("a file where the home should be")
    said = cli("run", "tiny")
    assert said.code == 1 and str(bare.home.root) in said.err


def test_report_and_trace_before_any_run(fresh: Plant, cli: Call) -> None:
    said = cli("report", "tiny")
    assert said.code == 2 and "factory run tiny" in said.err
    said = cli("trace", "abcdef")
    assert said.code == 2 and "no records yet" in said.err


def test_status_before_any_run_says_what_waits(fresh: Plant, cli: Call) -> None:
    said = cli("status", "tiny")
    assert said.code == 0 and "3 leaves are not in step" in said.out


def test_status_after_a_run(made: Plant, cli: Call) -> None:
    said = cli("status", "tiny")
    assert said.code == 0
    rows = {
        cells[0]: cells[1:] for line in said.out.splitlines() if len(cells := [cell.strip() for cell in line.strip("│").split("│")]) == 4
    }
    assert rows["candidates"][:2] == ["3/3", "30"]
    assert rows["dataset_release"][1] == "1"
    assert "SUCCESS" in said.out


def test_report_shows_every_gate_and_where_the_card_is(made: Plant, cli: Call) -> None:
    said = cli("report", "tiny")
    assert said.code == 0
    card = Path(said.out.split("card: ", 1)[1].strip())
    assert card.is_file() and card.name == "card.html"
    assert "fidelity.records" in said.out and "failed" not in said.out


def test_trace_walks_a_record_back_and_forward(made: Plant, cli: Call) -> None:
    accepted = made.frame("accepted").row(0, named=True)
    version = made.frame("dataset_release")["version"][0]
    for given in (accepted["record_id"], accepted["record_id"][:10]):
        said = cli("trace", given)
        assert said.code == 0
        assert accepted["record_id"] in said.out and accepted["leaf"] in said.out and version in said.out
        assert "pico-teacher" in said.out
    rejected = made.frame("rejected").row(0, named=True)
    said = cli("trace", rejected["record_id"])
    assert said.code == 0 and rejected["reason"] in said.out and version not in said.out


def test_trace_of_an_unknown_record(made: Plant, cli: Call) -> None:
    said = cli("trace", "ffffffffffffffffffff")
    assert said.code == 2 and "ffffffffffffffffffff" in said.err


def test_one_leaf_from_the_command_line(fresh: Plant, cli: Call) -> None:
    said = cli("run", "tiny", "--leaf", SORT)
    assert said.code == 0, said.err
    assert list(fresh.stored("scored")) == [SORT]
    said = cli("run", "tiny", "--leaf", SORT[:-1])
    assert said.code == 2 and f"Did you mean '{SORT}'?" in said.err
    assert SORT in LEAVES


def test_a_reward_model_is_trained_told_to_mlflow_and_named_for_a_line(bare: Plant, cli: Call) -> None:
    import mlflow

    from factory.reward.local_model import LocalRewardModel
    from factory.reward.preferences import read_pairs

    file, out = bare.root / "pairs.jsonl", bare.root / "mine"
    rows = [{"prompt": f"What is {n} + 1?", "chosen": f"{n} + 1 = {n + 1}", "rejected": f"{n} + 1 = {n}"} for n in range(12)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ("reward", "train", str(file), "--base", "pico-student", "--out", str(out), "--holdout", "0.4", "--line", "tiny")
    said = cli(*asked)
    assert said.code == 0, said.err
    assert "Accuracy on held-out pairs: " in said.out and "choosing the" in said.out
    assert f"In a line: reward: {{model: {out / 'model'}, min_goodness: 0}}" in said.out
    assert LocalRewardModel(str(out / "model"), 8).rate([read_pairs(file)[0].chosen])[0] is not None

    client = mlflow.MlflowClient(f"sqlite:///{bare.home.mlflow / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert run.data.params["base"] == "pico-student" and run.data.metrics["accuracy_low"] <= run.data.metrics["accuracy"]
    assert len(client.get_metric_history(run.info.run_id, "loss")) == run.data.metrics["steps"] > 0
    assert run.info.run_id in said.out
    assert run.info.run_id in cli(*asked).out, "what is finished is neither trained nor logged again"


def test_faults_of_the_data_of_a_reward_model_are_told_with_their_lines(bare: Plant, cli: Call) -> None:
    file = bare.root / "pairs.jsonl"
    file.write_text('{"prompt": "Hi.", "chosen": "Hello."}\n{"prompt": "Hi.", "chosen": 1, "rejected": "Go."}\n')
    said = cli("reward", "train", str(file), "--base", "pico-student", "--out", str(bare.root / "mine"))
    assert said.code == 2 and f"{file}:1:1: rejected: there is no such column" in said.err
    assert f"{file}:2:1: chosen: expected a text or a list of messages, found the number 1" in said.err
    said = cli("reward", "train", str(file), "--base", "pico-student", "--out", str(bare.root / "mine"), "--epochs", "0")
    assert said.code == 2 and "--epochs: Input should be greater than 0" in said.err
