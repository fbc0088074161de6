"""Training: what is trained on, the student tuned on it phase by phase, its evaluation, and the decision whether it becomes champion."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl

from assets.champion import build_champion, digest_ids, find_champion, find_folder, find_settled, read_champions, student_name
from assets.contamination import keep_contaminated, name_contaminated, reads_pairs, show_contaminated
from assets.forgetting import READERS, choose_texts, keep_texts, names_texts, tell_forgetting
from assets.generation import TEACHER_POOL
from assets.judges import Bench
from assets.layout import FIRST_RUN_TAG, Outcome, Remake, asset_key, line_asset, name_work, read_assets
from assets.leaks import LEAKS, keep_leaks, name_leaks, show_leaks
from assets.mixing import build_mixing
from assets.pages import show_kept, show_table
from assets.students import build_student
from assets.told_students import link_mlflow
from assets.win_rates import is_judged, keep_matches, name_win_rates, show_win_rates
from factory.generation.local_teacher import LocalTeacher
from factory.line import Line
from factory.pico.models import identify_model
from factory.records import ANSWER, digest
from factory.training import (
    Problem,
    evaluate_model,
    find_turn_end,
    leave_out,
    make_problems,
    summarise,
)
from factory.training.statistics import ALL
from resources.keeper import Keeper, Kept, Made, take_fingerprint
from resources.models import Models
from resources.tracked_inputs import Dataset
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
        "how much worse the student predicts real text than its base; how well attacks tell from it which texts were behind it; "
        "and whose answers a judge prefers where no verifier decides.",
        ins=read_assets(line, "seed_examples", "training_mix", *optional) | {"student": dg.AssetIn(asset_key(line, last))},
        pool=TEACHER_POOL if line.training.evaluation.judge else None,
    )
    def evaluation(
        context: dg.AssetExecutionContext,
        config: Remake,
        keeper: Keeper,
        models: Models,
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
        asked = _choose_models(line, keeper, student, problems)
        steps = len(asked) + len(LEAKS) + (len(READERS) if texts.height else 0) + is_judged(line, problems)
        keeper.progress.start("evaluation", steps)
        answers = [_answer(line, keeper, name, model, problems, refresh=config.refresh) for name, model in asked.items()]
        frame = pl.concat(kept.frame.with_columns(model=pl.lit(name)) for name, kept in zip(asked, answers, strict=True))
        leaks = keep_leaks(line, keeper, student, seed_examples, training_mix, refresh=config.refresh)
        read = keep_texts(line, keeper, student, texts, refresh=config.refresh)
        bench = Bench(line, models, context.run.tags.get(FIRST_RUN_TAG, context.run_id))
        matches = keep_matches(line, keeper, bench, problems, frame, refresh=config.refresh)
        parts = (contaminated, *answers, *leaks.values(), *read.values(), *([matches] if matches else []))
        forgotten, forgetting = tell_forgetting(read, frame)
        fingerprint = take_fingerprint([], [part.fingerprint for part in parts], [frame, *([matches.frame] if matches else [])])
        facts = {"contaminated": contaminated.frame.height, "judged": matches is not None}
        kept = keeper.keep(key, None, fingerprint, lambda: Made(frame, facts), refresh=config.refresh)
        summary = summarise(frame)
        table = show_table(summary, summary.columns, rows=summary.height)
        figures = _name_figures(summary) | name_leaks(leaks) | forgotten | name_contaminated(contaminated) | name_win_rates(matches)
        # A student that could not be registered then may have been since, and wants its figures on its page.
        model = keeper.facts(asset_key(line, last)).get("mlflow_model_id", "")
        if "mlflow_run" not in kept.facts or kept.facts.get("mlflow_model_id") != model:
            kept = keeper.annotate(key, kept, _tell_mlflow(tracking, line, context.run_id, frame, figures, table.md_str or "", model))
        charted = {name: value for name, value in figures.items() if "/" not in name}
        made = {"reused": all(part.reused for part in parts), "seconds": sum(part.seconds for part in parts)}
        shown = show_contaminated(contaminated) | forgetting | show_leaks(leaks) | show_win_rates(line, matches)
        return Outcome(metadata=show_kept(kept) | made | {"accuracy": table, **shown, **charted, **link_mlflow(kept)})

    return evaluation


def _tell_mlflow(
    tracking: Tracking, line: Line, run_id: str, answers: pl.DataFrame, figures: dict[str, float], table: str, model: str
) -> dict[str, str]:
    """The facts of the run that MLflow was told of; none where it failed. The student's own figures stand with its `model` too."""
    problems = answers.filter(model="tuned").drop("model", "response", "correct")
    asked = Dataset(problems, "evaluation problems", digest_ids(problems["problem_id"]))
    of_model = {name: value for name, value in figures.items() if _is_of_student(name)}
    work = name_work(line, "evaluation", run_id)
    told = tracking.log_evaluation(work, figures, table, asked=asked, of_model=of_model, model=model)
    return {} if told is None else told | {"mlflow_model_id": model}


def _is_of_student(figure: str) -> bool:
    """Whether the figure of that name is of the tuned student, by itself or beside a rival, and not of another model or the problems."""
    name = figure.rpartition("/")[2]
    return "tuned" in name.split("_") or name.startswith(("canary_", "forgetting_", "forgotten"))


def _choose_models(line: Line, keeper: Keeper, student: pl.DataFrame, problems: Sequence[Problem]) -> dict[str, str | LocalTeacher]:
    """Whom to evaluate, by role. A student that was judged on these problems before meets the same rival again.

    The teacher is measured where it is a model in this process.
    """
    tuned = student["revision"][0]
    models: dict[str, str | LocalTeacher] = {"base": line.training.student, "tuned": student["model"][0]}
    teacher = line.generation.teacher
    if teacher.server is None:
        batch_size = line.training.evaluation.batch_size
        models["teacher"] = LocalTeacher(
            teacher.model, teacher.revision, batch_size, teacher.adapter, teacher.quantisation, find_end=find_turn_end
        )
    history = read_champions(keeper, line)
    judged = find_settled(history, tuned, digest_ids(problem.problem_id for problem in problems))
    rival = judged["rival"][-1] if judged.height else find_champion(history)
    folder = find_folder(history, rival)
    there = folder is not None and (Path(folder) / "config.json").is_file()
    return models | ({"champion": str(folder)} if there and rival != tuned else {})


def _answer(line: Line, keeper: Keeper, name: str, model: str | LocalTeacher, problems: Sequence[Problem], *, refresh: bool) -> Kept:
    """The answers of one model, kept by its role as long as model and problems stay the same."""
    key = asset_key(line, "evaluation")
    spec = line.training.evaluation
    report = partial(keeper.progress.advance, "evaluation", name)
    fingerprint = take_fingerprint(
        ["training", "problems", "reward/verifiers", "reward/sandbox", "generation/local_teacher", "generation/local_model"],
        [
            model.identity if isinstance(model, LocalTeacher) else identify_model(model),
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
