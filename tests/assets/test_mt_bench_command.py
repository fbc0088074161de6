"""`factory mt-bench`: a line's student or any model, its files, its table, and what it says where something is missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from plant import Plant, Said

from assets.mt_bench import open_contest

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer

Call = Callable[..., Said]
CATEGORIES = ("writing", "math")


def write_questions(root: Path, count: int = 6) -> str:
    rows = [
        {"question_id": 80 + number, "category": CATEGORIES[number % 2], "turns": [f"Say {number}.", "Once more?"]}
        for number in range(count)
    ]
    file = root / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def write_model(file: Path, server: MisbehavingServer, **more: Any) -> str:
    spec = {"model": file.stem, "server": {"base_url": server.base_url, "in_flight": 4, "tries": 2, "park_seconds": 0.2}}
    file.write_text(yaml.safe_dump(spec | more))
    return str(file)


def test_a_model_of_no_line_is_asked_graded_written_down_and_told_to_mlflow_once(fresh: Plant, cli: Call) -> None:
    with MisbehavingServer() as model, MisbehavingServer(answer=lambda body: "It will do. [[6]]") as judge:
        named = ("--model", write_model(fresh.root / "answerer.yaml", model), "--judge", write_model(fresh.root / "critic.yaml", judge))
        said = cli("mt-bench", write_questions(fresh.root), *named)
        assert said.code == 0, said.err
        again = cli("mt-bench", write_questions(fresh.root), *named)
        assert again.out == said.out and (len(model.asked), len(judge.asked)) == (12, 12), "nothing is asked twice"
    told = " ".join(said.out.split())
    assert "6 questions to answerer (answerer@served), answers of up to 1024 tokens; graded by critic@served, rubric mt_bench" in told
    assert "math 6.00 6.00 6.00 – 3" in told and "all 6.00 6.00 6.00 – 6" in told
    assert "6 of 6 answers of math, coding, reasoning were graded without a right answer: --references." in told
    (folder,) = (fresh.home.root / "mt_bench" / "_models").iterdir()
    first = json.loads((folder / "answers.jsonl").read_text().splitlines()[0])
    assert first["question_id"] == 80 and len(first["choices"][0]["turns"]) == 2 and first["model_id"] == "answerer@served"
    judgement = json.loads((folder / "judgements.jsonl").read_text().splitlines()[1])
    assert (judgement["turn"], judgement["grade"], judgement["said"]) == (2, 6.0, "It will do. [[6]]")
    assert (folder / "scores.csv").read_text().startswith("category,turn,questions,graded,ungraded,score")
    client = MlflowClient(f"sqlite:///{fresh.home.mlflow / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("mt_bench").experiment_id])
    assert run.data.metrics["mt_bench"] == run.data.metrics["mt_bench/math"] == 6.0
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"answers.jsonl", "judgements.jsonl", "scores.csv"}


def test_a_lines_student_is_asked_through_its_ledger_and_its_own_answers_may_be_references(copied: Plant, cli: Call) -> None:
    with MisbehavingServer(answer=lambda body: "[[2]]") as judge:
        grader = yaml.safe_load(Path(write_model(copied.root / "critic.yaml", judge)).read_text())
        copied.write_line(training={"phases": [{"name": "sft", "epochs": 1}], "evaluation": {"problems_per_leaf": 2, "grader": grader}})
        out = copied.root / "out"
        out.mkdir()
        (out / "private.txt").write_text("for nobody else")
        named = ("--line", "tiny", "--max-new-tokens", "8", "--most", "2")
        said = cli("mt-bench", write_questions(copied.root), *named, "--out", str(out))
        assert said.code == 0, said.err
        shown = cli("mt-bench", write_questions(copied.root), "--references", str(out / "answers.jsonl"), *named)
        assert shown.code == 0, shown.err
    assert "2 questions to tiny's" in said.out and "answers of up to 8 tokens" in said.out
    assert any("[Right answer 2]" in asked.body["messages"][0]["content"] for asked in judge.asked)
    client = MlflowClient(f"sqlite:///{copied.home.mlflow / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], "attributes.run_name LIKE 'mt-bench %'")
    kept = {file.path for run in runs for file in client.list_artifacts(run.info.run_id)}
    assert kept == {"answers.jsonl", "judgements.jsonl", "scores.csv"}, "what else lies in the folder is not MLflow's"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Give --line for a line's student, or --model"),
        (["--line", "tiny"], "has no student of phase 'sft' yet"),
        (["--model", "pico-student", "--phase", "sft"], "--phase names a student of --line"),
        (["--model", "pico-student"], "Nobody grades the answers: give --judge"),
        (["--model", "pico-student", "--line", "tiny"], "line tiny names no training.evaluation.grader"),
        (["--model", "pico-student", "--judge", "bad.yaml"], "bad.yaml:1:1: modl: unknown key; did you mean 'model'?"),
        (["--model", "pico-studnt", "--judge", "pico-teacher"], "No model 'pico-studnt'"),
    ],
)
def test_what_is_missing_is_told(fresh: Plant, cli: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str) -> None:
    monkeypatch.chdir(fresh.root)
    Path("bad.yaml").write_text("modl: x\n")
    said = cli("mt-bench", write_questions(fresh.root), *arguments)
    assert said.code == 2 and told in said.err, said.err


def test_a_server_that_fails_is_told_and_nothing_that_was_answered_is_lost(fresh: Plant, cli: Call) -> None:
    with MisbehavingServer(lambda asked: "500" if asked.number > 4 else None) as model:
        named = ("--model", write_model(fresh.root / "answerer.yaml", model), "--judge", "pico-teacher")
        said = cli("mt-bench", write_questions(fresh.root), *named)
    assert said.code == 1 and "Not finished: " in said.err and "What was answered is in the ledger: run again to go on." in said.err


def test_a_file_names_an_adapter_relative_to_itself(fresh: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = fresh.root / "models" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}")
    file = adapter.parent / "tuned.yaml"
    file.write_text("{model: pico-student, adapter: adapter}")
    monkeypatch.chdir(fresh.root)
    assert open_contest(fresh.home, None, None, str(file), "pico-teacher").model.spec.adapter == str(adapter)
