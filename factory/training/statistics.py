"""Accuracy with intervals, and paired comparison of two models on the same problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from factory.faults import FactoryError
from factory.validation.intervals import CONFIDENCE, seeded, wilson

ALL = "all"
"""In place of a leaf or an origin: every one of them."""
RESAMPLES = 10_000
"""Draws of the bootstrap: the ends of a 95 % interval settle to about a hundredth of its width."""


@dataclass(frozen=True)
class Comparison:
    """Model `a` against model `b` on the same problems. `difference` is accuracy of a − accuracy of b, `low` to `high` its interval."""

    a: str
    b: str
    problems: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    low: float
    high: float
    confidence: float
    wins: int  # problems that a alone gets right
    losses: int  # problems that b alone gets right
    p_value: float


def summarise(answers: pl.DataFrame) -> pl.DataFrame:
    """Accuracy by model, leaf and origin, with the 95 % Wilson score interval (factory.validation.intervals.wilson).

    `answers` has the columns of records.ANSWER. Columns: model, leaf, origin, problems, correct, accuracy, low, high. Beside each leaf and
    origin there is a row of all leaves for each origin, and one of all leaves and origins, with "all" in place of the name.
    """
    every = pl.lit(ALL)
    views = [answers, answers.with_columns(leaf=every), answers.with_columns(leaf=every, origin=every)]
    counts = (
        pl.concat(views)
        .group_by("model", "leaf", "origin")
        .agg(problems=pl.len().cast(pl.Int64), correct=pl.col("correct").sum().cast(pl.Int64))
        .sort("model", "leaf", "origin")
    )
    intervals = [wilson(correct, size) for size, correct in counts.select("problems", "correct").iter_rows()]
    return counts.with_columns(
        accuracy=pl.col("correct") / pl.col("problems"),
        low=pl.Series([low for low, _ in intervals], dtype=pl.Float64),
        high=pl.Series([high for _, high in intervals], dtype=pl.Float64),
    )


def compare(answers: pl.DataFrame, a: str, b: str, seed: int = 0) -> Comparison:
    """The paired difference of the models that `answers` (records.ANSWER) calls `a` and `b`.

    The interval is the percentile bootstrap (Efron & Tibshirani 1993, ch. 13) with problems resampled within their leaf, since a line's
    leaves are given and its problems are drawn. The p-value is of the exact McNemar test (McNemar 1947), two-sided.
    Raises FactoryError where there are no problems or the two did not answer the same ones.
    """
    pairs = _pair(answers, a, b)
    wins, losses = (int(pairs.filter(pl.col("difference") == sign).height) for sign in (1, -1))
    totals = sum(_resample(pairs, seed))
    low, high = np.quantile(totals / pairs.height, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Comparison(
        a=a,
        b=b,
        problems=pairs.height,
        accuracy_a=int(pairs["right_a"].sum()) / pairs.height,
        accuracy_b=int(pairs["right_b"].sum()) / pairs.height,
        difference=(wins - losses) / pairs.height,
        low=float(low),
        high=float(high),
        confidence=CONFIDENCE,
        wins=wins,
        losses=losses,
        p_value=_mcnemar(wins, losses),
    )


def count_forgotten(answers: pl.DataFrame, before: str, after: str) -> pl.DataFrame:
    """By leaf, and of all: how many problems the model `before` got right, and which of these `after` gets wrong.

    Columns: leaf, problems, known (right before), forgotten (of these wrong after), share with its 95 % Wilson score interval low and high
    (null where nothing was known), learnt (right after, wrong before). Raises FactoryError as `compare` does.
    """
    pairs = _pair(answers, after, before)
    known, change = pl.col("right_b"), pl.col("difference")
    counts = (
        pl.concat([pairs, pairs.with_columns(leaf=pl.lit(ALL))])
        .group_by("leaf")
        .agg(problems=pl.len().cast(pl.Int64), known=known.sum().cast(pl.Int64), forgotten=(change == -1).sum(), learnt=(change == 1).sum())
        .sort(pl.col("leaf") == ALL, "leaf")
    )
    intervals = [wilson(lost, known) if known else (None, None) for known, lost in counts.select("known", "forgotten").iter_rows()]
    return counts.select(
        "leaf",
        "problems",
        "known",
        pl.col("forgotten").cast(pl.Int64),
        pl.when(pl.col("known") > 0).then(pl.col("forgotten") / pl.col("known")).alias("share"),
        pl.Series("low", [low for low, _ in intervals], dtype=pl.Float64),
        pl.Series("high", [high for _, high in intervals], dtype=pl.Float64),
        pl.col("learnt").cast(pl.Int64),
    )


def _pair(answers: pl.DataFrame, a: str, b: str) -> pl.DataFrame:
    """One row per problem: leaf, right_a, right_b (0 or 1) and their difference."""
    of_a, of_b = (
        answers.filter(pl.col("model") == name).select("problem_id", "leaf", pl.col("correct").cast(pl.Int8).alias(column))
        for name, column in ((a, "right_a"), (b, "right_b"))
    )
    unpaired = set(of_a["problem_id"]) ^ set(of_b["problem_id"])
    if of_a.is_empty() or unpaired:
        raise FactoryError(
            f"{a!r} and {b!r} cannot be compared: {a!r} answered {of_a.height} problems, {b!r} {of_b.height}, and {len(unpaired)} were "
            "answered by one of them alone. Let both answer the same problems, at least one."
        )
    paired = of_a.join(of_b.drop("leaf"), on="problem_id", validate="1:1")
    return paired.with_columns(difference=pl.col("right_a") - pl.col("right_b")).sort("leaf", "problem_id")


def _resample(pairs: pl.DataFrame, seed: int) -> Iterator[np.ndarray]:
    """For each leaf the sum of its resampled differences, one for each draw.

    A difference is −1, 0 or 1, so drawing n problems with replacement is drawing the counts of the three from a multinomial.
    """
    leaves = pairs.group_by("leaf", maintain_order=True).agg(
        size=pl.len(), wins=(pl.col("difference") == 1).sum(), losses=(pl.col("difference") == -1).sum()
    )
    for leaf, size, wins, losses in leaves.iter_rows():
        shares = np.array([losses, size - wins - losses, wins]) / size
        counts = seeded(f"bootstrap/{seed}/{leaf}").multinomial(size, shares, RESAMPLES)
        yield counts[:, 2] - counts[:, 0]


def _mcnemar(wins: int, losses: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses, 0.5).pvalue) if wins + losses else 1.0
