"""MLflow is told of every student once, and never costs one."""

from __future__ import annotations

import logging
import resource
import unicodedata
from pathlib import Path

import mlflow
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_experiment_name, _validate_metric_name, _validate_model_name

from factory.pico.models import resolve_model
from factory.spec import NAME
from resources.tracking import LONGEST_METRIC, Curve, Released, Tracking, name_metric

RECORDS = pl.DataFrame({"record_id": ["a", "b"], "instruction": ["Add 1 and 2.", "Add 2 and 2."], "response": ["1 + 2 = 3", "2 + 2 = 4"]})


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    folder = tmp_path_factory.mktemp("mlflow")
    return Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}", artifacts=(folder / "artifacts").as_uri())


def log(tracking: Tracking, run_id: str, fingerprint: str, *, register: bool = True) -> dict[str, str] | None:
    return tracking.log_student(
        "demo",
        run_id,
        "student_sft",
        params={"epochs": 2.0, "base": "pico-student"},
        metrics={"records": 2.0},
        curves=[Curve("loss", [(1, 3.0), (2, 2.5)])],
        released=Released(RECORDS, "releases/demo/v-1", "v-1", "0123456789abcdef" * 4),
        model=Path(resolve_model("pico-student")),
        fingerprint=fingerprint,
        register=register,
    )


def test_a_student_is_logged_registered_and_crowned(tracking: Tracking) -> None:
    told = log(tracking, "run-1", "fingerprint-1")
    assert told is not None
    client = mlflow.MlflowClient(tracking.uri, tracking.uri)
    run = client.get_run(told["mlflow_run"])
    assert run.data.params == {"epochs": "2.0", "base": "pico-student"}
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")] == [(1, 3.0), (2, 2.5)]
    assert run.inputs.dataset_inputs[0].dataset.name == "v-1"
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert parent.data.tags["dagster.run_id"] == "run-1" and parent.info.status == run.info.status == "FINISHED"
    assert told["mlflow_url"].endswith(f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")

    assert str(client.get_model_version_by_alias("demo_student", "candidate").version) == told["mlflow_version"]
    assert tracking.crown("demo_student", told["mlflow_version"])
    champion = client.get_model_version_by_alias("demo_student", "champion")
    assert str(champion.version) == told["mlflow_version"] and champion.run_id == run.info.run_id

    pipeline = mlflow.transformers.load_model("models:/demo_student@champion")
    assert sum(weight.numel() for weight in pipeline.model.parameters()) > 10_000


def test_the_same_student_keeps_its_version_and_the_run_its_parent(tracking: Tracking) -> None:
    first, again, other = log(tracking, "run-2", "same"), log(tracking, "run-2", "same"), log(tracking, "run-2", "other")
    assert first and again and other
    assert first["mlflow_version"] == again["mlflow_version"] != other["mlflow_version"]
    client = mlflow.MlflowClient(tracking.uri, tracking.uri)
    parents = {client.get_run(told["mlflow_run"]).data.tags["mlflow.parentRunId"] for told in (first, again, other)}
    assert len(parents) == 1
    assert str(client.get_model_version_by_alias("demo_student", "candidate").version) == other["mlflow_version"]


def test_a_phase_that_is_not_the_last_is_logged_without_a_version(tracking: Tracking) -> None:
    told = log(tracking, "run-3", "early", register=False)
    assert told is not None and "mlflow_version" not in told


def test_figures_of_an_evaluation_are_logged_with_their_table(tracking: Tracking) -> None:
    told = tracking.log_evaluation("demo", "run-4", {"tuned_all": 0.5, "a/b/holdout/tuned": 0.25}, "| model |\n| --- |")
    assert told is not None
    client = mlflow.MlflowClient(tracking.uri, tracking.uri)
    assert client.get_run(told["mlflow_run"]).data.metrics == {"tuned_all": 0.5, "a/b/holdout/tuned": 0.25}
    assert [file.path for file in client.list_artifacts(told["mlflow_run"])] == ["evaluation.md"]


def test_an_mlflow_that_cannot_be_written_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    broken = Tracking(uri=f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    with caplog.at_level(logging.WARNING, logger="factory"):
        assert log(broken, "run-1", "f") is None
        assert not broken.crown("demo_student", "1")
    assert "MLflow was not told" in caplog.text


def test_a_disk_too_full_for_the_registrys_copy_is_no_failure_and_the_next_run_makes_it(
    tracking: Tracking, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))  # the weights are larger, the database is not
    try:
        with caplog.at_level(logging.WARNING, logger="factory"):
            assert log(tracking, "run-5", "full") is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large" in caplog.text
    told = log(tracking, "run-5", "full")
    assert told is not None and told["mlflow_version"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="/."), min_size=1, max_size=300), st.text(max_size=3))
def test_mlflow_takes_the_metric_of_any_leaf_and_keeps_two_apart(leaf: str, more: str) -> None:
    name = name_metric(f"skills/{leaf}/tuned")
    _validate_metric_name(name)
    assert len(name) <= LONGEST_METRIC
    if more and unicodedata.normalize("NFC", leaf) != unicodedata.normalize("NFC", f"{leaf}{more}"):
        assert name != name_metric(f"skills/{leaf}{more}/tuned")


@given(st.from_regex(NAME, fullmatch=True))
def test_mlflow_takes_the_student_of_any_line(line: str) -> None:
    _validate_model_name(f"{line}_student")
    _validate_experiment_name(line)
    with pytest.raises(MlflowException, match="cannot contain '/'"):
        _validate_model_name(f"team/{line}_student")


def test_a_plain_metric_keeps_its_name() -> None:
    assert name_metric("compositional_skills/words/sort_words/holdout/base") == "compositional_skills/words/sort_words/holdout/base"
    assert name_metric("knowledge/文字") == "knowledge/文字"
