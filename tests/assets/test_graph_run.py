"""One whole run: every asset, the release, the tracked model, the pages and checks in Dagster."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import mlflow
import polars as pl
import pytest
from plant import LEAVES, Plant, Whole

from assets.definitions import build_definitions, build_resources
from assets.story import tell_run
from factory.records import CANDIDATE, SEED, VERDICT
from factory.release.manifest import find_releases, verify_release
from factory.validation.measured import MEASURED, digest_records
from factory.validation.reports import REPORTS
from resources.home import open_instance


def test_every_leaf_is_written_scored_and_decided(made: Plant) -> None:
    candidates, scored = made.frame("candidates"), made.frame("scored")
    assert dict(candidates.schema) == CANDIDATE
    assert candidates.group_by("leaf").len().sort("leaf").rows() == [(leaf, 10) for leaf in LEAVES]
    assert set(scored["record_id"]) == set(candidates["record_id"])
    accepted, rejected = made.frame("accepted"), made.frame("rejected")
    assert dict(accepted.schema) == VERDICT
    assert accepted.height > 0
    assert sorted([*accepted["record_id"], *rejected["record_id"]]) == sorted(candidates["record_id"])
    assert rejected["reason"].null_count() == 0


def test_the_teacher_never_sees_a_held_out_example(made: Plant) -> None:
    seeds = made.frame("seed_examples")
    assert dict(seeds.schema) == SEED
    held_out = set(seeds.filter(split="holdout")["record_id"])
    shown = set(made.frame("candidates")["seed_ids"].explode().drop_nulls())
    assert held_out and shown
    assert not held_out & shown


def test_the_release_is_whole_and_holds_what_was_accepted(made: Plant) -> None:
    folder = Path(made.frame("dataset_release")["folder"][0])
    assert find_releases(made.home.releases, "tiny") == [folder]
    manifest = verify_release(folder)
    records = pl.read_parquet(folder / "data.parquet")
    assert set(records["record_id"]) == set(made.frame("accepted")["record_id"])
    assert manifest.version == folder.name == made.frame("dataset_release")["version"][0]
    read = made.frame("gates").filter(metric=MEASURED)
    assert sorted(read["report"]) == sorted(REPORTS) and read["subject"].unique().to_list() == [digest_records(records)]


def test_mlflow_has_a_run_for_the_whole_and_one_for_each_asset_that_tells_it_something(made: Plant, whole: Whole) -> None:
    client = made.mlflow()
    experiment = client.get_experiment_by_name("tiny")
    runs = client.search_runs([experiment.experiment_id], f"tags.`dagster.run_id` = '{whole.ended.run_ids[0]}'")
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = {run.info.run_name: run for run in runs if run is not parent}
    assert sorted(children) == ["champion", "dataset_release", "evaluation", "student_sft"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for name, run in children.items():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id and run.data.tags["dagster.asset"] == f"tiny/{name}"
        assert parent.info.start_time <= run.info.start_time <= run.info.end_time <= parent.info.end_time
        assert run.data.tags["mlflow.source.git.commit"] == parent.data.tags["mlflow.source.git.commit"] != ""
    tuned = children["student_sft"]
    assert tuned.inputs.dataset_inputs[0].dataset.name == made.frame("dataset_release")["version"][0]
    assert tuned.data.metrics["tuning_attempts"] == 1 and tuned.data.metrics["peak_memory_megabytes"] > 10
    assert "system/cpu_utilization_percentage" in tuned.data.metrics and (made.home.mlflow / "artifacts").is_dir()


def test_the_summary_says_which_mlflow_was_told_and_no_password(made: Plant, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell() -> str:
        return "\n".join(tell_run(made.home, made.line, whole.ended.survey, whole.ended.spending, whole=True))

    assert str(made.home.mlflow) in tell()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example")
    assert "$MLFLOW_TRACKING_URI" in tell() and "secret" not in tell() and str(made.home.mlflow) not in tell()


def test_the_student_is_registered_with_its_evaluation_and_answers_as_it_was_evaluated(made: Plant) -> None:
    client = made.mlflow()
    version, decided = client.get_model_version_by_alias("tiny_student", "candidate"), made.frame("champion").row(0, named=True)
    assert str(version.version) == "1" and version.description == decided["reason"]
    assert version.tags["factory.decision"] == ("promoted" if decided["promoted"] else "refused")
    answers = made.frame("evaluation").filter(model="tuned")
    figures = {metric.key: metric.value for metric in client.get_logged_model(version.source.removeprefix("models:/")).metrics}
    assert figures["tuned_all"] == pytest.approx(answers["correct"].to_numpy().mean()) and "base_all" not in figures

    student = mlflow.pyfunc.load_model("models:/tiny_student@candidate")
    asked = answers.filter(pl.col("context").is_null()).row(0, named=True)
    (said,) = student.predict({"messages": [{"role": "user", "content": asked["instruction"]}], "max_tokens": 96})
    assert said["choices"][0]["message"]["content"] == asked["response"].strip()
    assert student.input_example["messages"][0]["content"] in set(made.frame("accepted")["instruction"])


def test_the_student_is_evaluated_beside_base_and_teacher(made: Plant) -> None:
    answers = made.frame("evaluation")
    assert set(answers["model"]) == {"base", "tuned", "teacher"}
    problems = answers.group_by("model").agg(pl.col("problem_id").sort())
    assert problems["problem_id"].n_unique() == 1, "all models answer the same problems"
    attacked = pl.read_parquet(Path(made.home.frames) / "tiny" / "evaluation" / "membership.parquet")
    assert set(attacked["model"]) == {"base", "tuned"} and set(attacked["members"]) == {"seeds", "release"}
    history = made.frame("champion")
    assert history["student"].to_list() == made.frame("student_sft")["revision"].to_list()


def test_every_asset_is_materialised_and_every_check_is_on_record(made: Plant, whole: Whole) -> None:
    graph = build_definitions([made.line], build_resources(made.home)).resolve_asset_graph()
    with open_instance(made.home) as instance:
        for key in graph.materializable_asset_keys:
            assert instance.get_latest_materialization_event(key), f"{key} is not materialised"
        (run_id,) = whole.ended.run_ids
        run = instance.get_run_by_id(run_id)
        assert run is not None and run.status == dg.DagsterRunStatus.SUCCESS
        events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = {evaluated.asset_check_key: evaluated for event in events if (evaluated := event.dagster_event.event_specific_data)}
    assert set(found) == set(graph.asset_check_keys)
    assert all(evaluated.passed for evaluated in found.values()), [key for key, evaluated in found.items() if not evaluated.passed]


def test_each_leaf_has_a_page_of_its_own(made: Plant) -> None:
    with open_instance(made.home) as instance:
        key = dg.AssetKey(["tiny", "candidates"])
        assert sorted(instance.get_materialized_partitions(key)) == LEAVES
        event = instance.fetch_materializations(key, limit=10).records[0].event_log_entry.asset_materialization
    assert event is not None
    assert event.metadata["teacher"].value.startswith("pico-teacher")
    assert event.metadata["reused"].value is False


def test_no_frame_says_when_it_was_made(made: Plant) -> None:
    """Facts beside the rows may hold seconds; rows, manifest and ids are the same whenever the line is run."""
    manifest = json.loads((Path(made.frame("dataset_release")["folder"][0]) / "manifest.json").read_text())
    text = json.dumps(manifest)
    assert str(made.home.root) not in text
    assert not [name for name in manifest if "time" in name or name == "created"]
