"""Shares of leaves, languages and declared groups, against those of the seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from factory.validation.columns.cells import BETWEEN
from factory.validation.distances import share_distance
from factory.validation.evidence import GROUP, NO_GROUP, Evidence
from factory.validation.fairness.groups import LEAST_SHARE, list_attributes, worst_row
from factory.validation.intervals import wilson
from factory.validation.metric import LINE, Row, certain_row, metric, share_row
from factory.validation_spec import Gate

CORRECTED = "corrected for chance as (d - e)/(1 - e) (Hubert & Arabie 1985)"
BALANCED = f"total variation from the seeds, each leaf weighing the same since each is asked for as many records, {CORRECTED}"

BOOTSTRAP = "normal, standard error of 200 bootstrap draws of records"


@metric(
    "fairness",
    "max",
    "shift of the mix of leaves",
    BALANCED,
    BOOTSTRAP,
    gate=Gate(max=0.3),
    because="acceptance spread evenly between 0.3 and 1.0 over the leaves moves 0.13; half of the leaves lost moves 0.5",
)
def leaf_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shift(evidence, "leaf", LINE)


@metric(
    "fairness",
    "max",
    "shift of the mix of languages",
    BALANCED,
    BOOTSTRAP,
    gate=Gate(max=0.1),
    because="the smallest language of the bundled line has a fifth of the leaves: losing two thirds of it moves 0.12",
)
def language_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shift(evidence, "language", LINE)


@metric(
    "fairness",
    "max",
    "shift of the mix of a declared group, on the line the worst of them",
    f"{BALANCED}; 0 without groups",
    BOOTSTRAP,
    gate=Gate(max=0.3),
    because="as leaf_shift",
)
def group_shift(evidence: Evidence) -> Iterator[Row]:
    rows = [_shift(evidence, f"{GROUP}{name}", name) for name in evidence.group_names]
    yield worst_row(rows, max, 0.0, evidence.accepted.height)
    yield from rows


@metric("fairness", "info", "share of the accepted records by leaf, language and declared group", "count over count", "Wilson score")
def share(evidence: Evidence) -> Iterator[Row]:
    for column, label in [("leaf", ""), *list_attributes(evidence)]:
        for value, count in evidence.counts(column).items():
            yield share_row(f"{label}{value}", count, evidence.accepted.height)


@metric(
    "fairness",
    "max",
    "shift of the mix of a declared group from the population that the line names, on the line the worst of them",
    f"total variation from the shares under validation.population, {CORRECTED}; 0 where none is named",
    BOOTSTRAP,
    gate=Gate(max=0.1),
    because="a group of a tenth of the population that is gone moves 0.1; a line that names a population means it",
)
def population_shift(evidence: Evidence) -> Iterator[Row]:
    rows = [_shift_from(evidence, f"{GROUP}{name}", name, shares) for name, shares in evidence.population.items()]
    yield worst_row(rows, max, 0.0, evidence.accepted.height)
    yield from rows


@metric(
    "fairness",
    "min",
    "how far the least represented cell of language and declared groups crossed is represented",
    "share of the accepted records over share of the seeds, each leaf weighing the same; the cell of at least 2 % of the seeds that is "
    "surest to be too small; 1 without groups",
    "Wilson score of the share, the seeds' being given",
)
def cell_share(evidence: Evidence) -> Iterator[Row]:
    if not evidence.group_names:
        yield certain_row(1.0, evidence.accepted.height) if evidence.accepted.height else Row(LINE, None)
        return
    cells = pl.concat_str("language", *(f"{GROUP}{name}" for name in evidence.group_names), separator=BETWEEN)
    crossed = replace(evidence, accepted=evidence.accepted.with_columns(cell=cells), seeds=evidence.seeds.with_columns(cell=cells))
    counts, size = crossed.counts("cell"), evidence.accepted.height
    rows = []
    for cell, share in crossed.reference("cell").items():
        if size and share >= LEAST_SHARE:
            hits = counts.get(cell, 0)
            low, high = wilson(hits, size)
            rows.append(Row(cell, hits / size / share, low / share, high / share, size))
    yield replace(min(rows, key=lambda row: (row.high, row.subject)), subject=LINE) if rows else Row(LINE, None)
    yield from rows


def _shift_from(evidence: Evidence, column: str, subject: str, shares: Mapping[str, float]) -> Row:
    counts = evidence.counts(column) if column in evidence.accepted.columns else {NO_GROUP: evidence.accepted.height}
    measured = share_distance(counts, shares, f"fairness:population:{column}") if evidence.accepted.height else None
    return Row(subject, *measured, evidence.accepted.height) if measured else Row(subject, None)


def _shift(evidence: Evidence, column: str, subject: str) -> Row:
    measured = share_distance(evidence.counts(column), evidence.reference(column), f"fairness:{column}")
    return Row(subject, *measured, evidence.accepted.height) if measured else Row(subject, None)
