"""Training: the student tuned on the release phase by phase, its evaluation, and the decision whether it becomes champion."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.champion import build_champion, digest_ids, find_champion, find_folder, read_champions, student_name
from assets.layout import Outcome, Remake, asset_key, line_asset, read_assets
from assets.leaks import LEAKS, keep_leaks, name_leaks, show_leaks
from assets.pages import show_curve, show_floats, show_kept, show_table
from assets.release import read_records
from factory.generation.local_teacher import LocalTeacher
from factory.line import Line, PhaseSpec
from factory.pico.models import model_revision
from factory.records import ANSWER, digest
from factory.training import (
    Problem,
    TrainedPhase,
    evaluate_model,
    fingerprint_phase,
    make_problems,
    summarise,
    train_phase,
)
from factory.training.statistics import ALL
from resources.home import find_home
from resources.keeper import Keeper, Kept, Made, take_fingerprint
from resources.tracking import Curve, Released, Tracking

STUDENT: dict[str, Any] = {
    "phase": pl.String,
    "model": pl.String,  # folder of the tuned model
    "revision": pl.String,
    "base": pl.String,
    "release": pl.String,  # version of the dataset
    "steps": pl.Int64,
    "records": pl.Int64,  # trained on
    "tokens": pl.Int64,
    "left_out": pl.String,  # JSON: records left out, by reason
    "epsilon": pl.Float64,  # of a private phase; null elsewhere
    "delta": pl.Float64,
    "losses": pl.List(pl.Struct({"step": pl.Int64, "loss": pl.Float64})),
}
"""Columns of the one row that says what a phase made."""


def build_training(line: Line) -> list[dg.AssetsDefinition]:
    """The assets `student_<phase>` for each phase, `evaluation` and `champion`."""
    students = [_build_student(line, number) for number in range(len(line.training.phases))]
    return [*students, _build_evaluation(line), build_champion(line)]


def _build_student(line: Line, number: int) -> dg.AssetsDefinition:
    phase = line.training.phases[number]
    name, last = student_name(phase), number == len(line.training.phases) - 1
    key = asset_key(line, name)
    ins = read_assets(line, "dataset_release")
    if number:
        ins["before"] = dg.AssetIn(asset_key(line, student_name(line.training.phases[number - 1])))

    @line_asset(
        line,
        name,
        "training",
        STUDENT,
        f"The student tuned in phase `{phase.name}` on the release, loss on the assistant's tokens only. "
        "A killed phase goes on from its last checkpoint.",
        ins=ins,
    )
    def student(context: dg.AssetExecutionContext, config: Remake, keeper: Keeper, tracking: Tracking, **frames: pl.DataFrame) -> Outcome:
        release = frames["dataset_release"].row(0, named=True)
        base = frames["before"]["model"][0] if number else line.training.student
        records = read_records(frames["dataset_release"])
        work = fingerprint_phase(phase, records, base, line.seed)
        folder = find_home().model(line.name, phase.name, work)
        report = partial(keeper.progress.advance, name, "")
        keeper.progress.start(name, 1)

        def train() -> Made:
            if config.refresh:
                shutil.rmtree(folder, ignore_errors=True)
            trained = train_phase(phase, records, base, folder, line.seed, lambda step, steps, loss: report(step, steps))
            return Made(_describe_student(phase, trained, base, release["version"]))

        kept = keeper.keep(
            key,
            None,
            take_fingerprint([], [work, release["version"], str(folder)]),
            train,
            refresh=config.refresh,
            sound=lambda frame: (Path(frame["model"][0]) / "config.json").is_file(),
        )
        if "mlflow_run" not in kept.facts:
            row = kept.frame.row(0, named=True)
            told = tracking.log_student(
                line.name,
                context.run_id,
                name,
                params=phase.model_dump()
                | {"base": row["base"], "seed": line.seed, "release": row["release"], "revision": row["revision"]},
                metrics=show_floats(
                    {"steps": row["steps"], "records": row["records"], "tokens": row["tokens"], "seconds": kept.seconds} | _find_spent(row)
                ),
                curve=Curve("loss", [(point["step"], point["loss"]) for point in row["losses"]]),
                released=Released(records, release["folder"], release["version"], release["digest"]),
                model=Path(row["model"]),
                fingerprint=work,
                register=last,
            )
            kept = keeper.annotate(key, kept, told or {})
        return Outcome(metadata=show_kept(kept) | _show_student(kept))

    return student


def _describe_student(phase: PhaseSpec, trained: TrainedPhase, base: str, release: str) -> pl.DataFrame:
    row = {
        "phase": phase.name,
        "model": str(trained.folder),
        "revision": model_revision(str(trained.folder)),
        "base": base,
        "release": release,
        "steps": trained.steps,
        "records": trained.records,
        "tokens": trained.tokens,
        "left_out": json.dumps(trained.left_out, sort_keys=True),
        "epsilon": trained.epsilon,
        "delta": trained.delta,
        "losses": [{"step": step, "loss": loss} for step, loss in trained.losses],
    }
    return pl.DataFrame([row], schema=STUDENT)


def _build_evaluation(line: Line) -> dg.AssetsDefinition:
    key = asset_key(line, "evaluation")
    last = student_name(line.training.phases[-1])

    @line_asset(
        line,
        "evaluation",
        "training",
        ANSWER,
        "Answers of the base, the tuned student, the teacher and the champion to held-out examples and fresh verified problems; "
        "and how well attacks tell from the student which texts were behind it.",
        ins=read_assets(line, "seed_examples", "accepted") | {"student": dg.AssetIn(asset_key(line, last))},
    )
    def evaluation(
        context: dg.AssetExecutionContext,
        config: Remake,
        keeper: Keeper,
        tracking: Tracking,
        student: pl.DataFrame,
        seed_examples: pl.DataFrame,
        accepted: pl.DataFrame,
    ) -> Outcome:
        spec = line.training.evaluation
        problems = make_problems(seed_examples, accepted, spec.problems_per_leaf, line.seed)
        models = _choose_models(line, keeper, student, problems)
        keeper.progress.start("evaluation", len(models) + len(LEAKS))
        answers = [_answer(line, keeper, name, model, problems, refresh=config.refresh) for name, model in models.items()]
        frame = pl.concat(kept.frame.with_columns(model=pl.lit(name)) for name, kept in zip(models, answers, strict=True))
        leaks = keep_leaks(line, keeper, student, seed_examples, accepted, refresh=config.refresh)
        fingerprint = take_fingerprint([], [kept.fingerprint for kept in (*answers, *leaks.values())], [frame])
        kept = keeper.keep(key, None, fingerprint, lambda: Made(frame), refresh=config.refresh)
        summary = summarise(frame)
        table = show_table(summary, summary.columns, rows=summary.height)
        figures = _name_figures(summary) | name_leaks(leaks)
        if "mlflow_run" not in kept.facts:
            kept = keeper.annotate(key, kept, tracking.log_evaluation(line.name, context.run_id, figures, table.md_str or "") or {})
        reused = all(part.reused for part in (*answers, *leaks.values()))
        charted = {name: value for name, value in figures.items() if "/" not in name}
        shown = show_kept(kept) | {"reused": reused, "accuracy": table, **show_leaks(leaks), **charted, **_link_mlflow(kept)}
        return Outcome(metadata=shown | {"seconds": sum(part.seconds for part in (*answers, *leaks.values()))})

    return evaluation


def _choose_models(line: Line, keeper: Keeper, student: pl.DataFrame, problems: Sequence[Problem]) -> dict[str, str | LocalTeacher]:
    """Whom to evaluate, by role. A student that was judged on these problems before meets the same rival again.

    The teacher is measured where it is a model in this process.
    """
    tuned = student["revision"][0]
    models: dict[str, str | LocalTeacher] = {"base": line.training.student, "tuned": student["model"][0]}
    teacher = line.generation.teacher
    if teacher.server is None:
        batch_size = line.training.evaluation.batch_size
        models["teacher"] = LocalTeacher(teacher.model, teacher.revision, batch_size, teacher.adapter, teacher.quantisation)
    history = read_champions(keeper, line)
    judged = history.filter(student=tuned, problems=digest_ids(problem.problem_id for problem in problems))
    rival = judged["rival"][-1] if judged.height else find_champion(history)
    folder = find_folder(history, rival)
    return models | ({"champion": folder} if folder and rival != tuned else {})


def _answer(line: Line, keeper: Keeper, name: str, model: str | LocalTeacher, problems: Sequence[Problem], *, refresh: bool) -> Kept:
    """The answers of one model, kept by its role as long as model and problems stay the same."""
    key = asset_key(line, "evaluation")
    spec = line.training.evaluation
    report = partial(keeper.progress.advance, "evaluation", name)
    fingerprint = take_fingerprint(
        ["training", "problems", "reward/verifiers", "reward/sandbox", "generation/local_teacher"],
        [
            model.identity if isinstance(model, LocalTeacher) else model_revision(model),
            spec.max_new_tokens,
            spec.batch_size,
            digest([asdict(problem) for problem in problems]),
        ],
    )
    return keeper.keep(key, name, fingerprint, lambda: Made(evaluate_model(name, model, problems, spec, report)), refresh=refresh)


def _name_figures(summary: pl.DataFrame) -> dict[str, float]:
    """Accuracies by name: '<model>_<origin>' over all leaves, '<leaf>/<origin>/<model>' of one."""
    return {
        f"{row['model']}_{row['origin']}" if row["leaf"] == ALL else f"{row['leaf']}/{row['origin']}/{row['model']}": float(row["accuracy"])
        for row in summary.iter_rows(named=True)
    }


def _show_student(kept: Kept) -> dict[str, Any]:
    row = kept.frame.row(0, named=True)
    return {
        "model": dg.MetadataValue.path(row["model"]),
        "revision": row["revision"],
        "base": row["base"],
        "release": row["release"],
        "left_out": row["left_out"],
        "loss_curve": show_curve([(point["step"], point["loss"]) for point in row["losses"]], "step", "loss"),
        **show_floats(
            {"steps": row["steps"], "records": row["records"], "tokens": row["tokens"], "last_loss": row["losses"][-1]["loss"]}
            | _find_spent(row)
        ),
        **_link_mlflow(kept),
    }


def _find_spent(row: dict[str, Any]) -> dict[str, float | None]:
    """What a private phase spent; nothing of another."""
    return {"epsilon": row["epsilon"], "delta": row["delta"]}


def _link_mlflow(kept: Kept) -> dict[str, Any]:
    if "mlflow_url" not in kept.facts:
        return {"mlflow": "not told (see the run's log)"}
    version = {"registered_version": kept.facts["mlflow_version"]} if "mlflow_version" in kept.facts else {}
    return {"mlflow": dg.MetadataValue.url(kept.facts["mlflow_url"]), **version}
