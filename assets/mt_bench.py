"""`factory mt-bench`: who is asked and who grades, and the files that answers and grades are written to."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from assets.console import OUT
from assets.definitions import build_resources
from assets.run import explain_unfinished
from assets.serve import choose_student
from assets.servers import PLAIN
from assets.shelf import open_shelf
from factory.faults import FactoryError
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.generation.models import Model
from factory.generation.spending import Spending
from factory.line import Line
from factory.line_flows import locate_flow
from factory.line_models import get_at, locate_models
from factory.model_spec import TeacherSpec
from factory.records import digest, digest_frame
from factory.reward.judges import open_judges
from factory.reward.judging import Judge
from factory.reward_spec import GraderSpec
from factory.spec_faults import read_spec
from factory.training import find_turn_end
from factory.training.mt_bench import Answered, Question, answer_questions, grade_answers, summarise_grades
from factory.training.statistics import ALL
from resources.calibrations import NO_LINE
from resources.home import Home, prepare_stores
from resources.models import Models

MAX_NEW_TOKENS = 1024
"""Longest answer where nothing else is asked for, as in MT-Bench."""
SHARE_OF_CONTEXT = 3
"""The part of a small context that an answer may take instead, so that a second one and the questions fit beside it."""
EXPERIMENT = "mt_bench"
"""The MLflow experiment of models that belong to no line."""
ANSWERS, JUDGEMENTS, SCORES = "answers.jsonl", "judgements.jsonl", "scores.csv"

S = TypeVar("S", bound=TeacherSpec)


@dataclass(frozen=True)
class Contest:
    """Who is asked, and by whom the answers are graded. `name` is what a person calls the model."""

    name: str
    model: Model
    judge: Judge
    line: str | None
    ledger: Path
    spending: Spending
    seed: int


@dataclass(frozen=True)
class Held:
    """What came of it: a row for each graded turn (GRADE), the scores (SCORE), where the files lie, and the run's page in MLflow."""

    grades: pl.DataFrame
    scores: pl.DataFrame
    folder: Path
    url: str | None


def open_contest(home: Home, line: Line | None, phase: str | None, model: str | None, judge: str | None) -> Contest:
    """The model and the judge that are named, or those of the line. No weights are read and no server is asked yet.

    Raises FactoryError where there is no such model, judge, rubric or student, InputFaults with what is wrong with a file.
    """
    if line is None and model is None:
        raise FactoryError("Give --line for a line's student, or --model for another model.")
    if phase is not None and (line is None or model is not None):
        raise FactoryError("--phase names a student of --line: give it without --model.")
    models = Models()
    if model is not None:
        spec = _read_model(model, TeacherSpec, "model")
        name = spec.model
    else:
        assert line is not None
        prepare_stores(home)
        student = choose_student(open_shelf(home, line.name), line, phase)
        spec = TeacherSpec(model=str(student.folder), batch_size=line.training.evaluation.batch_size)
        name = f"{line.name}'s {student.what}"
    grader = None if line is None else line.training.evaluation.grader
    if judge is not None:
        grader = _read_model(judge, GraderSpec, "judge")
    if grader is None:
        of_line = "" if line is None else f"line {line.name} names no training.evaluation.grader: name one there, or "
        raise FactoryError(f"Nobody grades the answers: {of_line}give --judge, a YAML file with the keys of a judge (docs/evaluation.md).")
    (opened,) = open_judges([grader], models.teacher)
    return Contest(
        name=name,
        model=Model(models.teacher(spec) if spec.server else _open_here(spec), spec),
        judge=opened,
        line=line.name if line else None,
        ledger=home.ledger(line.name if line else NO_LINE),
        spending=models.spending(line.generation, "mt-bench") if line else Spending(),
        seed=line.seed if line else 0,
    )


def _open_here(spec: TeacherSpec) -> LocalTeacher:
    """Ends its answers as in a line's evaluation, so that a student and its base are asked alike."""
    return LocalTeacher(spec.model, spec.revision, spec.batch_size, spec.adapter, spec.quantisation, find_turn_end)


