"""Puts each turn's answer to a judge, with the conversation before it and, in some categories, right answers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from factory.generation.ledger import Ledger
from factory.generation.spending import Spending
from factory.reward.judging import Case, Judge, Judgement, judge_cases
from factory.training.mt_bench.answers import Answered

GRADE: dict[str, Any] = {
    "question_id": pl.String,
    "category": pl.String,
    "turn": pl.Int32,  # from 1
    "asked": pl.String,
    "response": pl.String,  # null where a server gave it up
    "ended": pl.String,  # factory.generation.chat.FinishReason of the answer
    "referenced": pl.Boolean,  # whether the judge was shown a right answer to this turn
    "grade": pl.Float64,  # null where the judge's answer did not parse, or there was nothing to grade
    "note": pl.String,  # why there is no grade, or what was wrong with the judge's first answer
    "said": pl.String,  # the judge's last words
}
"""One turn of one question, answered and graded."""


def grade_answers(judge: Judge, answered: Sequence[Answered], ledger: Ledger, spending: Spending) -> pl.DataFrame:
    """The GRADE of each turn, in the order of `answered`.

    An answer that a server gave up is not put to the judge; one that did not fit the model's context is, empty as it is.
    Raises what `judge_cases` raises.
    """
    turns = [(each, turn) for each in answered for turn in range(len(each.question.turns))]
    cases = {(each.question.question_id, turn): _show(judge, each, turn) for each, turn in turns if each.texts[turn] is not None}
    said = dict(zip(cases, judge_cases([*cases.values()], ledger, spending, "answers to grade: "), strict=True))
    return pl.DataFrame([_tell(each, turn, said.get((each.question.question_id, turn))) for each, turn in turns], schema=GRADE)


def _show(judge: Judge, answered: Answered, turn: int) -> Case:
    question = answered.question
    conversation: list[dict[str, Any]] = []
    for asked, text in zip(question.turns[:turn], answered.texts, strict=False):
        conversation += [{"role": "user", "content": asked}, {"role": "assistant", "content": text}]
    shown = {
        "instruction": question.turns[0],
        "context": None,
        "language": None,
        "conversation": [*conversation, {"role": "user", "content": question.turns[turn]}],
        "references": [text or None for text in question.right[: turn + 1]],
        "response": answered.texts[turn],
    }
    return Case(judge, shown, f"question {question.question_id}, turn {turn + 1}")


def _tell(answered: Answered, turn: int, said: Judgement | None) -> dict[str, Any]:
    question = answered.question
    return {
        "question_id": question.question_id,
        "category": question.category,
        "turn": turn + 1,
        "asked": question.turns[turn],
        "response": answered.texts[turn],
        "ended": answered.ended[turn],
        "referenced": bool(question.right and question.right[turn]),
        "grade": said and said.score,
        "note": said.note if said else f"no answer to grade: {answered.note}",
        "said": said and said.said,
    }
