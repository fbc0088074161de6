"""Puts responses to judges: each question of a rubric once, in a stricter form where the answer does not parse, through the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from factory.generation.chat import Completion, Message, Request
from factory.generation.drivers import WRITERS_OF_A_SLOT, Source, drive_concurrent, drive_windows
from factory.generation.fit import fit_again
from factory.generation.ledger import Ledger
from factory.generation.loop import run_in_loop
from factory.generation.models import Model, Served, Teacher
from factory.generation.parsers import Item, NotAskedError, ParseError, take_text
from factory.generation.spending import BudgetSpentError, Spending
from factory.generation.templates import render
from factory.generation.writers import Call
from factory.model_spec import Sampling
from factory.records import digest
from factory.reward.rubric_spec import Question, Rubric
from factory.reward_spec import JudgeSpec

Row = Mapping[str, Any]
Judging = Generator[Call, Completion, "list[Case]"]


@dataclass(frozen=True)
class Judge:
    """A model with the rubric that it judges by. `repeat` tells it from its equals in a panel, whose answers are drawn anew."""

    model: Model
    rubric: Rubric
    sampling: Sampling
    min_score: float | None
    repeat: int = 0

    @property
    def identity(self) -> str:
        """`<name>@<revision>` of the model."""
        return self.model.teacher.identity

    @property
    def least_good(self) -> float:
        """The score from which on a response is good."""
        return float(self.rubric.good_from or 0.0) if self.min_score is None else self.min_score

    def describe(self) -> dict[str, Any]:
        """What its judgements follow from, as JSON values: no path, address, price or batch size."""
        rubric = self.rubric.model_dump(mode="json", exclude={"description", "source"})
        least = None if self.rubric.compares else self.least_good
        return {
            "model": self.identity,
            "rubric": rubric,
            "sampling": self.sampling.model_dump(),
            "least_good": least,
            "repeat": self.repeat,
        }


@dataclass(frozen=True)
class Judgement:
    """What a judge said. `score` is null for an answer that did not parse, and then `note` says why; of one that was read in the stricter
    form, `note` is what was wrong with the first. `values`: the numbers that the rubric's steps gave. `usage`: items of records.USAGE; of
    cases in the same words the first has them. `said`: the last answer in the judge's words, empty where it gave none."""

    score: float | None
    values: Mapping[str, float]
    note: str | None
    usage: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)
    said: str = field(default="", compare=False)


@dataclass
class Case:
    """What is put to a judge: the variables of its rubric. `subject` names the record in errors."""

    judge: Judge
    shown: dict[str, Any]
    subject: str
    judgement: Judgement | None = None
    usage: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""

    @property
    def finished(self) -> bool:
        """Whether it is judged."""
        return self.judgement is not None

    @property
    def key(self) -> str:
        """The same for cases that are put in the same words to the same judge."""
        return digest([self.judge.describe(), self.shown])


def make_judge(spec: JudgeSpec, teacher: Teacher, rubric: Rubric, repeat: int = 0) -> Judge:
    """The judge of `spec` by its rubric, which `teacher` is the model of."""
    return Judge(Model(teacher, spec), rubric, spec.sampling, spec.min_score, repeat)


def show_row(row: Row) -> dict[str, Any]:
    """What a rubric is shown of a CANDIDATE row, by the variables of its prompts."""
    turns = row["turns"] or [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["response"]}]
    *before, last = ({"role": turn["role"], "content": turn["content"]} for turn in turns)
    shown = {"instruction": row["instruction"], "context": row["context"], "language": row["language"], "references": []}
    return shown | {"conversation": before, "response": last["content"]}


def judge_cases(cases: Sequence[Case], ledger: Ledger, spending: Spending | None = None, left: str = "") -> list[Judgement]:
    """The judgement of each case, in their order. What the ledger holds is not asked again, and what is put twice in the same words is
    asked once.

    Servers are asked at once, each within its own bound, then models in this process, one after the other, in windows. Raises what models
    and ledger raise once every answer in flight is stored; of a spent budget, `left` names what is not done.
    """
    spending = Spending() if spending is None else spending
    distinct: dict[str, Case] = {}
    places = [distinct.setdefault(case.key, case) for case in cases]
    try:
        run_in_loop(_drive([*distinct.values()], Source(ledger, spending)))
    except BudgetSpentError:
        done = sum(case.finished for case in distinct.values())
        raise BudgetSpentError(spending.describe(), f"{left}{done:,} of {len(distinct):,} judgements made") from None
    judgements = []
    for case, asked in zip(cases, places, strict=True):
        assert asked.judgement is not None
        judgements.append(asked.judgement if asked is case else replace(asked.judgement, usage=()))
    return judgements


def foresee_first(case: Case) -> Request:
    """What a case asks first; nobody is asked."""
    return next(_judge(case)).request


