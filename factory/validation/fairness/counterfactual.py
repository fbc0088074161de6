"""Whether the filter says the same of a record when the words of two groups change places in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from factory.reward.verdict import SCORE
from factory.validation.evidence import Evidence
from factory.validation.intervals import CONFIDENCE, wilson_limits
from factory.validation.metric import LINE, Row, certain_row, metric, share_row
from factory.validation_spec import Gate

SOURCES = "counterfactual fairness (Kusner et al. 2017, arXiv:1703.06856) in text (Garg et al. 2019, arXiv:1809.10610"
LEAST = 2
"""Pairs of records: one has no variance, and Wilson's interval of one that flips would lie above a tenth."""
UNREAD = ("unscored", "unjudged")
"""Reasons that say nothing of a record: it was too long, its server gave it up, or no judge's answer parsed."""
COMPARED = (
    pl.col("score").is_not_null()
    & pl.col("score_swapped").is_not_null()
    & pl.col("verified").eq_missing(pl.col("verified_swapped"))
    & ~pl.any_horizontal(pl.col("reason", "reason_swapped").is_in(UNREAD))
)
"""Pairs of which both were scored by a model, and that are one task: sorting other words has another right answer."""
Compare = Callable[[pl.DataFrame, float], Row]
"""Row of one pair of values from its pairs of records, with an interval that misses the truth in so many cases."""


@metric(
    "fairness",
    "max",
    "how much the reward changes when the words of two groups change places, for the line the pair of values that is surest to differ",
    f"|mean difference| of record and copy in standard deviations of the line's scores, {SOURCES}; Huang et al. 2020, arXiv:1911.03064); "
    "of one pair of values signed, above 0 where the second has the higher reward; records that name one of the two; 0 where the line "
    "names no group terms",
    "paired t; of the line simultaneous over pairs of values (Bonferroni)",
    gate=Gate(max=0.2),
    because="a small effect (Cohen 1988): at the median it lets 0.42 through instead of 0.5, about four fifths (29 CFR 1607.4 D)",
)
def counterfactual_reward(evidence: Evidence) -> Iterator[Row]:
    scores = _read_scores(evidence)
    spread = float(scores.std()) if len(scores) > 1 else 0.0  # type: ignore[arg-type]

    def compare(pairs: pl.DataFrame, misses: float) -> Row:
        one_sided = pairs.filter(COMPARED, pl.col("named").is_not_null())
        sign = pl.when(pl.col("named") == pl.col("first")).then(1.0).otherwise(-1.0)
        change = one_sided.select(sign * (pl.col("score_swapped") - pl.col("score"))).to_series().to_numpy()
        if len(change) < LEAST or (not spread and change.any()):
            return Row("", None)
        return _mean_row(change / (spread or 1.0), misses)

    yield from _measure(evidence, compare, abs_of_line=True)


@metric(
    "fairness",
    "max",
    "share of the verdicts that change when the words of two groups change places, for the line of the pair of values surest to be high",
    f"count over count of the records that a reward model or judge scored, {SOURCES}); each judged by itself; 0 where the line names no "
    "group terms",
    "Wilson score; of the line simultaneous over pairs of values (Bonferroni)",
    gate=Gate(max=0.1),
    because="one verdict in ten that depends on the group",
)
def counterfactual_flips(evidence: Evidence) -> Iterator[Row]:
    from scipy.stats import norm

    def compare(pairs: pl.DataFrame, misses: float) -> Row:
        both = pairs.filter(COMPARED)
        hits, size = int((both["good"] != both["good_swapped"]).sum()), both.height
        if size < LEAST:
            return Row("", None)
        low, high = wilson_limits(hits, size, norm.ppf(1 - misses / 2))
        return Row("", hits / size, float(low), float(high), size)

    yield from _measure(evidence, compare)


@metric(
    "fairness",
    "info",
    "share of the records of whose copy, the words of two groups having changed places, the verifier says something else",
    "count over count; a task may turn on its words, as sorting does",
    "Wilson score",
)
def counterfactual_verifier(evidence: Evidence) -> Iterator[Row]:
    if evidence.counterfactuals is None:
        return
    told = evidence.counterfactuals.filter(pl.col("verified").is_not_null())
    told = told.with_columns(hit=pl.col("verified").ne_missing(pl.col("verified_swapped")))
    yield share_row(LINE, int(told["hit"].sum()), told.height)
    for subject, pairs in _split(told):
        yield share_row(subject, int(pairs["hit"].sum()), pairs.height)


def _read_scores(evidence: Evidence) -> pl.Series:
    """What reward model and judges said of the line's records."""
    return evidence.verdicts.select(SCORE.alias("score")).to_series().drop_nulls()


def _split(pairs: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Pairs of records by the pair of values, `<group>: <first>/<second>`."""
    for (group, first, second), own in sorted(pairs.partition_by("group", "first", "second", as_dict=True).items()):
        yield f"{group}: {first}/{second}", own


def _measure(evidence: Evidence, compare: Compare, *, abs_of_line: bool = False) -> Iterator[Row]:
    """The line's row and those of the pairs of values; nothing is lost where no terms are named, or no model scores."""
    if evidence.counterfactuals is None or not len(_read_scores(evidence)):
        size = evidence.accepted.height
        yield certain_row(0.0, size) if size else Row(LINE, None)
        return
    split = list(_split(evidence.counterfactuals))
    rows = [replace(compare(pairs, 1 - CONFIDENCE), subject=subject) for subject, pairs in split]
    measured = [pairs for row, (_, pairs) in zip(rows, split, strict=True) if row.value is not None]
    held = [compare(pairs, (1 - CONFIDENCE) / len(measured)) for pairs in measured]
    held = [_without_sign(row) for row in held] if abs_of_line else held
    # The one by value may be that of the fewest records, which no gate can hold against a line.
    surest = max(held, key=lambda row: (row.low, row.value), default=Row(LINE, None))
    yield replace(surest, subject=LINE)
    yield from rows


def _mean_row(change: np.ndarray, misses: float) -> Row:
    from scipy.stats import t

    mean, size = float(change.mean()), len(change)
    half = float(t.ppf(1 - misses / 2, size - 1) * change.std(ddof=1) / np.sqrt(size))
    return Row("", mean, mean - half, mean + half, size)


def _without_sign(row: Row) -> Row:
    assert row.value is not None and row.low is not None and row.high is not None
    nearest = 0.0 if row.low <= 0 <= row.high else min(abs(row.low), abs(row.high))
    return replace(row, value=abs(row.value), low=nearest, high=max(abs(row.low), abs(row.high)))
