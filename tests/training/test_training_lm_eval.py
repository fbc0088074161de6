"""The tasks that are written for lm-eval, run by the real harness: it gives the verdict of our own evaluation, problem by problem."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from factory.faults import FactoryError
from factory.pico.models import resolve_model
from factory.problems import write_problem
from factory.training import Problem, evaluate_model
from factory.training.lm_eval_tasks import name_task, name_turn_end, score_answer, write_tasks
from factory.training_spec import EvaluationSpec

ADDITION, DATES, TREES = "foundational_skills/arithmetic/addition", "compositional_skills/dates/add_days", "knowledge/trees"
SPEC = EvaluationSpec(max_new_tokens=24, batch_size=4)


def write_problems() -> list[Problem]:
    """Of two leaves with a verifier, and of one whose problems have a context and are compared by words."""
    rng, problems = random.Random(5), []
    for leaf, writer, verifier in ((ADDITION, "addition", "arithmetic"), (DATES, "add_days", "date_after")):
        for number in range(4):
            made = write_problem(writer, rng, "evaluation")
            problems.append(Problem(f"{writer}{number}", leaf, "en", "fresh", made.instruction, None, made.response, verifier))
    asked = ("Where do apples grow?", "Apples grow on trees.\n\nPears do too.", "On trees.")
    return [*problems, Problem("trees", TREES, "en", "holdout", *asked, None)]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps what the harness caches in the test's folder, and spares it the tale of the machine, which takes seconds."""
    import datasets
    import lm_eval.evaluator

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(lm_eval.evaluator, "add_env_info", lambda results: None)


def run_harness(model: str, folder: Path, group: str, batch_size: int = 4, **how: Any) -> dict[str, Any]:
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    found: dict[str, Any] = lm_eval.simple_evaluate(
        model=HFLM(pretrained=resolve_model(model), dtype="float32", device="cpu", batch_size=batch_size),
        tasks=[group],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        apply_chat_template=True,
        bootstrap_iters=0,
        **how,
    )
    return found


def read_answers(found: dict[str, Any]) -> dict[str, str]:
    return {sample["doc"]["problem_id"]: sample["filtered_resps"][0] for samples in found["samples"].values() for sample in samples}


@pytest.mark.usefixtures("harness")
def test_the_harness_gives_the_verdict_of_our_evaluation(tmp_path: Path) -> None:
    problems = write_problems()
    write_tasks("mine", problems, SPEC.max_new_tokens, tmp_path / "tasks")
    found, own = run_harness("pico-teacher", tmp_path / "tasks", "mine"), evaluate_model("teacher", "pico-teacher", problems, SPEC)
    told = {sample["doc"]["problem_id"]: sample for samples in found["samples"].values() for sample in samples}
    assert {problem_id: (bool(sample["acc"]), sample["filtered_resps"]) for problem_id, sample in told.items()} == {
        row["problem_id"]: (row["correct"], [row["response"]]) for row in own.iter_rows(named=True)
    }
    assert 0 < own["correct"].sum() < own.height
    assert found["results"]["mine"]["acc,none"] == pytest.approx(own["correct"].mean())
    for leaf in (ADDITION, DATES, TREES):
        assert found["results"][name_task("mine", leaf)]["acc,none"] == pytest.approx(own.filter(leaf=leaf)["correct"].mean())
    assert found["results"][name_task("mine", TREES)]["alias"].strip(" -") == TREES


@pytest.mark.usefixtures("harness")
def test_an_answer_ends_with_the_turn_though_the_model_names_another_end(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    base = Path(shutil.copytree(resolve_model("pico-teacher"), tmp_path / "base"))
    settings = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps(settings | {"eos_token": "<|pad|>"}))
    tokenizer = AutoTokenizer.from_pretrained(base)
    GenerationConfig(eos_token_id=tokenizer.eos_token_id).save_pretrained(base)
    problems = write_problems()[4:7]
    write_tasks("mine", problems, SPEC.max_new_tokens, tmp_path / "tasks", name_turn_end(str(base)))
    own = evaluate_model("base", str(base), problems, SPEC)
    answers = dict(zip(own["problem_id"], own["response"], strict=True))
    assert read_answers(run_harness(str(base), tmp_path / "tasks", "mine", batch_size=1)) == answers
    ends = {"eos_token_id": [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|end|>")]}
    assert read_answers(run_harness(str(base), tmp_path / "tasks", "mine", gen_kwargs=ends)) == answers, "as the guide says of batches"


def test_an_answer_is_scored_with_reference_and_settings() -> None:
    settings = '{"tolerance":0.01,"unit":"km"}'
    far = {"problem_id": "p", "leaf": "a/b", "language": "en", "origin": "holdout", "instruction": "How far?", "context": None}
    doc = far | {"reference": "3.14", "verifier": "number", "verifier_settings": settings, "prompt": "How far?"}
    assert score_answer(doc, ["3141 m"]) == {"acc": 1.0}
    assert score_answer(doc, ["3.2"]) == {"acc": 0.0}


def test_tasks_of_a_leaf_that_is_gone_go_and_those_of_another_line_stay(tmp_path: Path) -> None:
    problems = write_problems()
    write_tasks("mine", problems, 8, tmp_path)
    other = write_tasks("other", problems[:1], 8, tmp_path)
    folder = write_tasks("mine", problems[:4], 8, tmp_path)
    assert sorted(file.name for file in folder.iterdir()) == [
        "mine.yaml",
        f"{name_task('mine', ADDITION)}.parquet",
        f"{name_task('mine', ADDITION)}.yaml",
    ]
    assert (other / "other.yaml").is_file()
    ended = write_tasks("ended", problems[:1], 8, tmp_path, "<|end|>")
    versions = [yaml.safe_load((place / f"{place.name}.yaml").read_text())["metadata"]["version"] for place in (folder, other, ended)]
    assert len(set(versions)) == 3, "by the problems, and by how answers end"


def test_what_cannot_be_written_is_refused_and_nothing_of_others_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(FactoryError, match="holds something else"):
        write_tasks("mine", write_problems(), 8, tmp_path)
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"
    with pytest.raises(FactoryError, match="no evaluation problems"):
        write_tasks("none", [], 8, tmp_path)
    twins = [Problem(leaf, leaf, "en", "holdout", "q", None, "a", None) for leaf in ("a/b__c", "a__b/c")]
    with pytest.raises(FactoryError, match=r"a/b__c and a__b/c would have one task, twins__a__b__c"):
        write_tasks("twins", twins, 8, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FactoryError, match=r"file/mine cannot be written: Not a directory"):
        write_tasks("mine", write_problems(), 8, tmp_path / "file")