def hold_mt_bench(
    home: Home, contest: Contest, questions: Sequence[Question], max_new_tokens: int | None, out: Path | None, *, ask_failed_again: bool
) -> Held:
    """Asks, grades, writes the files and tells MLflow. What was answered or graded before is in the ledger.

    Raises RunFailedError where a server does not answer or the budget is spent.
    """
    model, judge = contest.model, contest.judge
    longest = max_new_tokens or _choose_length(model)
    told = f"{len(questions)} questions to {contest.name} ({model.teacher.identity}), answers of up to {longest} tokens"
    OUT.print(f"{told}; graded by {judge.identity}, rubric {judge.rubric.name}", **PLAIN)
    with explain_unfinished("Not finished"), Ledger(contest.ledger) as ledger:
        if ask_failed_again:
            ledger.forget_failed()
        with OUT.status(f"{contest.name} answers"):
            answered = answer_questions(model, questions, longest, ledger, contest.spending, contest.seed)
        with OUT.status(f"{judge.identity} grades"):
            grades = grade_answers(judge, answered, ledger, contest.spending)
    scores = summarise_grades(grades)
    settings = {"model": model.teacher.identity, "max_new_tokens": longest, "seed": contest.seed, "judge": judge.describe()}
    asked = [settings, [asdict(question) for question in questions]]
    place = home.root / "mt_bench" / (contest.line or NO_LINE) / f"{_name_folder(model.teacher.identity)}-{digest(asked)[:8]}"
    folder = (out or place).absolute()
    files = _write(folder, contest, answered, grades, scores)
    prepare_stores(home)
    params = {"model": contest.name, "identity": model.teacher.identity, "judge": judge.identity, "rubric": judge.rubric.name}
    logged = build_resources(home)["tracking"].log_benchmark(
        contest.line or EXPERIMENT,
        f"mt-bench {contest.name}"[:200],
        params=params | {"max_new_tokens": longest, "seed": contest.seed, "questions": len(questions)},
        metrics=_name_figures(scores),
        files=files,
        key=digest([asked, digest_frame(grades)]),
    )
    return Held(grades, scores, folder, (logged or {}).get("mlflow_url"))


def _read_model(named: str, spec: type[S], what: str) -> S:
    """The model of that name, or as a YAML file says, whose paths are relative to it."""
    file = Path(named)
    if file.suffix not in {".yaml", ".yml"}:
        return spec(model=named)
    read = read_spec(file, what, spec, "model, server, …", lambda source, spec: ())
    # As where a line names a model: with its adapter, and the tokenizer of a served one.
    located = get_at(locate_models({"generation": {"teacher": read.model_dump()}}, file), ("generation", "teacher"))
    if isinstance(read, GraderSpec):
        located["rubric"] = locate_flow(read.rubric, file.parent)
    return spec.model_validate(located)


def _choose_length(model: Model) -> int:
    context = model.teacher.context_tokens
    return MAX_NEW_TOKENS if context is None else max(1, min(MAX_NEW_TOKENS, context // SHARE_OF_CONTEXT))


def _write(folder: Path, contest: Contest, answered: Sequence[Answered], grades: pl.DataFrame, scores: pl.DataFrame) -> list[Path]:
    """Answers in the form of FastChat, which --references reads too; judgements a row for each turn; scores as a table.

    Gives these files: the folder may be anybody's, and hold others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model, judge = contest.model.teacher.identity, contest.judge.identity
    rows = [_form_answer(each, model) for each in answered]
    (folder / ANSWERS).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    grades.with_columns(model=pl.lit(model), judge=pl.lit(judge)).write_ndjson(folder / JUDGEMENTS)
    scores.write_csv(folder / SCORES)
    return [folder / name for name in (ANSWERS, JUDGEMENTS, SCORES)]


def _form_answer(answered: Answered, model: str) -> dict[str, Any]:
    given = answered.question.question_id
    turns = [text or "" for text in answered.texts]
    question_id = int(given) if given.isdecimal() and str(int(given)) == given else given
    return {
        "question_id": question_id,
        "answer_id": digest([given, model, turns]),
        "model_id": model,
        "choices": [{"index": 0, "turns": turns}],
    }


def _name_figures(scores: pl.DataFrame) -> dict[str, float]:
    """'mt_bench' over all, 'mt_bench_turn_1', and 'mt_bench/<category>'."""
    figures: dict[str, float | None] = {}
    for row in scores.iter_rows(named=True):
        if row["category"] == ALL and row["turn"] == ALL:
            figures |= {"mt_bench": row["score"], "mt_bench_low": row["low"], "mt_bench_high": row["high"], "ungraded": row["ungraded"]}
        elif row["category"] == ALL:
            figures[f"mt_bench_turn_{row['turn']}"] = row["score"]
        elif row["turn"] == ALL:
            figures[f"mt_bench/{row['category']}"] = row["score"]
    return {name: float(value) for name, value in figures.items() if value is not None}


def _name_folder(identity: str) -> str:
    return re.sub(r"[^\w.@+-]", "_", identity)