async def _drive(cases: list[Case], source: Source) -> None:
    teachers = {id(case.judge.model.teacher): case.judge.model.teacher for case in cases}
    own = {key: [case for case in cases if case.judge.model.teacher is teacher] for key, teacher in teachers.items()}
    served = [teacher for teacher in teachers.values() if isinstance(teacher, Served)]
    try:
        await _attend(
            [drive_concurrent(own[id(teacher)], _judge, source, WRITERS_OF_A_SLOT * teacher.in_flight, _take) for teacher in served]
        )
        for key, teacher in teachers.items():
            if not isinstance(teacher, Served):
                await drive_windows(own[key], _judge, source, teacher.window, _take)
    finally:
        for teacher in served:
            await teacher.close()


async def _attend(drives: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Runs all to their ends, then raises the first error: one server's failure costs no answer of another's."""
    for ended in await asyncio.gather(*drives, return_exceptions=True):
        if ended is not None:
            raise ended


def _take(case: Case) -> None:
    """Nothing: a case holds its own judgement."""


def _judge(case: Case) -> Judging:
    """Takes a case through the questions of its rubric."""
    shown = dict(case.shown)
    values: dict[str, float] = {}
    notes: list[str] = []
    try:
        for question in case.judge.rubric.steps:
            item, note = yield from _take_step(case, question, shown)
            shown |= item
            values |= {name: float(item[name]) for name in question.numbers}
            notes += [note] if note else []
    except ParseError as error:
        case.judgement = Judgement(None, {}, str(error), tuple(case.usage), case.said)
    else:
        case.judgement = Judgement(case.judge.rubric.score(values), values, "; ".join(notes) or None, tuple(case.usage), case.said)
    return [case]


def _take_step(case: Case, question: Question, shown: dict[str, Any]) -> Generator[Call, Completion, tuple[Item, str | None]]:
    """What one question gives, and what was wrong with its first answer where a second was needed. Raises ParseError."""
    language = str(shown["language"] or "")
    try:
        return _read(question, (yield from _ask(case, question, shown, "")), language), None
    except NotAskedError:
        raise
    except ParseError as error:
        if question.retry is None:
            raise ParseError(f"{question.name}: {error}") from None
        first = error
    try:
        return _read(question, (yield from _ask(case, question, shown, question.retry)), language), f"{question.name}: at first {first}"
    except ParseError as error:
        raise ParseError(f"{question.name}: {error} (first {first})") from None


def _read(question: Question, answer: str, language: str) -> Item:
    (item,) = question.parse(answer, language)
    assert not isinstance(item, ParseError)
    return item


def _ask(case: Case, question: Question, shown: dict[str, Any], stricter: str) -> Generator[Call, Completion, str]:
    """What the judge wrote. The prompt is made shorter where it does not fit and the rubric says how. Raises ParseError."""
    teacher, sampling = case.judge.model.teacher, case.judge.sampling
    while True:
        call = _call(case, question, shown, stricter)
        answer = yield call
        if answer.finish_reason != "overflow":
            break
        # No rubric shows examples.
        shorter = fit_again(question, {"examples": [], **shown}, case.judge.model, answer, sampling.max_new_tokens)
        if shorter is None:
            raise NotAskedError(
                f"{question.name}: prompt of {answer.prompt_tokens} tokens and up to {sampling.max_new_tokens} new ones do not fit the "
                f"judge's context of {teacher.context_tokens or 'a length that its server does not tell'}"
            )
        shown.update({name: shorter[name] for name in shown})
    case.usage.append(case.judge.model.tell_usage(f"{case.judge.rubric.name}: {question.name}", answer))
    case.said = "" if answer.finish_reason == "failed" else answer.text
    return take_text(answer, sampling.max_new_tokens, "judge", f"{question.name}: ")


def _call(case: Case, question: Question, shown: Mapping[str, Any], stricter: str) -> Call:
    judge = case.judge
    name = f"rubric {judge.rubric.name!r}, step {question.name!r}"
    messages = [Message("user", render(str(question.prompt), shown, name))]
    if stricter:
        messages[-1] = replace(messages[-1], content=f"{messages[-1].content}\n\n{render(stricter, shown, name)}")
    if question.system is not None:
        messages.insert(0, Message("system", render(question.system, shown, name)))
    # No record id: the same words get the same judgement, whichever record they stand in.
    key = digest(
        [
            ["judge", judge.rubric.name, question.name, judge.repeat],
            [[message.role, message.content] for message in messages],
            [question.schema_text, judge.identity, judge.sampling.model_dump()],
        ]
    )
    subject = f"{case.subject}, rubric {judge.rubric.name}, step {question.name}"
    return Call(key, judge.model, Request(tuple(messages), int(key[:12], 16), judge.sampling, question.schema_text, subject))
