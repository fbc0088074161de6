"""The students: one asset for each phase of a line's plan, with what it was trained on and how its loss fell."""

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.champion import student_name
from assets.layout import Outcome, Remake, asset_key, line_asset, read_assets
from assets.mixing import name_mix
from assets.pages import show_curve, show_floats, show_kept
from assets.told_students import describe_student, link_mlflow, show_effort, take_points, tell_student
from assets.trained_on import store_trained_on
from factory.line import Line
from factory.pico.models import model_revision
from factory.training import (
    Holdout,
    PhaseData,
    TrainedPhase,
    choose_data,
    choose_holdout,
    choose_pairs,
    count_unused,
    fingerprint_phase,
    fingerprint_preference,
    measure_real_share,
    repeat_rows,
    train_phase,
    train_preference,
)
from factory.training_spec import PhaseSpec
from factory.validation.evidence import Evidence
from resources.home import find_home
from resources.keeper import Keeper, Kept, Made, take_fingerprint
from resources.system_metrics import watch_machine
from resources.tracking import Tracking

PAIRED = ("preference_pairs", "accepted", "seed_examples", "seed_documents")
"""What a preference phase reads beside the release: its pairs, and what tells which of them may not be trained on."""
CURVE = pl.List(pl.Struct({"step": pl.Int64, "loss": pl.Float64}))
ACCURACIES = pl.List(pl.Struct({"step": pl.Int64, "accuracy": pl.Float64}))
STUDENT: dict[str, Any] = {
    "phase": pl.String,
    "model": pl.String,  # folder of the tuned model
    "revision": pl.String,
    "base": pl.String,
    "release": pl.String,  # version of the dataset
    "mix": pl.String,  # digest of what was trained on, the release and what is mixed into it (assets.mixing.name_mix)
    "real_share": pl.Float64,  # of the words of the phase's rows; null for pairs
    "steps": pl.Int64,
    "records": pl.Int64,  # trained on
    "own": pl.Int64,  # rows of the mix that are the phase's own data
    "replayed": pl.Int64,  # and of the phases before, trained on again
    "tokens": pl.Int64,
    "trained_weights": pl.Int64,  # all of the model's, or its adapter's
    "left_out": pl.String,  # JSON: rows of the mix that are not trained on, by reason
    "epsilon": pl.Float64,  # of a private phase; null elsewhere
    "delta": pl.Float64,
    "losses": CURVE,
    "step": pl.Int64,  # the checkpoint that is the student
    "held_out": pl.Int64,  # examples that it was selected by; 0 where it is the last
    "held_out_left_out": pl.String,  # JSON
    "held_out_losses": CURVE,
    "held_out_accuracies": ACCURACIES,  # of a phase that selects by answers
    "margin_before": pl.Float64,  # mean log-likelihood of the chosen less that of the rejected, nats; null for a supervised phase
    "margin_after": pl.Float64,
}
"""Columns of the one row that says what a phase made."""


def build_student(line: Line, number: int) -> dg.AssetsDefinition:
    phase = line.training.plan[number]
    name, last = student_name(phase), number == len(line.training.plan) - 1
    key = asset_key(line, name)
    more = PAIRED if phase.method != "sft" else ("seed_examples",) if phase.select != "last" else ()
    ins = read_assets(line, "dataset_release", "training_mix", *more)
    if number:
        ins["before"] = dg.AssetIn(asset_key(line, student_name(line.training.plan[number - 1])))

    @line_asset(
        line,
        name,
        "training",
        STUDENT,
        f"The student tuned in phase `{phase.name}` on the mix, loss on the assistant's tokens only. "
        "A killed phase goes on from its last checkpoint.",
        ins=ins,
    )
    def student(context: dg.AssetExecutionContext, config: Remake, keeper: Keeper, tracking: Tracking, **frames: pl.DataFrame) -> Outcome:
        release = frames["dataset_release"].row(0, named=True)
        base = frames["before"]["model"][0] if number else line.training.student
        mixed, mix = repeat_rows(frames["training_mix"]), name_mix(frames["training_mix"])
        holdout = _choose_holdout(line, number, frames) if phase.select != "last" else None
        data = _choose_data(line, number, mixed, frames)
        name_work, train_on = (fingerprint_phase, train_phase) if phase.method == "sft" else (fingerprint_preference, train_preference)
        scale = line.training.scale
        work = name_work(phase, data.records, base, line.seed, holdout, scale)
        folder = find_home().model(line.name, phase.name, work)
        report, measured = (partial(keeper.progress.advance, name, what) for what in ("", "checkpoints measured"))
        keeper.progress.start(name, 1)

        def train() -> Made:
            if config.refresh:
                shutil.rmtree(folder, ignore_errors=True)
            with watch_machine(folder, lambda step, steps, loss: report(step, steps), below=scale.processes > 1) as watch:
                trained = train_on(phase, data.records, base, folder, line.seed, watch.step, holdout, scale, measured)
            return Made(_describe_student(phase, data, trained, base, release["version"], mix), {"tokens_read": trained.tokens_read})

        kept = keeper.keep(
            key,
            None,
            take_fingerprint([], [work, release["version"], mix, str(folder), data.own, data.replayed, data.left_out]),
            train,
            refresh=config.refresh,
            sound=lambda frame: (Path(frame["model"][0]) / "config.json").is_file(),
        )
        before = (asset_key(line, student_name(line.training.plan[number - 1])), frames["before"]) if number else None
        store_trained_on(keeper.store, key, kept.frame, before)
        # A phase that was not the last one before was told without being registered.
        if ("mlflow_version" if last else "mlflow_run") not in kept.facts:
            registered = describe_student(line, kept.frame, frames["training_mix"]) if last else None
            told = tell_student(tracking, line, context.run_id, phase, data.records, kept, release, registered)
            kept = keeper.annotate(key, kept, told)
        unused = count_unused(line.training.plan, mixed, line.training.student) if last else None
        return Outcome(metadata=show_kept(kept) | _show_student(kept) | show_floats({"in_no_phase": unused}))

    return student


