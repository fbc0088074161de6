"""Fairness: which leaves, languages and declared groups the accepted records speak for, and how the filter treats each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl

from factory.validation.distances import share_distance
from factory.validation.intervals import rate_ratio
from factory.validation.metric import GROUP, LINE, Evidence, Row, measure_report, metric, share_row

LEAST_SHARE = 0.02
"""Groups below 2 % of the applicants are left out of the ratio (Uniform Guidelines, 29 CFR 1607.15 A(2)(a))."""

BALANCED = "total variation from the seeds, each leaf weighing the same since each is asked for as many records"
BOOTSTRAP = "normal, standard error of 200 bootstrap draws of records"
FOUR_FIFTHS = (
    "lowest over highest rate among groups of at least 2 % (four-fifths rule, 29 CFR 1607.4 D), of the candidates that parsed "
    "and that no verifier proved wrong; 1 with fewer than two groups"
)
KATZ = "Katz's log interval of the two rates (Katz et al. 1978)"

QUALIFIED = pl.col("parse_fault").is_null() & pl.col("verified").fill_null(True)
"""Candidates that the filter may choose from: what did not parse or is proved wrong is the teacher's fault, not the filter's."""


def measure_fairness(accepted: pl.DataFrame, verdicts: pl.DataFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """The fairness report of `accepted` out of all `verdicts` (VERDICT) against `seeds` (SEED), as METRIC rows without verdicts."""
    return measure_report("fairness", Evidence(accepted, seeds, verdicts=verdicts))


@metric("fairness", "max", "shift of the mix of leaves", BALANCED, BOOTSTRAP)
def leaf_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shift(evidence, "leaf", LINE)


@metric("fairness", "max", "shift of the mix of languages", BALANCED, BOOTSTRAP)
def language_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shift(evidence, "language", LINE)


@metric(
    "fairness", "max", "shift of the mix of a declared group, on the line the worst of them", f"{BALANCED}; 0 without groups", BOOTSTRAP
)
def group_shift(evidence: Evidence) -> Iterator[Row]:
    rows = [_shift(evidence, f"{GROUP}{name}", name) for name in evidence.group_names]
    yield _worst(rows, max, 0.0, evidence.accepted.height)
    yield from rows


@metric("fairness", "info", "share of the accepted records by leaf, language and declared group", "count over count", "Wilson score")
def share(evidence: Evidence) -> Iterator[Row]:
    for column, label in [("leaf", ""), *_attributes(evidence)]:
        for value, count in evidence.counts(column).items():
            yield share_row(f"{label}{value}", count, evidence.accepted.height)


@metric("fairness", "min", "how evenly the filter treats languages", FOUR_FIFTHS, KATZ)
def language_selection(evidence: Evidence) -> Iterator[Row]:
    yield _selection(evidence, "language", LINE)


@metric("fairness", "min", "how evenly the filter treats a declared group, on the line the worst of them", FOUR_FIFTHS, KATZ)
def group_selection(evidence: Evidence) -> Iterator[Row]:
    rows = [_selection(evidence, f"{GROUP}{name}", name) for name in evidence.group_names]
    yield _worst(rows, min, 1.0, _qualified(evidence).height)
    yield from rows


@metric("fairness", "info", "share accepted of the candidates that no verifier proved wrong", "count over count", "Wilson score")
def selection_rate(evidence: Evidence) -> Iterator[Row]:
    for column, label in [("leaf", ""), *_attributes(evidence)]:
        for value, hits, size in _rates(_qualified(evidence), column, pl.col("verdict") == "accepted"):
            yield share_row(f"{label}{value}", hits, size)


@metric("fairness", "info", "share of the candidates that parsed and that no verifier proved wrong", "count over count", "Wilson score")
def qualified_rate(evidence: Evidence) -> Iterator[Row]:
    for column, label in [("leaf", ""), *_attributes(evidence)]:
        for value, hits, size in _rates(evidence.verdicts, column, QUALIFIED):
            yield share_row(f"{label}{value}", hits, size)


def _attributes(evidence: Evidence) -> list[tuple[str, str]]:
    """Columns of language and declared groups, each with what stands before a value in a row's subject."""
    return [("language", "language="), *((f"{GROUP}{name}", f"{name}=") for name in evidence.group_names)]


def _qualified(evidence: Evidence) -> pl.DataFrame:
    return evidence.verdicts.filter(QUALIFIED)


def _rates(candidates: pl.DataFrame, column: str, hit: pl.Expr) -> list[tuple[str, int, int]]:
    """For each value of the column: the value, how many candidates hit, how many there are."""
    return candidates.group_by(column).agg(hit.sum().alias("hits"), pl.len()).sort(column).rows()


def _shift(evidence: Evidence, column: str, subject: str) -> Row:
    measured = share_distance(evidence.counts(column), evidence.reference(column), f"fairness:{column}")
    return Row(subject, *measured, evidence.accepted.height) if measured else Row(subject, None)


def _selection(evidence: Evidence, column: str, subject: str) -> Row:
    candidates = _qualified(evidence)
    rates = _rates(candidates, column, pl.col("verdict") == "accepted")
    ranked = sorted((hits / size, hits, size) for _, hits, size in rates if size >= LEAST_SHARE * candidates.height)
    if not ranked or not ranked[-1][1]:
        return Row(subject, None)
    if len(ranked) == 1:
        return Row(subject, 1.0, size=candidates.height)
    return Row(subject, *rate_ratio(*ranked[0][1:], *ranked[-1][1:]), candidates.height)


def _worst(rows: list[Row], choose: Callable[..., Row], without_groups: float, size: int) -> Row:
    """The row of the line: the worst of the groups' rows; nothing where nothing could be measured."""
    measured = [row for row in rows if row.value is not None]
    if not size or (rows and not measured):
        return Row(LINE, None)
    if not rows:
        return Row(LINE, without_groups, size=size)
    return replace(choose(measured, key=lambda row: row.value), subject=LINE)
