"""The evaluation of a line: what training read is not asked, and how much the student forgot stands on the page and in MLflow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from plant import ADDITION, THANKS, Plant

from assets.definitions import build_definitions, build_resources
from assets.shelf import open_store
from factory.faults import InputFaults
from factory.records import MIXED
from resources.home import open_instance

EVALUATION = dg.AssetKey(["tiny", "evaluation"])


def plant_copies(plant: Plant) -> tuple[set[str], str]:
    """Puts all problems of one leaf, and nearly one of another, among what was trained on; their ids, and that of the one."""
    asked = plant.frame("evaluation").filter(model="base")
    lost, near = asked.filter(leaf=THANKS), asked.filter(leaf=ADDITION, origin="fresh").row(0, named=True)
    texts = [*lost["instruction"], f"Please, {near['instruction']}"]
    known = dict.fromkeys(MIXED) | {"leaf": THANKS, "language": "en", "response": "Thank you.", "origin": "release", "times": 1}
    rows = [known | {"record_id": f"planted{at}", "instruction": text} for at, text in enumerate(texts)]
    file = Path(plant.home.frames) / "tiny" / "training_mix.parquet"
    pl.concat([pl.read_parquet(file), pl.DataFrame(rows, schema=MIXED)]).write_parquet(file)
    return {*lost["problem_id"], near["problem_id"]}, near["problem_id"]


def evaluate(plant: Plant) -> dict[str, Any]:
    """What the page shows after the evaluation alone was made, from what is stored."""
    job = build_definitions([plant.line], build_resources(plant.home)).resolve_job_def("tiny")
    with open_instance(plant.home) as instance:
        assert job.execute_in_process(instance=instance, asset_selection=[EVALUATION]).success
        event = instance.get_latest_materialization_event(EVALUATION)
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def read_mlflow() -> dict[str, float]:
    """The figures of the newest evaluation."""
    import mlflow

    experiment = mlflow.MlflowClient().get_experiment_by_name("tiny")
    runs = mlflow.MlflowClient().search_runs([experiment.experiment_id])
    figures: dict[str, float] = next(run.data.metrics for run in runs if run.info.run_name == "evaluation")
    return figures


def test_what_training_read_is_not_asked_and_forgetting_is_told(copied: Plant) -> None:
    before = copied.frame("evaluation")
    planted, near = plant_copies(copied)
    (copied.root / "texts").mkdir()
    for at, text in enumerate(("The sea is salt, and the wind comes from the west.", "Apples grow on trees all over the island.")):
        (copied.root / "texts" / f"{at}.md").write_text(f"# Text\n\n{text}\n")
    evaluation = {"problems_per_leaf": 2, "texts": ["texts/*.md"]}
    copied.write_line(training={"phases": [{"name": "sft", "epochs": 1}], "evaluation": evaluation})
    page = evaluate(copied)

    answers, left_out = copied.frame("evaluation"), pl.read_parquet(Path(copied.home.frames) / "tiny/evaluation/contaminated.parquet")
    assert set(left_out["problem_id"]) == planted
    assert set(answers["problem_id"]) == set(before["problem_id"]) - planted and set(answers["model"]) == {"base", "tuned", "teacher"}
    assert left_out.filter(problem_id=near).select("reason", "matched_by").row(0) == ("asked", "near 1.00")
    assert page["contaminated"] == len(planted) and page["contaminated_fresh"] == 1 and page["leaves_lost"] == THANKS
    assert THANKS in page["contamination"] and THANKS not in page["accuracy"] and THANKS not in page["forgotten_tasks"]

    told = read_mlflow()
    assert told["contaminated"] == len(planted) and told[f"{ADDITION}/contaminated"] == 1
    assert told["forgetting_nats"] == page["forgetting_nats"]
    assert page["forgetting_nats_low"] <= page["forgetting_nats"] <= page["forgetting_nats_high"]
    assert told["perplexity_base"] > 1 and told["perplexity_tuned"] > 1
    student = copied.mlflow().get_model_version_by_alias("tiny_student", "candidate")
    own = {metric.key for metric in copied.mlflow().get_logged_model(student.source.removeprefix("models:/")).metrics}
    assert own >= {"tuned_all", "perplexity_tuned", "forgetting_nats"} and not own & {"base_all", "perplexity_base", "contaminated"}
    read = [pl.read_parquet(Path(copied.home.frames) / f"tiny/evaluation/texts_{name}.parquet") for name in ("base", "tuned")]
    assert read[0]["text_id"].n_unique() == 2 and read[0].drop("nats").equals(read[1].drop("nats"))
    assert evaluate(copied)["reused"] is True

    (copied.root / "texts/0.md").write_bytes(b"caf\xe9")
    with pytest.raises(InputFaults, match=r"training.evaluation.texts: 1 fault\n.*0\.md"):
        evaluate(copied)


def test_an_evaluation_is_told_again_once_its_student_is_registered_and_no_more(copied: Plant) -> None:
    store, key = open_store(copied.home), dg.AssetKey(["tiny", "student_sft"])
    student, stamp = store.read(key, None), store.stamp(key, None)
    assert student is not None and stamp is not None
    unregistered = {name: fact for name, fact in stamp.facts.items() if not name.startswith("mlflow_")}
    told = []
    for facts in (unregistered, stamp.facts, stamp.facts):
        store.write(key, None, student, replace(stamp, facts=facts))
        assert evaluate(copied)["reused"] is True
        told.append(copied.mlflow().get_run(copied.shelf().facts("evaluation")["mlflow_run"]))
    before, after, then = told
    assert not before.inputs.model_inputs and before.data.metrics == after.data.metrics
    assert [read.model_id for read in after.inputs.model_inputs] == [stamp.facts["mlflow_model_id"]]
    assert then.info.run_id == after.info.run_id != before.info.run_id


def test_a_line_without_texts_and_copies_says_so(made: Plant) -> None:
    with open_instance(made.home) as instance:
        event = instance.get_latest_materialization_event(EVALUATION)
    assert event is not None and event.asset_materialization is not None
    page = event.asset_materialization.metadata
    assert "no documents" in str(page["forgetting"].value) and "perplexity_base" not in page
    assert page["contaminated"].value == 0 and "leaves_lost" not in page
    assert "| all |" in str(page["forgotten_tasks"].value)
