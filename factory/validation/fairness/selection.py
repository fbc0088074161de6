"""How evenly the filter treats languages and declared groups."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.evidence import GROUP, Evidence
from factory.validation.fairness.groups import LEAST_SHARE, list_attributes, worst_row
from factory.validation.intervals import rate_ratio
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation_spec import Gate

FOUR_FIFTHS = (
    "lowest over highest rate among groups of at least 2 % (four-fifths rule, 29 CFR 1607.4 D), of the candidates that parsed "
    "and that no verifier proved wrong; 1 with fewer than two groups"
)

KATZ = "Katz's log interval of the two rates (Katz et al. 1978)"

QUALIFIED = pl.col("parse_fault").is_null() & pl.col("verified").fill_null(True)
"""Candidates that the filter may choose from: what did not parse or is proved wrong is the teacher's fault, not the filter's."""


@metric(
    "fairness",
    "min",
    "how evenly the filter treats languages",
    FOUR_FIFTHS,
    KATZ,
    gate=Gate(min=0.8),
    because="the four-fifths rule (Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D)",
)
def language_selection(evidence: Evidence) -> Iterator[Row]:
    yield _selection(evidence, "language", LINE)


@metric(
    "fairness",
    "min",
    "how evenly the filter treats a declared group, on the line the worst of them",
    FOUR_FIFTHS,
    KATZ,
    gate=Gate(min=0.5),
    because="declared groups may be subjects of unlike difficulty; a line whose groups are people sets 0.8",
)
def group_selection(evidence: Evidence) -> Iterator[Row]:
    rows = [_selection(evidence, f"{GROUP}{name}", name) for name in evidence.group_names]
    yield worst_row(rows, min, 1.0, _qualified(evidence).height)
    yield from rows


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


def _selection(evidence: Evidence, column: str, subject: str) -> Row:
    candidates = _qualified(evidence)
    rates = _rates(candidates, column, pl.col("verdict") == "accepted")
    ranked = sorted((hits / size, hits, size) for _, hits, size in rates if size >= LEAST_SHARE * candidates.height)
    if not ranked or not ranked[-1][1]:
        return Row(subject, None)
    if len(ranked) == 1:
        return Row(subject, 1.0, 1.0, 1.0, candidates.height)
    return Row(subject, *rate_ratio(*ranked[0][1:], *ranked[-1][1:]), candidates.height)
