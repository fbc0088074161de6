"""Judges in the graph, and `factory calibrate`: votes by leaf, what is asked again, what is stored, what the card shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from plant import ADDITION, THANKS, Plant, Said

from assets.run import run_line
from resources.home import open_instance

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer

Call = Callable[..., Said]


def judge(server: MisbehavingServer, **more: Any) -> dict[str, Any]:
    return {"model": "critic", "server": {"base_url": server.base_url, "in_flight": 4, "tries": 2, "park_seconds": 0.2}, **more}


def vote(body: dict[str, Any]) -> str:
    """Two thirds good, and some that never parse."""
    mark = body["seed"] % 6
    return "Hm." if mark == 0 else f"[Score]{1 if mark == 1 else 3}[/Score]"


def page(plant: Plant, asset: str, leaf: str) -> dict[str, Any]:
    with open_instance(plant.home) as instance:
        records = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey(["tiny", asset]), [leaf]), limit=1).records
    shown = records[0].asset_materialization
    assert shown is not None
    return {name: value.value for name, value in shown.metadata.items()}


def test_a_judge_of_the_reward_stage_votes_once_wherever_it_listens(fresh: Plant) -> None:
    with MisbehavingServer(answer=vote) as server, MisbehavingServer(answer=vote) as elsewhere:
        fresh.write_line(reward={"model": None, "judges": [judge(server, price={"prompt": 1.0})]})
        spent = fresh.run(THANKS).spending
        scored = fresh.frame("scored")
        votes = scored.explode("votes").drop_nulls("votes")["votes"].struct.unnest()
        assert votes["judge"].unique().to_list() == ["critic@served"] and votes["rubric"].unique().to_list() == ["pair"]
        unread = votes["score"].is_null().mean()
        assert page(fresh, "scored", THANKS)["unparsed by critic@served, pair"] == pytest.approx(unread)
        assert spent.models["critic@served"].requests == len(server.asked) > 0 and spent.money > 0

        stored = fresh.stored("scored")
        fresh.write_line(reward={"model": None, "judges": [judge(elsewhere, batch_size=3)]})
        fresh.run(THANKS)
        assert fresh.stored("scored") == stored, "where a judge listens is no part of who it is"
        fresh.write_line(reward={"model": None, "judges": [judge(elsewhere, min_score=3.5)]})
        fresh.run(THANKS)
        assert not elsewhere.asked, "another threshold asks nothing again"
        assert fresh.frame("rejected").filter(reason="outvoted").height == votes["score"].is_not_null().sum()


def test_what_a_judges_server_gave_up_is_asked_again(fresh: Plant) -> None:
    failing: set[int] = set()

    def fail(asked: Any) -> str | None:
        failing.update([asked.body["seed"]] if not failing else [])
        return "500" if asked.body["seed"] in failing else None

    with MisbehavingServer(fail, answer=lambda body: "[Score]3[/Score]") as server:
        fresh.write_line(reward={"model": None, "judges": [judge(server)]})
        fresh.run(THANKS)
        assert "no answer: 500" in fresh.frame("scored").write_json()
        server.schedule = lambda asked: None
        run_line(fresh.home, fresh.line, (THANKS,), ask_failed_again=True)
    assert "no answer" not in fresh.frame("scored").write_json()


def test_why_a_record_was_not_rated_stands_on_the_page_of_refusals(fresh: Plant) -> None:
    failing: set[str] = set()

    def fail(asked: Any) -> str | None:
        failing.update([asked.body["messages"][-1]["content"]] if not failing else [])
        return "500" if asked.body["messages"][-1]["content"] in failing else None

    with MisbehavingServer(fail, answer=lambda body: "reward:1") as server:
        fresh.write_line(reward=judge(server, model="nemotron", min_goodness=0))
        fresh.run(THANKS)
    with open_instance(fresh.home) as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(["tiny", "rejected"]), limit=1).records
    assert record.asset_materialization is not None
    assert "made-up fault 500" in str(record.asset_materialization.metadata["sample"].value)


def test_a_rubric_with_a_fault_is_told_before_anything_is_asked(fresh: Plant, cli: Call) -> None:
    (fresh.root / "own.yaml").write_text("name: own\ndescription: d\nsource: s\ngood_from: 1\nsteps:\n  - {name: a, promt: x}\n")
    fresh.write_line(reward={"model": None, "judges": [{"model": "pico-teacher", "rubric": "own.yaml"}]})
    said = cli("run", "tiny")
    assert said.code == 2 and f"{fresh.root / 'own.yaml'}:6" in said.err and "did you mean 'prompt'" in said.err


def test_estimate_says_that_judges_are_not_in_it(fresh: Plant, cli: Call) -> None:
    fresh.write_line(reward={"judges": [{"model": "pico-teacher"}, {"model": "pico-teacher"}]})
    said = cli("estimate", "tiny", "--units", "1")
    assert said.code == 0 and "Not in it: the 2 judges of the reward stage, who are asked up to 60 requests" in " ".join(said.out.split())


def test_calibrate_measures_a_judge_against_a_file_and_keeps_the_figures(fresh: Plant, cli: Call) -> None:
    examples = fresh.root / "labelled.jsonl"
    rows = [{"prompt": f"Say {n}.", "response": f"It is {n}.", "label": "good" if n % 2 else "bad"} for n in range(30)]
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def always_right(body: dict[str, Any]) -> str:
        number = int(body["messages"][-1]["content"].split("It is ")[1].split(".")[0])
        return f"[Score]{3 if number % 2 else 1}[/Score]" if number else "Hm."

    with MisbehavingServer(answer=always_right) as server:
        fresh.write_line(reward={"judges": [judge(server)]})
        said = cli("calibrate", str(examples), "--line", "tiny", "--judge", "1")
        assert said.code == 0, said.err
        asked = len(server.asked)
        assert asked == 31, "one answer in the stricter form"
        assert cli("calibrate", str(examples), "--line", "tiny", "--judge", "1").out == said.out
        assert len(server.asked) == asked, "nothing is asked twice"
        assert cli("calibrate", str(examples), "--model", "critic", "--rubric", "pair", "--server", server.base_url).code == 0
    told = " ".join(said.out.split())
    assert "critic@served by pair: 30 responses of labelled.jsonl" in told and "accuracy 0.967 0.833 to 0.994 30" in told
    assert "unparsed, 1 of 30: rating: expected one of 1, 2, 3" in told
    assert "unparsed 0.033" in told and "Next: the card of the next version" in told
    (file,) = (fresh.home.root / "calibrations" / "tiny").iterdir()
    (kept,) = json.loads(file.read_text())
    assert (kept["model"], kept["rubric"], kept["size"], kept["key"]) == ("critic@served", "pair", 30, file.stem)
    assert [*(fresh.home.root / "calibrations" / "_models").iterdir()]


@pytest.mark.parametrize(
    ("labels", "told", "never"),
    [
        (["good"], "so few examples say next to nothing", "kappa may be 0"),
        (["good"] * 12, "all labels are good", "kappa may be 0"),
        (["good", "bad"] * 6, "kappa may be 0", "say next to nothing"),
    ],
)
def test_few_examples_and_those_of_one_label_get_a_hint_and_no_advice(
    fresh: Plant, cli: Call, labels: list[str], told: str, never: str
) -> None:
    examples = fresh.root / "labelled.jsonl"
    rows = ({"prompt": f"Say {n}.", "response": f"It is {n}.", "label": label} for n, label in enumerate(labels))
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fresh.write_line()
    said = cli("calibrate", str(examples), "--line", "tiny", "--reward")
    text = " ".join(said.out.split())
    assert said.code == 0 and told in text and never not in text, said.err
    (kept,) = json.loads(next((fresh.home.root / "calibrations" / "tiny").iterdir()).read_text())
    assert (kept["calibration_error"]["low"] is None) == (len(labels) < 10)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--line", "tiny"], "--against verifiers"),
        (["x.jsonl"], "Give --line"),
        (["x.jsonl", "--line", "tiny"], "x.jsonl: cannot be read: No such file"),
        (["x.jsonl", "--line", "tiny", "--rubric", "pair"], "--rubric is of --model"),
        (["x.jsonl", "--line", "tiny", "--judge", "1", "--reward"], "not both"),
        (["--line", "tiny", "--against", "people"], "--against verifiers"),
        (["--line", "tiny", "--against", "verifiers"], "no scored candidates yet"),
        (["--model", "pico-reward", "--against", "verifiers"], "give --line"),
    ],
)
def test_calibrate_says_what_it_needs(fresh: Plant, cli: Call, arguments: list[str], told: str) -> None:
    said = cli("calibrate", *arguments)
    assert said.code == 2 and told in said.err and not said.out


def test_the_lines_own_verifiers_calibrate_its_reward_model_and_the_next_card_shows_it(copied: Plant, cli: Call) -> None:
    def card() -> str:
        return (Path(copied.frame("dataset_release")["folder"][0]) / "README.md").read_text()

    assert copied.frame("scored").filter(leaf=ADDITION)["reward"].null_count() == 10, "a verifier decides: the reward model was never asked"
    assert "**not calibrated**" in card()
    said = cli("calibrate", "--line", "tiny", "--against", "verifiers")
    decided = copied.frame("scored")["verified"].drop_nulls().len()
    assert said.code == 0 and f"(reward model): {decided} responses of verifiers" in " ".join(said.out.split())
    copied.write_line(description="another version")
    copied.run()
    assert "**not calibrated**" not in card() and f"| verifiers (responses) | {decided} |" in card()
