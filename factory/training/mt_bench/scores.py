"""Scores of graded answers: by category and turn, with intervals over questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.reward.agreement import FEWEST
from factory.training.statistics import ALL, RESAMPLES
from factory.validation.intervals import CONFIDENCE, seeded

SCORE: dict[str, Any] = {
    "category": pl.String,  # or ALL
    "turn": pl.String,  # "1", "2" or ALL
    "questions": pl.Int64,
    "graded": pl.Int64,  # answers
    "ungraded": pl.Int64,
    "score": pl.Float64,  # mean grade; null where nothing is graded
    "low": pl.Float64,  # null below FEWEST questions
    "high": pl.Float64,
}
"""Mean grade by category and turn."""


def summarise_grades(grades: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """SCORE of GRADE rows: of each category, then of all, each by turn and over all turns.

    A score is the mean over answers, as in MT-Bench. The interval is the percentile bootstrap over questions, whose turns stay together,
    drawn within their category: a benchmark's categories are given, its questions are drawn. Of fewer than FEWEST questions there is
    none. An answer without a grade is in no mean, and is counted.
    """
    rows = []
    for category in [*grades["category"].unique(maintain_order=True), ALL]:
        part = grades if category == ALL else grades.filter(category=category)
        for turn in [*sorted(part["turn"].unique()), ALL]:
            rows.append(_score(category, part if turn == ALL else part.filter(turn=turn), str(turn), seed))
    return pl.DataFrame(rows, schema=SCORE)


def _score(category: str, grades: pl.DataFrame, turn: str, seed: int) -> dict[str, Any]:
    questions, graded = grades["question_id"].n_unique(), grades["grade"].count()
    low, high = None, None
    if graded and questions >= FEWEST:
        means = _resample(grades, seed)
        low, high = (float(bound) for bound in np.nanquantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return {
        "category": category,
        "turn": turn,
        "questions": questions,
        "graded": graded,
        "ungraded": grades.height - graded,
        "score": grades["grade"].mean(),
        "low": low,
        "high": high,
    }


def _resample(grades: pl.DataFrame, seed: int) -> NDArray[np.float64]:
    """The mean grade of each draw; NaN where a draw holds no graded answer."""
    parts = [*_draw_categories(grades, seed)]
    total, count = (np.sum([part[at] for part in parts], axis=0) for at in (0, 1))
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = total / count
    return means


def _draw_categories(grades: pl.DataFrame, seed: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Of each category the sum of the drawn questions' grades and how many these are, one for each draw."""
    sums = grades.group_by("category", "question_id", maintain_order=True).agg(total=pl.sum("grade"), count=pl.count("grade"))
    for (category,), part in sums.group_by("category", maintain_order=True):
        drawn = seeded(f"mt_bench/{seed}/{category}").integers(0, part.height, (RESAMPLES, part.height))
        yield part["total"].to_numpy()[drawn].sum(axis=1), part["count"].to_numpy()[drawn].sum(axis=1)
