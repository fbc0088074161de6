"""A student becomes champion on a win and on data that lets it; MLflow says so, and a refusal says why."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl
from plant import LENIENT, Plant

from assets.champion import CHAMPION, digest_ids
from assets.definitions import build_definitions, build_resources
from factory.records import digest_frame
from resources.home import open_instance
from resources.store import FrameStore, Stamp


def open_store(plant: Plant) -> FrameStore:
    store: FrameStore = build_resources(plant.home)["io_manager"]
    return store


def win(plant: Plant) -> None:
    """The student has answered thirty problems rightly, and the base none; nobody was judged yet."""
    store = open_store(plant)
    answered = plant.frame("evaluation").filter(pl.col("model").is_in(["base", "tuned"]))
    many = pl.concat([answered.with_columns(pl.col("problem_id") + f"-{copy}") for copy in range(30)])
    answers = many.with_columns(correct=pl.col("model") == "tuned")
    store.write(dg.AssetKey(["tiny", "evaluation"]), None, answers, Stamp("", digest_frame(answers)))
    nobody = pl.DataFrame(schema=CHAMPION)
    store.write(dg.AssetKey(["tiny", "champion"]), None, nobody, Stamp("", digest_frame(nobody)))


def judge(plant: Plant) -> dict[str, Any]:
    """Makes the asset `champion` alone, as in Dagster's pages; the last decision."""
    make(plant, "champion")
    return plant.frame("champion").row(-1, named=True)


def make(plant: Plant, asset: str) -> None:
    job = build_definitions([plant.line], build_resources(plant.home)).resolve_job_def("tiny")
    with open_instance(plant.home) as instance:
        assert job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(["tiny", asset])]).success


def test_a_changed_release_keeps_a_winner_from_the_crown_until_it_is_put_right(copied: Plant) -> None:
    win(copied)
    folder = copied.home.releases / "tiny" / copied.frame("dataset_release")["version"][0]
    released = (folder / "data.jsonl").read_bytes()
    (folder / "data.jsonl").write_bytes(released + b"{}\n")
    client = copied.mlflow()
    refused = judge(copied)
    assert not refused["promoted"] and refused["low"] > 0 and "data.jsonl was changed" in refused["obstacles"]
    version = client.get_model_version_by_alias("tiny_student", "candidate")
    assert version.tags["factory.decision"] == "refused" and version.description == refused["reason"]
    assert "What it was trained on does not let it: release" in refused["reason"]
    assert "champion" not in client.get_registered_model("tiny_student").aliases

    assert judge(copied) == refused and copied.frame("champion").height == 1, "the same is not decided twice"
    (folder / "data.jsonl").write_bytes(released)
    promoted = judge(copied)
    assert promoted["promoted"] and promoted["obstacles"] is None and copied.frame("champion").height == 2
    crowned = client.get_model_version_by_alias("tiny_student", "champion")
    assert crowned.tags["factory.decision"] == "promoted" and crowned.description == promoted["reason"]
    assert "gates of release" in promoted["reason"]


def test_a_mix_that_fails_its_checks_or_is_another_makes_no_champion(copied: Plant) -> None:
    win(copied)
    copied.write_line(mixing={"least_real_share": 0.5})
    assert "check real_share of the mix failed: 0 of the words" in judge(copied)["obstacles"]
    copied.write_line(validation={"gates": LENIENT})
    key, mix = dg.AssetKey(["tiny", "training_mix"]), copied.frame("training_mix")
    open_store(copied).write(key, None, mix.head(3), Stamp("", digest_frame(mix.head(3))))
    assert "another mix than the present one" in judge(copied)["obstacles"]


def test_a_champion_whose_model_is_gone_is_named_and_the_base_is_the_rival(copied: Plant) -> None:
    win(copied)
    gone = pl.DataFrame(
        [{"student": "pico@gone", "promoted": True, "model": "/nowhere", "release": "v-old", "problems": "p"}], schema=CHAMPION
    )
    open_store(copied).write(dg.AssetKey(["tiny", "champion"]), None, gone, Stamp("", digest_frame(gone)))
    decided = judge(copied)
    assert decided["promoted"] and decided["rival"] is None
    assert "The last champion, pico@gone of release v-old, is no longer in /nowhere, so it was compared with the base" in decided["reason"]


def test_a_champion_is_evaluated_again_though_its_rival_of_then_is_gone(copied: Plant) -> None:
    tuned = copied.frame("student_sft").row(0, named=True)
    judged = {"problems": digest_ids(copied.frame("evaluation").filter(model="tuned")["problem_id"]), "promoted": True}
    history = pl.DataFrame(
        [
            {"student": "pico@gone", "model": "/nowhere", "problems": "p", "promoted": True},
            {"student": tuned["revision"], "model": tuned["model"], "rival": "pico@gone", **judged},
        ],
        schema=CHAMPION,
    )
    open_store(copied).write(dg.AssetKey(["tiny", "champion"]), None, history, Stamp("", digest_frame(history)))
    make(copied, "evaluation")
    assert set(copied.frame("evaluation")["model"]) == {"base", "tuned", "teacher"}


def test_what_mlflow_could_not_be_told_is_told_by_the_next_run(copied: Plant) -> None:
    win(copied)
    database = copied.home.mlflow / "mlflow.db"
    away = database.rename(database.with_suffix(".away"))
    database.mkdir()
    assert judge(copied)["promoted"]
    database.rmdir()
    away.rename(database)
    judge(copied)
    assert str(copied.mlflow().get_model_version_by_alias("tiny_student", "champion").version) == "1"
