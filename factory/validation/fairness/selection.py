"""How evenly the filter treats languages and declared groups."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations

import numpy as np
import polars as pl

from factory.validation.columns.effects import Effect, ratio_limits
from factory.validation.evidence import GROUP, Evidence
from factory.validation.fairness.groups import LEAST_SHARE, list_attributes, rows_of_groups
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation_spec import Gate

FOUR_FIFTHS = (
    "lowest ratio of the rates of two groups of at least 2 % (four-fifths rule, 29 CFR 1607.4 D), of the candidates that parsed "
    "and that no verifier proved wrong; 1 with fewer than two groups"
)

RATIO = "that of the ratio of two rates from Wilson's of each (Donner & Zou 2012)"
"""How the interval of one ratio is computed."""
SIMULTANEOUS = f"{RATIO}, simultaneous over all pairs of groups (Bonferroni)"

QUALIFIED = pl.col("parse_fault").is_null() & pl.col("verified").fill_null(True)
"""Candidates that the filter may choose from: what did not parse or is proved wrong is the teacher's fault, not the filter's."""


@metric(
    "fairness",
    "min",
    "how evenly the filter treats languages",
    FOUR_FIFTHS,
    SIMULTANEOUS,
    gate=Gate(min=0.8),
    because="the four-fifths rule (Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D)",
)
def language_selection(evidence: Evidence) -> Iterator[Row]:
    compared = _compare_rates(evidence, "language", LINE)
    yield compared.row if compared else Row(LINE, None)


@metric(
    "fairness",
    "min",
    "how evenly the filter treats a declared group, on the line the worst of them",
    FOUR_FIFTHS,
    SIMULTANEOUS,
    gate=Gate(min=0.5),
    because="declared groups may be subjects of unlike difficulty; a line whose groups are people sets 0.8",
)
def group_selection(evidence: Evidence) -> Iterator[Row]:
    effects = {name: _compare_rates(evidence, f"{GROUP}{name}", name) for name in evidence.group_names}
    yield from rows_of_groups(effects, "min", 1.0, _qualified(evidence).height)


@metric("fairness", "info", "share accepted of the candidates that no verifier proved wrong", "count over count", "Wilson score")
def selection_rate(evidence: Evidence) -> Iterator[Row]:
    for column, label in [("leaf", ""), *list_attributes(evidence)]:
        for value, hits, size in _rates(_qualified(evidence), column, pl.col("verdict") == "accepted"):
            yield share_row(f"{label}{value}", hits, size)


@metric("fairness", "info", "share of the candidates that parsed and that no verifier proved wrong", "count over count", "Wilson score")
def qualified_rate(evidence: Evidence) -> Iterator[Row]:
    for column, label in [("leaf", ""), *list_attributes(evidence)]:
        for value, hits, size in _rates(evidence.verdicts, column, QUALIFIED):
            yield share_row(f"{label}{value}", hits, size)


def _qualified(evidence: Evidence) -> pl.DataFrame:
    return evidence.verdicts.filter(QUALIFIED)


def _rates(candidates: pl.DataFrame, column: str, hit: pl.Expr) -> list[tuple[str, int, int]]:
    """For each value of the column: the value, how many candidates hit, how many there are."""
    return candidates.group_by(column).agg(hit.sum().alias("hits"), pl.len()).sort(column).rows()


def _compare_rates(evidence: Evidence, column: str, subject: str) -> Effect | None:
    """The lowest ratio of the rates of two groups, of all pairs of groups that are large enough; None where no rate is above 0."""
    candidates = _qualified(evidence)
    rates = _rates(candidates, column, pl.col("verdict") == "accepted")
    large = [(hits, size) for _, hits, size in rates if size >= LEAST_SHARE * candidates.height]
    if not any(accepted for accepted, _ in large):
        return None
    if len(large) == 1:
        return Effect(subject, 1.0, lambda _: (1.0, 1.0), candidates.height)
    hits, size, most, of = np.array([(*low, *high) for low, high in permutations(large, 2) if high[0]]).T

    def limits(z: float) -> tuple[float, float]:
        low, high = ratio_limits(hits, size, most, of, z)
        return float(low.min()), float(high.min())

    value = float((hits / size / (most / of)).min())
    return Effect(subject, value, limits, candidates.height, tests=math.comb(len(large), 2))
