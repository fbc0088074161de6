"""A line that mixes earlier releases and real examples in: what its student reads, who is told, and that a second run makes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import mlflow
import polars as pl
from plant import LENIENT, SORT, Plant, Said

from assets.definitions import build_definitions, build_resources
from assets.mixing import check_bounds, describe_mix, is_mixed, specify_bounds
from assets.seeds import read_seeds
from assets.story import tell_run
from factory.generation.spending import Spending
from factory.mixing_spec import MixingSpec
from factory.records import MIXED, take_examples
from factory.release.manifest import verify_release
from factory.training import measure_real_share
from resources.home import open_instance

SHARE = 0.6
MIXING = {"policy": "accumulate", "least_real_share": SHARE, "greatest_depth": 1}


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


def test_a_student_reads_earlier_releases_and_real_examples(copied: Plant, cli: Callable[..., Said]) -> None:
    first, seeds = copied.frame("dataset_release").row(0, named=True), copied.frame("seed_examples")
    gone = copied.frame("accepted").filter(leaf=SORT)["record_id"].to_list()
    shutil.rmtree(copied.qna(SORT).parent)
    copied.write_line(mixing=MIXING, validation={"gates": LENIENT})
    copied.run()

    rows, release = copied.frame("training_mix"), copied.frame("dataset_release").row(0, named=True)
    origins = dict(rows.group_by("origin").agg("record_id").iter_rows())
    assert set(origins["release"]) == set(copied.frame("accepted")["record_id"])
    assert set(origins["earlier"]) == set(gone) and set(rows.filter(origin="earlier")["release"]) == {first["version"]}
    people = take_examples(seeds).filter(pl.col("leaf") != SORT)
    assert origins["real"] and set(origins["real"]) <= set(people.filter(split="seed")["record_id"])
    assert (measure_real_share(rows) or 0) >= SHARE
    assert verify_release(Path(release["folder"])).depths == {"1": release["records"]}, "a release holds nothing but its own records"

    student = copied.frame("student_sft").row(0, named=True)
    assert student["own"] == rows["times"].sum() > rows.height
    assert student["records"] + sum(json.loads(student["left_out"]).values()) == student["own"]
    assert student["real_share"] == measure_real_share(rows) and student["release"] == release["version"] != first["version"]
    mlflow.set_tracking_uri(f"sqlite:///{copied.home.mlflow / 'mlflow.db'}")
    told = mlflow.get_run(copied.shelf().facts("student_sft")["mlflow_run"])
    (read,) = told.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest) == (release["version"], student["mix"])
    assert {tag.key: tag.value for tag in read.tags}["mix"] == student["mix"] == told.data.params["mix"]
    assert told.data.params["trained_weights"] == str(student["trained_weights"])
    with open_instance(copied.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["tiny", "training_mix"]))
    assert event is not None and event.asset_materialization is not None
    shown = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert shown["real_share"] == student["real_share"] and first["version"] in shown["by_release"]

    before = list_work(copied)
    train_again(copied)
    assert list_work(copied) == before
    summary = "\n".join(tell_run(copied.home, copied.line, read_seeds(copied.line), Spending(), whole=True))
    assert f"{len(gone)} of earlier ones, {len(origins['real'])} real examples" in summary
    for traced in (gone[0], origins["real"][0]):
        text = " ".join(cli("trace", traced).out.split())
        assert f"with release {release['version']}" in text or f"tiny {release['version']}" in text, traced


def test_what_is_mixed_is_told_and_a_bare_release_is_not() -> None:
    def rows(*origins: str, times: int = 1) -> pl.DataFrame:
        return pl.DataFrame(
            [dict.fromkeys(MIXED) | {"origin": each, "depth": 1, "words": 5, "times": times} for each in origins], schema=MIXED
        )

    def left_out(origin: str, reason: str) -> dict[str, Any]:
        return {"left_out": [{"origin": origin, "reason": reason, "records": 7, "words": 35}]}

    assert not is_mixed(rows("release"), {"left_out": []}) and not is_mixed(rows("release"), left_out("earlier", "duplicate"))
    assert is_mixed(rows("release", "earlier"), {"left_out": []}) and is_mixed(rows("release"), left_out("release", "too_little_real"))
    told = describe_mix(rows("release", "earlier", "earlier"), left_out("earlier", "duplicate"))
    assert told == "1 records of the release, 2 of earlier ones; 0.0% of the words real; 0 left out"
    assert "2 real examples 3 times" in describe_mix(rows("real", "real", times=3), left_out("release", "too_little_real"))


def test_a_mix_that_is_not_what_the_line_asks_for_is_read_by_nothing() -> None:
    rows = [dict.fromkeys(MIXED) | {"depth": depth, "words": 5, "times": 1} for depth in (0, 1, 2)]
    frame, made = pl.DataFrame(rows, schema=MIXED), []
    key = dg.AssetKey(["tiny", "training_mix"])

    def run(spec: MixingSpec) -> set[str]:
        @dg.asset(key=key, check_specs=specify_bounds(key, spec))
        def mix() -> dg.MaterializeResult:
            return dg.MaterializeResult(check_results=check_bounds(key, spec, frame))

        @dg.asset(deps=[key])
        def after() -> None:
            made.append(spec)

        result = dg.materialize([mix, after], raise_on_error=False)
        return {each.check_name for each in result.get_asset_check_evaluations() if not each.passed}

    assert run(MixingSpec(least_real_share=0.34)) == {"real_share"}
    assert run(MixingSpec(greatest_depth=1)) == {"depth"}
    assert not made
    assert run(MixingSpec(least_real_share=0.33, greatest_depth=2)) == set() and len(made) == 1
