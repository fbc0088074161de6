"""What MLflow is told of a student: what it was tuned on and how, what that took, and the model itself where it is the line's."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.layout import name_work
from assets.pages import show_floats
from factory.line import Line
from factory.pico.models import model_revision
from factory.records import digest_frame
from factory.reward.rating import user_text
from factory.training_spec import PhaseSpec
from resources.keeper import Kept
from resources.registry import Student
from resources.system_metrics import draw_curves, read_samples, sum_effort
from resources.tracked_inputs import Dataset
from resources.tracked_metrics import Curve
from resources.tracking import Tracking


def tell_student(
    tracking: Tracking,
    line: Line,
    run_id: str,
    phase: PhaseSpec,
    records: pl.DataFrame,
    kept: Kept,
    release: dict[str, Any],
    student: Student | None,
) -> dict[str, str]:
    """The facts of the run that MLflow was told of a phase tuned on `records`; none where it failed. `student` is to be registered."""
    row = kept.frame.row(0, named=True)
    mixed = {"mix": row["mix"]} | ({} if row["real_share"] is None else {"real_share": f"{row['real_share']:.6g}"})
    made = {"base": row["base"], "base_revision": model_revision(row["base"]), "processes": line.training.scale.processes}
    made |= {"seed": line.seed, "release": row["release"], "revision": row["revision"]}
    counts = {name: row[name] for name in ("steps", "records", "tokens", "epsilon", "delta", "real_share")}
    weights = {} if row.get("trained_weights") is None else {"trained_weights": row["trained_weights"]}
    read = Dataset(records, release["version"], row["mix"], release["folder"], mixed)
    samples = read_samples(Path(row["model"]).parent)
    effort = sum_effort(samples)
    told = tracking.log_student(
        name_work(line, f"student_{phase.name}", run_id),
        params=phase.model_dump(mode="json") | made | weights | mixed,
        metrics=show_floats(counts | {"seconds": kept.seconds, "last_loss": row["losses"][-1]["loss"]}) | show_effort(kept),
        curves=[
            Curve("loss", take_points(row["losses"])),
            Curve("held_out_loss", take_points(row["held_out_losses"])),
            Curve("held_out_accuracy", take_points(row.get("held_out_accuracies") or ())),
        ],
        system=draw_curves(samples),
        trained_on=read if phase.method == "sft" else Dataset(records, "preference pairs", digest_frame(records)),
        note=f"Phase `{phase.name}` of line {line.name}, on release {row['release']}.",
        began=None if effort is None else effort.began,
        student=student,
    )
    return told or {}


def describe_student(line: Line, student: pl.DataFrame, mix: pl.DataFrame) -> Student:
    """The line's student, tuned on what is of the `mix`, as MLflow registers it."""
    row = student.row(0, named=True)
    question, longest = find_example(mix), line.training.evaluation.max_new_tokens
    return Student(Path(row["model"]), row["revision"], row["release"], question, longest)


def show_effort(kept: Kept) -> dict[str, float]:
    """What the tuning took, over all its attempts; nothing of one that was not sampled."""
    effort = sum_effort(read_samples(Path(kept.frame["model"][0]).parent))
    if effort is None:
        return {}
    figures = {f"tuning_{name}" if name in ("seconds", "attempts") else name: value for name, value in asdict(effort).items()}
    del figures["began"]
    read, steps, rate = kept.facts.get("tokens_read"), kept.frame["steps"][0], effort.steps_per_second
    return show_floats(figures | {"tokens_per_second": read / steps * rate if read and rate else None})


def find_example(mix: pl.DataFrame) -> str:
    """The shortest question of the release among what was trained on: MLflow shows it to whoever may see the student, so no real one."""
    released = mix.filter(origin="release").sort(pl.col("context").is_not_null(), pl.col("instruction").str.len_chars(), "record_id")
    return "Who are you?" if released.is_empty() else user_text(*released.select("instruction", "context").row(0))


def link_mlflow(kept: Kept) -> dict[str, Any]:
    """The page of the run that MLflow was told of, and the version that it registered."""
    if "mlflow_url" not in kept.facts:
        return {"mlflow": "not told (see the run's log)"}
    version = {"registered_version": kept.facts["mlflow_version"]} if "mlflow_version" in kept.facts else {}
    return {"mlflow": dg.MetadataValue.url(kept.facts["mlflow_url"]), **version}


def take_points(curve: Sequence[dict[str, Any]]) -> list[tuple[int, float]]:
    """The points of a stored curve: steps, and what was measured at each."""
    return [(step, value) for step, value in (point.values() for point in curve)]
