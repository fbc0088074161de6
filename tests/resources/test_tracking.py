"""MLflow is told of every student once, with what shows where it is from, and never costs one."""

from __future__ import annotations

import logging
import resource
from pathlib import Path

import mlflow
import pytest
from students import ASKED, BEGAN, log, name_work

from factory.release.trend import Point
from resources.tracking import Decision, Tracking

MESSAGES = [{"role": "user", "content": "Compute 31 + 12."}]


def open_client(tracking: Tracking) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(tracking.uri, tracking.uri)


def test_a_student_is_logged_and_registered_with_what_it_was_tuned_on_and_how(tracking: Tracking) -> None:
    told = log(tracking, "run-1", "fingerprint-1")
    assert told is not None
    client = open_client(tracking)
    run = client.get_run(told["mlflow_run"])
    assert run.data.params == {"epochs": "2.0", "base": "pico-student", "do_sample": "False"}
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")] == [(1, 3.0), (2, 2.5)]
    sampled = client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
    assert [(point.step, point.timestamp, point.value) for point in sampled] == [(0, BEGAN + 1000, 50.0), (1, BEGAN + 2000, 70.0)]
    assert run.info.start_time == BEGAN and run.info.status == "FINISHED"
    assert run.inputs.dataset_inputs[0].dataset.name == "v-1"
    assert run.data.tags["mlflow.note.content"] == "Phase sft."
    assert told["mlflow_url"].endswith(f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
    version = client.get_model_version_by_alias("demo_student", "candidate")
    assert (str(version.version), version.run_id) == (told["mlflow_version"], run.info.run_id)
    assert version.tags["factory.revision"] == "pico@fingerprint-1" and "not judged yet" in version.description


def test_a_registered_student_answers_and_says_what_it_takes(tracking: Tracking) -> None:
    told = log(tracking, "run-1", "fingerprint-1")
    assert told is not None
    uri = f"models:/demo_student/{told['mlflow_version']}"
    answering = mlflow.pyfunc.load_model(uri)
    assert answering.input_example == {"messages": MESSAGES, "max_tokens": 32}
    assert "messages" in answering.metadata.get_input_schema().input_names()
    (answer,) = answering.predict({"messages": MESSAGES, "max_tokens": 32})
    pipeline = mlflow.transformers.load_model(uri)
    said = pipeline(MESSAGES, max_new_tokens=32, do_sample=False)[0]["generated_text"][-1]["content"]
    assert answer["choices"][0]["message"]["content"] == said.strip() != ""


def test_a_students_figures_stand_with_its_model(tracking: Tracking) -> None:
    told = log(tracking, "run-2", "judged")
    assert told is not None
    figures, own = {"base_all": 0.25, "tuned_all": 0.5}, {"tuned_all": 0.5}
    work = name_work("run-2", "evaluation")
    evaluated = tracking.log_evaluation(work, figures, "| model |\n| --- |", asked=ASKED, of_model=own, model=told["mlflow_model_id"])
    assert evaluated is not None
    client = open_client(tracking)
    run = client.get_run(evaluated["mlflow_run"])
    assert run.data.metrics == figures and run.inputs.model_inputs[0].model_id == told["mlflow_model_id"]
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["evaluation.md"]
    model = client.get_logged_model(told["mlflow_model_id"])
    found = {(metric.key, metric.value, metric.dataset_name) for metric in model.metrics}
    assert found == {("records", 2.0, "v-1"), ("tuned_all", 0.5, "evaluation problems")}
    assert model.params == {"epochs": "2.0", "base": "pico-student"} and model.tags["factory.revision"] == "pico@judged"


def test_a_decision_stands_on_the_student_and_the_alias_moves_only_when_crowned(tracking: Tracking) -> None:
    told = log(tracking, "run-3", "decided")
    assert told is not None
    client, work = open_client(tracking), name_work("run-3", "champion")
    refused = Decision("pico@decided", False, "Not promoted: it was no better.", {"difference": 0.0})
    logged = tracking.log_decision(work, refused)
    assert logged is not None and logged["mlflow_version"] == told["mlflow_version"]
    version = client.get_model_version("demo_student", told["mlflow_version"])
    assert version.tags["factory.decision"] == "refused" and version.description == refused.reason
    assert "champion" not in client.get_registered_model("demo_student").aliases
    run = client.get_run(logged["mlflow_run"])
    assert run.inputs.model_inputs[0].model_id == told["mlflow_model_id"]
    assert run.data.metrics == {"difference": 0.0} and run.data.tags["mlflow.note.content"] == refused.reason

    tracking.log_decision(work, Decision("pico@decided", True, "Promoted: it won.", {"difference": 0.5}))
    assert tracking.crown("demo", "pico@decided") == told["mlflow_version"]
    champion = client.get_model_version_by_alias("demo_student", "champion")
    assert str(champion.version) == told["mlflow_version"] and champion.tags["factory.decision"] == "promoted"
    assert tracking.crown("demo", "pico@never-registered") is None
    unknown = tracking.log_decision(work, Decision("pico@never-registered", False, "Not promoted.", {}))
    assert unknown is not None and "mlflow_version" not in unknown


def test_the_same_student_keeps_its_version_and_the_run_its_parent(tracking: Tracking) -> None:
    first, again, other = log(tracking, "run-4", "same"), log(tracking, "run-4", "same"), log(tracking, "run-4", "other")
    assert first and again and other
    assert first["mlflow_version"] == again["mlflow_version"] != other["mlflow_version"]
    client = open_client(tracking)
    parents = {client.get_run(told["mlflow_run"]).data.tags["mlflow.parentRunId"] for told in (first, again, other)}
    assert len(parents) == 1
    assert str(client.get_model_version_by_alias("demo_student", "candidate").version) == other["mlflow_version"]


def test_a_phase_that_is_not_the_last_is_logged_without_a_version(tracking: Tracking) -> None:
    told = log(tracking, "run-5", "early", register=False)
    assert told is not None and "mlflow_version" not in told


def test_releases_that_it_was_not_told_of_are_told_with_the_next(tracking: Tracking) -> None:
    points = [Point(step, f"v-{step}", "", {"fidelity.records": 10.0 * step}) for step in (1, 2)]
    assert tracking.log_release(name_work("run-6", "dataset_release"), "v-2", points)
    client = open_client(tracking)
    experiment = client.get_experiment_by_name("demo")
    (series,) = client.search_runs([experiment.experiment_id], "attributes.run_name = 'releases'")
    assert [(point.step, point.value) for point in client.get_metric_history(series.info.run_id, "fidelity.records")] == [(1, 10), (2, 20)]


def test_an_mlflow_that_cannot_be_written_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    broken = Tracking(uri=f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    with caplog.at_level(logging.WARNING, logger="factory"):
        assert log(broken, "run-1", "f") is None
        assert broken.crown("demo", "pico@f") is None
    assert "MLflow was not told" in caplog.text


def test_a_disk_too_full_for_the_registrys_copy_is_no_failure_and_the_next_run_makes_it(
    tracking: Tracking, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))  # the weights are larger, the database is not
    try:
        with caplog.at_level(logging.WARNING, logger="factory"):
            assert log(tracking, "run-7", "full") is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large" in caplog.text
    told = log(tracking, "run-7", "full")
    assert told is not None and told["mlflow_version"]
