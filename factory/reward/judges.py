"""The judges of a line: a panel that votes on responses, and a judge that is put two responses in both orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from factory.faults import FactoryError
from factory.generation.chat import Request
from factory.generation.ledger import Ledger
from factory.generation.models import Teacher
from factory.generation.spending import Spending
from factory.reward.judging import Case, Judge, Judgement, Row, foresee_first, judge_cases, make_judge, show_row
from factory.reward.rubric import load_rubric
from factory.reward.rubric_spec import Rubric
from factory.reward_spec import JudgeSpec, RewardSpec

Vote = dict[str, Any]
"""A value of records.VOTES, and `usage`, of records.USAGE."""
Voter = Callable[[Sequence[Row]], list[list[Vote]]]
"""Gives the votes on each of some CANDIDATE rows, such as Panel.vote."""
Side = Literal["a", "b", "tie"]


@dataclass(frozen=True)
class Preference:
    """Which of two responses a judge prefers. `forward`: with a shown first; `backward`: with b shown first; null for an answer that did
    not parse, and then `note` says why."""

    forward: Side | None
    backward: Side | None
    note: str | None

    @property
    def verdict(self) -> Side | None:
        """a or b only where both orders say so, else a tie; null where an answer did not parse."""
        if self.forward is None or self.backward is None:
            return None
        return self.forward if self.forward == self.backward else "tie"


Compare = Callable[[Sequence[tuple[Row, Row]]], list[Preference]]
"""Gives the preference of each of some pairs of CANDIDATE rows to one instruction."""


class Panel:
    """Votes on responses. Two judges of the same model, rubric and sampling are asked with other seeds, so that their votes are two."""

    def __init__(self, judges: Sequence[Judge], ledger: Ledger, spending: Spending | None = None) -> None:
        self.judges = judges
        self._ledger = ledger
        self._spending = spending

    def vote(self, rows: Sequence[Row]) -> list[list[Vote]]:
        """The votes on each row (columns instruction, context, response, turns, language, leaf, record_id), in the judges' order.

        A vote whose answer did not parse in the stricter form either has neither score nor good. Raises what `judge_cases` raises.
        """
        cases = [Case(judge, show_row(row), name_row(row)) for judge in self.judges for row in rows]
        left = f"leaf {rows[0]['leaf']}: " if rows else ""
        said = judge_cases(cases, self._ledger, self._spending, left)
        by_judge = [said[place * len(rows) : (place + 1) * len(rows)] for place in range(len(self.judges))]
        return [[_cast(judge, each[i]) for judge, each in zip(self.judges, by_judge, strict=True)] for i in range(len(rows))]


def open_judges(specs: Sequence[JudgeSpec], teacher: Callable[[JudgeSpec], Teacher]) -> list[Judge]:
    """The judges of `specs`; `teacher` opens the model of one.

    Raises what load_rubric raises, and FactoryError for a rubric that compares.
    """
    judges: list[Judge] = []
    for spec in specs:
        judge = make_judge(spec, teacher(spec), check_rubric(spec, compares=False))
        alike = [each for each in judges if replace(each, repeat=0, min_score=None, model=judge.model) == replace(judge, min_score=None)]
        judges.append(replace(judge, repeat=sum(each.identity == judge.identity for each in alike)))
    return judges


def open_comparer(spec: JudgeSpec, teacher: Teacher) -> Judge:
    """The judge of `spec` by a rubric that compares. Raises what load_rubric raises, and FactoryError for one that scores."""
    return make_judge(spec, teacher, check_rubric(spec, compares=True))


def check_rubrics(spec: RewardSpec) -> None:
    """Raises what reading the rubrics of a line raises, so that a bad one is told before anything is asked."""
    for judge in spec.judges:
        check_rubric(judge, compares=False)
    if spec.pairs.judge:
        check_rubric(spec.pairs.judge, compares=True)


def check_rubric(spec: JudgeSpec, *, compares: bool) -> Rubric:
    """The rubric of a judge. Raises what load_rubric raises, and FactoryError where it compares and should not, or the other way round."""
    rubric = load_rubric(spec.rubric)
    if rubric.compares != compares:
        pairs, singles = "reward.pairs.judge or training.evaluation.judge", "reward.judges or training.evaluation.grader"
        takes = f"two responses, for {pairs}" if rubric.compares else f"one response, for {singles}"
        raise FactoryError(f"rubric {rubric.name!r} is of {takes}; here goes one of {'two' if compares else 'one'}.")
    return rubric


def compare(judge: Judge, pairs: Sequence[tuple[Row, Row]], ledger: Ledger, spending: Spending | None = None) -> list[Preference]:
    """The preference of `judge` for each pair (a, b) of rows to one instruction, each put to it in both orders (Zheng et al. 2023,
    arXiv 2306.05685, section 3.4: a response wins only if it is preferred in both). Raises what `judge_cases` raises."""
    forward = [_show_pair(judge, a, b) for a, b in pairs]
    backward = [_show_pair(judge, b, a) for a, b in pairs]
    said = judge_cases([*forward, *backward], ledger, spending)
    return [_prefer(ahead, behind) for ahead, behind in zip(said[: len(pairs)], said[len(pairs) :], strict=True)]


def foresee_question(judge: Judge, pair: tuple[Row, Row]) -> Request:
    """The first question that `compare` puts to `judge` of a pair, in the forward order; nobody is asked."""
    return foresee_first(_show_pair(judge, *pair))


def count_unparsed(votes: pl.Series) -> pl.DataFrame:
    """Of each judge and rubric in a VOTES column: votes, how many did not parse, how many only in the stricter form, and how many are good.

    Columns judge, rubric, votes, unparsed, stricter, good, unparsed_share; sorted by judge and rubric.
    """
    cast = votes.to_frame("votes").explode("votes").drop_nulls().unnest("votes")
    unread = pl.col("score").is_null()
    counted = cast.group_by("judge", "rubric").agg(
        votes=pl.len(), unparsed=unread.sum(), stricter=(~unread & pl.col("note").is_not_null()).sum(), good=pl.col("good").sum()
    )
    return counted.with_columns(unparsed_share=pl.col("unparsed") / pl.col("votes")).sort("judge", "rubric")


def name_row(row: Row) -> str:
    """What a row is called where a request about it fails; a labelled example has no name but its words."""
    return f"leaf {row['leaf']}, record {row['record_id']}" if "leaf" in row else f"example {row['instruction'][:40]!r}"


def _cast(judge: Judge, said: Judgement) -> Vote:
    good = None if said.score is None else said.score >= judge.least_good
    return {
        "judge": judge.identity,
        "rubric": judge.rubric.name,
        "score": said.score,
        "good": good,
        "note": said.note,
        "usage": [*said.usage],
    }


def _show_pair(judge: Judge, first: Row, second: Row) -> Case:
    shown = show_row(first)
    shown |= {"first": shown.pop("response"), "second": show_row(second)["response"]}
    return Case(judge, shown, name_row(first))


def _prefer(ahead: Judgement, behind: Judgement) -> Preference:
    forward, backward = _name_side(ahead.score, "a", "b"), _name_side(behind.score, "b", "a")
    unread = [said.note for said in (ahead, behind) if said.score is None and said.note]
    return Preference(forward, backward, "; ".join(unread) or None)


def _name_side(score: float | None, first: Side, second: Side) -> Side | None:
    return None if score is None else first if score > 0 else second if score < 0 else "tie"
