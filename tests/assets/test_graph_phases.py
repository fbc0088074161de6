"""A line of several phases: each its own student on its own data, and a finished one is not tuned again when a later one changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from plant import ADDITION, LENIENT, TOO_FEW, Plant, Said

from assets.definitions import build_definitions, build_resources
from factory.records import digest_frame
from resources.home import open_instance

FIRST = {
    "name": "foundation",
    "data": {"kinds": ["foundational"]},
    "epochs": 1,
    "select": "holdout_accuracy",
    "lora": {"rank": 2},
    "packing": True,
}
SECOND = {"name": "skills", "data": {"kinds": ["compositional"]}, "replay": 0.5, "epochs": 3, "batch_size": 4}


def write_phases(plant: Plant, *phases: dict[str, Any]) -> None:
    plant.write_line(training={"phases": list(phases), "evaluation": {"problems_per_leaf": 2}})


def tune_again(plant: Plant, *phases: dict[str, Any]) -> None:
    """Makes the students of other phases, from the release that there is."""
    write_phases(plant, *phases)
    job = build_definitions([plant.line], build_resources(plant.home)).resolve_job_def("tiny")
    keys = [dg.AssetKey(["tiny", name]) for name in ("training_mix", *(f"student_{phase['name']}" for phase in phases))]
    with open_instance(plant.home) as instance:
        assert job.execute_in_process(instance=instance, asset_selection=keys).success


def test_phases_hang_together_and_are_not_done_again(copied: Plant) -> None:
    write_phases(copied, FIRST, SECOND)
    copied.run()
    released = copied.frame("dataset_release")["records"][0]
    first, second = (copied.frame(f"student_{name}").row(0, named=True) for name in ("foundation", "skills"))
    assert second["base"] == first["model"]
    assert 0 < first["trained_weights"] < second["trained_weights"] / 10
    assert copied.frame("evaluation").filter(model="tuned").height > 0
    assert first["own"] == copied.frame("accepted").filter(leaf=ADDITION).height and first["replayed"] == 0
    assert json.loads(first["left_out"]) == {"other_kind": released - first["own"]}
    assert second["replayed"] == round(0.5 * first["own"])
    assert json.loads(second["left_out"]) == {"not_replayed": first["own"] - second["replayed"]}
    assert first["held_out"] > 0 and second["held_out_accuracies"] == []
    for curve in ("held_out_accuracies", "held_out_losses"):
        assert [point["step"] for point in first[curve]] == [first["step"]], "one checkpoint, of the adapter"

    weights = copied.home.root / "models/tiny/foundation"
    before = {file: file.stat().st_mtime_ns for file in weights.rglob("*")}
    tune_again(copied, FIRST, SECOND | {"learning_rate": 1e-4})
    assert {file: file.stat().st_mtime_ns for file in weights.rglob("*")} == before
    assert copied.frame("student_foundation").row(0, named=True) == first
    assert copied.frame("student_skills")["revision"][0] != second["revision"]

    assert "mlflow_version" not in copied.shelf().facts("student_foundation")
    tune_again(copied, FIRST)
    assert copied.frame("student_foundation").row(0, named=True) == first
    version = copied.mlflow().get_model_version_by_alias("tiny_student", "candidate")
    assert version.tags["factory.revision"] == first["revision"], "a phase that became the last one is the line's student"


def test_a_phase_without_data_fails_by_its_name(copied: Plant, cli: Callable[..., Said]) -> None:
    copied.write_line(training={"preset": "lab", "evaluation": {"problems_per_leaf": 2}})
    said = cli("run", "tiny")
    assert said.code != 0
    told = " ".join(said.err.split()) + " ".join(said.out.split())
    assert "phase 'knowledge_short': none of" in told and "preset stacked" in told


def test_a_phase_whose_weights_are_no_numbers_fails_and_the_student_before_stays(copied: Plant, cli: Callable[..., Said]) -> None:
    import mlflow

    before, query = copied.frame("student_sft"), "name = 'tiny_student'"
    versions = [version.version for version in mlflow.MlflowClient().search_model_versions(query)]
    broken = {"name": "sft", "epochs": 1, "learning_rate": 1e39, "warmup_ratio": 0}
    copied.write_line(training={"phases": [broken], "evaluation": {"problems_per_leaf": 2}})
    said = cli("run", "tiny")
    assert said.code == 1 and "phase 'sft': " in said.err and "no number" in said.err and "Lower the learning rate" in said.err
    assert copied.frame("student_sft").equals(before)
    assert [version.version for version in mlflow.MlflowClient().search_model_versions(query)] == versions != []


def test_a_preference_phase_reads_the_lines_pairs_and_a_trace_tells_who_was_trained_on(copied: Plant, cli: Callable[..., Said]) -> None:
    import mlflow

    copied.write_line(
        validation={"gates": LENIENT, "waivers": [TOO_FEW]},
        generation={"teacher": {"model": "pico-teacher", "batch_size": 10}, "candidates_per_leaf": 20, "responses_per_instruction": 4},
        training={
            "phases": [
                {"name": "sft", "data": {"kinds": ["compositional"]}, "epochs": 1},
                {"name": "prefer", "method": "dpo", "epochs": 1, "learning_rate": 1e-4},
            ],
            "evaluation": {"problems_per_leaf": 2},
        },
    )
    copied.run()
    pairs, student = copied.frame("preference_pairs"), copied.frame("student_prefer").row(0, named=True)
    assert student["own"] == pairs.height > 0
    assert student["base"] == copied.frame("student_sft")["model"][0]
    assert student["margin_after"] > student["margin_before"]
    assert copied.frame("student_sft")["margin_after"][0] is None

    accepted, read = copied.frame("accepted"), copied.shelf().part("student_prefer", student["revision"])
    assert read is not None
    roles = {role: set(ids) for role, ids in read.group_by("role").agg("record_id").iter_rows()}
    assert roles["record"] == set(accepted.filter(kind="compositional")["record_id"])
    assert (roles["chosen"], roles["rejected"]) == (set(pairs["chosen_id"]), set(pairs["rejected_id"]))
    attacked = pl.read_parquet(Path(copied.home.frames) / "tiny/evaluation/membership.parquet").filter(members="release")
    assert set(attacked["model"]) == {"base", "tuned"} and set(attacked["size"]) == {len(roles["record"])}
    with open_instance(copied.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["tiny", "evaluation"]))
    assert event is not None and event.asset_materialization is not None
    assert event.asset_materialization.metadata["membership_left_out"].value == accepted.height - len(roles["record"]) > 0

    unread = set(accepted["record_id"]) - set(read["record_id"])
    for record, told in ((min(unread), False), (min(roles["record"]), True), (min(roles["rejected"] - roles["chosen"]), True)):
        assert (student["model"] in re.sub(r"[\s│]", "", cli("trace", record).out)) == told, record
    mlflow.set_tracking_uri(f"sqlite:///{copied.home.mlflow / 'mlflow.db'}")
    told = mlflow.get_run(copied.shelf().facts("student_prefer")["mlflow_run"])
    (read,) = told.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest) == ("preference pairs", digest_frame(pairs))
    assert told.data.params["base_revision"] == copied.frame("student_sft")["revision"][0]
