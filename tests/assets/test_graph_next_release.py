"""A line that lost a leaf and is made and released again: its trend, and the student that reads the release before and real examples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import mlflow
import polars as pl
import pytest
from plant import ADDITION, LENIENT, SORT, THANKS, Plant, Said, Whole, at_home, copy_plant

from assets.data_docs import docs_folder
from assets.definitions import build_definitions, build_resources
from assets.seeds import read_seeds
from assets.story import tell_run
from factory.generation.spending import Spending
from factory.records import take_examples
from factory.release.history import list_history
from factory.release.manifest import verify_release
from factory.training import measure_real_share
from resources.home import open_instance

SHARE = 0.6
MIXING = {"policy": "accumulate", "least_real_share": SHARE, "greatest_depth": 1}


@pytest.fixture(scope="module")
def next_plant(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """The made line without a leaf, made and released again."""
    plant = copy_plant(whole.plant, tmp_path_factory.mktemp("next"))
    with at_home(plant):
        shutil.rmtree(plant.qna(SORT).parent)
        plant.write_line(mixing=MIXING, validation={"gates": LENIENT})
        plant.run()
    return plant


@pytest.fixture
def moved(next_plant: Plant) -> Iterator[Plant]:
    with at_home(next_plant):
        yield next_plant


def page(plant: Plant, asset: str) -> dict[str, Any]:
    """What the newest page of an asset shows."""
    with open_instance(plant.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["tiny", asset]))
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def drift(plant: Plant) -> float | None:
    return plant.frame("collapse").filter(metric="perplexity_drift")["value"][0]


def test_a_line_shows_how_its_releases_moved(moved: Plant, whole: Whole) -> None:
    assert drift(whole.plant) is None, "the first release has none before it"
    drifted = drift(moved)
    assert drifted is not None and drifted > 0
    history = list_history(moved.home.releases, "tiny")
    assert [entry.step for entry in history] == [1, 2]
    assert history[-1].version == moved.frame("dataset_release")["version"][0]
    assert [entry.against_previous.get("collapse.perplexity_drift") for entry in history] == [None, drifted]

    for asset in ("collapse", "gates", "dataset_release"):
        shown = page(moved, asset)
        assert "trend_plot" in shown and "collapse.distinct_pairs" in shown["trend"], asset
    heads = page(moved, "dataset_release")["trend"].splitlines()[0]
    assert all(f"{entry.step} {entry.version}" in heads for entry in history)

    mlflow.set_tracking_uri(f"sqlite:///{moved.home.mlflow / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    (series,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], "attributes.run_name = 'releases'")
    records = client.get_metric_history(series.info.run_id, "fidelity.records")
    assert [point.step for point in records] == [1, 2]
    assert records[-1].value == moved.frame("accepted").height
    assert [point.step for point in client.get_metric_history(series.info.run_id, "collapse.perplexity_drift")] == [2]

    docs = (docs_folder("tiny") / "index.html").read_text()
    assert all(asset in docs for asset in ("seed_examples", "scored", "rejected", "collapse", "dataset_release"))


def test_a_removed_leaf_leaves_the_line(moved: Plant) -> None:
    with open_instance(moved.home) as instance:
        assert sorted(instance.get_dynamic_partitions("tiny_leaves")) == sorted([ADDITION, THANKS])
    assert SORT not in set(moved.frame("candidates")["leaf"])


def list_work(plant: Plant) -> dict[str, int]:
    """When each frame, model and release was written (ns)."""
    files = (file for part in ("frames", "models", "releases") for file in (plant.home.root / part / "tiny").rglob("*.*"))
    return {str(file): file.stat().st_mtime_ns for file in files if file.is_file()}


def train_again(plant: Plant) -> None:
    """A run of the stages that mixing touches, from what is stored."""
    job = build_definitions([plant.line], build_resources(plant.home)).resolve_job_def("tiny")
    keys = [dg.AssetKey(["tiny", name]) for name in ("training_mix", "student_sft", "evaluation")]
    with open_instance(plant.home) as instance:
        assert job.execute_in_process(instance=instance, asset_selection=keys).success


def test_a_student_reads_earlier_releases_and_real_examples(moved: Plant, whole: Whole, cli: Callable[..., Said]) -> None:
    first, seeds = whole.plant.frame("dataset_release").row(0, named=True), whole.plant.frame("seed_examples")
    gone = whole.plant.frame("accepted").filter(leaf=SORT)["record_id"].to_list()
    rows, release = moved.frame("training_mix"), moved.frame("dataset_release").row(0, named=True)
    origins = dict(rows.group_by("origin").agg("record_id").iter_rows())
    assert set(origins["release"]) == set(moved.frame("accepted")["record_id"])
    assert set(origins["earlier"]) == set(gone) and set(rows.filter(origin="earlier")["release"]) == {first["version"]}
    people = take_examples(seeds).filter(pl.col("leaf") != SORT)
    assert origins["real"] and set(origins["real"]) <= set(people.filter(split="seed")["record_id"])
    assert (measure_real_share(rows) or 0) >= SHARE
    assert verify_release(Path(release["folder"])).depths == {"1": release["records"]}, "a release holds nothing but its own records"

    student = moved.frame("student_sft").row(0, named=True)
    assert student["own"] == rows["times"].sum() > rows.height
    assert student["records"] + sum(json.loads(student["left_out"]).values()) == student["own"]
    assert student["real_share"] == measure_real_share(rows) and student["release"] == release["version"] != first["version"]
    mlflow.set_tracking_uri(f"sqlite:///{moved.home.mlflow / 'mlflow.db'}")
    told = mlflow.get_run(moved.shelf().facts("student_sft")["mlflow_run"])
    (read,) = told.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest) == (release["version"], student["mix"])
    assert {tag.key: tag.value for tag in read.tags}["mix"] == student["mix"] == told.data.params["mix"]
    assert told.data.params["trained_weights"] == str(student["trained_weights"])
    shown = page(moved, "training_mix")
    assert shown["real_share"] == student["real_share"] and first["version"] in shown["by_release"]

    before = list_work(moved)
    train_again(moved)
    assert list_work(moved) == before
    summary = "\n".join(tell_run(moved.home, moved.line, read_seeds(moved.line), Spending(), whole=True))
    assert f"{len(gone)} of earlier ones, {len(origins['real'])} real examples" in summary
    for traced in (gone[0], origins["real"][0]):
        text = " ".join(cli("trace", traced).out.split())
        assert f"with release {release['version']}" in text or f"tiny {release['version']}" in text, traced