def _choose_holdout(line: Line, number: int, frames: Mapping[str, pl.DataFrame]) -> Holdout:
    """What the phase selects by; asked as in the evaluation."""
    evaluation = line.training.evaluation
    return Holdout(choose_holdout(line.training.plan, number, frames["seed_examples"]), evaluation.max_new_tokens, evaluation.batch_size)


def _choose_data(line: Line, number: int, mixed: pl.DataFrame, frames: Mapping[str, pl.DataFrame]) -> PhaseData:
    """The rows of the mix that a supervised phase reads, or the pairs of a preference phase, told by the other frames of PAIRED."""
    phase = line.training.plan[number]
    if phase.method == "sft":
        return choose_data(line.training.plan, number, mixed, line.training.student, line.seed)
    pairs, accepted, seeds, documents = (frames[name] for name in PAIRED)
    evidence = Evidence(accepted, seeds, documents, pairs=pairs, personal_data=line.validation.personal_data)
    chosen = choose_pairs(phase, evidence, line.training.student, line.reward.contamination)
    return PhaseData(chosen.pairs, chosen.pairs.height, 0, chosen.left_out)


def _describe_student(phase: PhaseSpec, data: PhaseData, trained: TrainedPhase, base: str, release: str, mix: str) -> pl.DataFrame:
    before, after = trained.margins or (None, None)
    row = {
        "phase": phase.name,
        "model": str(trained.folder),
        "revision": model_revision(str(trained.folder)),
        "base": base,
        "release": release,
        "mix": mix,
        "real_share": measure_real_share(data.records) if phase.method == "sft" else None,
        "steps": trained.steps,
        "records": trained.records,
        "own": data.own,
        "replayed": data.replayed,
        "tokens": trained.tokens,
        "trained_weights": trained.trained_weights,
        "left_out": json.dumps(data.left_out | trained.left_out, sort_keys=True),
        "epsilon": trained.epsilon,
        "delta": trained.delta,
        "losses": [{"step": step, "loss": loss} for step, loss in trained.losses],
        "step": trained.step,
        "held_out": trained.held_out,
        "held_out_left_out": json.dumps(trained.held_out_left_out, sort_keys=True),
        "held_out_losses": [{"step": step, "loss": loss} for step, loss in trained.held_out_losses],
        "held_out_accuracies": [{"step": step, "accuracy": accuracy} for step, accuracy in trained.held_out_accuracies],
        "margin_before": before,
        "margin_after": after,
    }
    return pl.DataFrame([row], schema=STUDENT)


def _show_student(kept: Kept) -> dict[str, Any]:
    row = kept.frame.row(0, named=True)
    counts = {name: row.get(name) for name in ("steps", "step", "records", "own", "replayed", "tokens", "trained_weights", "real_share")}
    return {
        "model": dg.MetadataValue.path(row["model"]),
        "revision": row["revision"],
        "base": row["base"],
        "release": row["release"],
        "mix": row["mix"],
        "left_out": row["left_out"],
        "loss_curve": show_curve(take_points(row["losses"]), "step", "loss"),
        **show_floats(counts | {"last_loss": row["losses"][-1]["loss"]}),
        **show_floats({name: row[name] for name in ("margin_before", "margin_after", "epsilon", "delta")}),
        **show_effort(kept),
        **_show_selection(row),
        **link_mlflow(kept),
    }


def _show_selection(row: Mapping[str, Any]) -> dict[str, Any]:
    """How the checkpoints of a phase that selects did on held-out examples, and the chosen one; nothing of one that takes the last."""
    if not row["held_out_losses"]:
        return {}
    shown: dict[str, Any] = {"held_out_left_out": row["held_out_left_out"], **show_floats({"held_out": row["held_out"]})}
    for measure, curve in (("loss", row["held_out_losses"]), ("accuracy", row.get("held_out_accuracies") or ())):
        if points := take_points(curve):
            shown[f"held_out_{measure}_curve"] = show_curve(points, "step", f"held-out {measure}")
            shown |= show_floats({f"held_out_{measure}": dict(points)[row["step"]]})
    return shown
