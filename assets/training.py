"""Training: what is trained on, the student tuned on it phase by phase, its evaluation, and the decision whether it becomes champion."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import dagster as dg
import polars as pl

from assets.champion import build_champion, digest_ids, find_champion, find_folder, read_champions, student_name
from assets.contamination import keep_contaminated, name_contaminated, reads_pairs, show_contaminated
from assets.forgetting import READERS, choose_texts, keep_texts, names_texts, tell_forgetting
from assets.layout import Outcome, Remake, asset_key, line_asset, read_assets
from assets.leaks import LEAKS, keep_leaks, name_leaks, show_leaks
from assets.mixing import build_mixing
from assets.pages import show_kept, show_table
from assets.students import build_student, link_mlflow
from factory.generation.local_teacher import LocalTeacher
from factory.line import Line
from factory.pico.models import model_revision
from factory.records import ANSWER, digest
from factory.training import (
    Problem,
    evaluate_model,
    leave_out,
    make_problems,
    summarise,
)
from factory.training.statistics import ALL
from resources.keeper import Keeper, Kept, Made, take_fingerprint
from resources.tracking import Tracking


def build_training(line: Line) -> list[dg.AssetsDefinition]:
    """The assets `training_mix`, `student_<phase>` for each phase, `evaluation` and `champion`."""
    students = [build_student(line, number) for number in range(len(line.training.plan))]
    return [build_mixing(line), *students, _build_evaluation(line), build_champion(line)]


def _build_evaluation(line: Line) -> dg.AssetsDefinition:
    key = asset_key(line, "evaluation")
    last = student_name(line.training.plan[-1])
    optional = [*([] if names_texts(line) else ["seed_documents"]), *(["preference_pairs"] if reads_pairs(line) else [])]

    @line_asset(
        line,
        "evaluation",
        "training",
        ANSWER,
        "Answers of the base, the tuned student, the teacher and the champion to held-out examples and fresh verified problems; "
        "how much worse the student predicts real text than its base; and how well attacks tell from it which texts were behind it.",
        ins=read_assets(line, "seed_examples", "training_mix", *optional) | {"student": dg.AssetIn(asset_key(line, last))},
    )
    def evaluation(
        context: dg.AssetExecutionContext,
        config: Remake,
        keeper: Keeper,
        tracking: Tracking,
        student: pl.DataFrame,
        seed_examples: pl.DataFrame,
        training_mix: pl.DataFrame,
        **more: pl.DataFrame,
    ) -> Outcome:
        documents, pairs = more.get("seed_documents"), more.get("preference_pairs")
        drawn = make_problems(seed_examples, training_mix, line.training.evaluation.problems_per_leaf, line.seed)
        contaminated = keep_contaminated(line, keeper, drawn, training_mix, pairs, refresh=config.refresh)
        if lost := contaminated.facts["leaves_lost"]:
            context.log.warning(f"All evaluation problems of {', '.join(lost)} stand in what is trained on: these leaves are not measured.")
        problems, texts = leave_out(drawn, contaminated.frame), choose_texts(line, documents)
        models = _choose_models(line, keeper, student, problems)
        keeper.progress.start("evaluation", len(models) + len(LEAKS) + (len(READERS) if texts.height else 0))
        answers = [_answer(line, keeper, name, model, problems, refresh=config.refresh) for name, model in models.items()]
        frame = pl.concat(kept.frame.with_columns(model=pl.lit(name)) for name, kept in zip(models, answers, strict=True))
        leaks = keep_leaks(line, keeper, student, seed_examples, training_mix, refresh=config.refresh)
        read = keep_texts(line, keeper, student, texts, refresh=config.refresh)
        parts = (contaminated, *answers, *leaks.values(), *read.values())
        forgotten, forgetting = tell_forgetting(read, frame)
        fingerprint = take_fingerprint([], [part.fingerprint for part in parts], [frame])
        kept = keeper.keep(key, None, fingerprint, lambda: Made(frame, {"contaminated": contaminated.frame.height}), refresh=config.refresh)
        summary = summarise(frame)
        table = show_table(summary, summary.columns, rows=summary.height)
        figures = _name_figures(summary) | name_leaks(leaks) | forgotten | name_contaminated(contaminated)
        if "mlflow_run" not in kept.facts:
            kept = keeper.annotate(key, kept, tracking.log_evaluation(line.name, context.run_id, figures, table.md_str or "") or {})
        reused = all(part.reused for part in parts)
        charted = {name: value for name, value in figures.items() if "/" not in name}
        shown = show_kept(kept) | {"reused": reused, "accuracy": table, **show_contaminated(contaminated), **forgetting}
        shown |= {**show_leaks(leaks), **charted, **link_mlflow(kept)}
        return Outcome(metadata=shown | {"seconds": sum(part.seconds for part in parts)})

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
