"""Shares of leaves, languages and declared groups, against those of the seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from factory.validation.columns.cells import BETWEEN
from factory.validation.columns.effects import Effect, list_effects
from factory.validation.distances import share_distance
from factory.validation.evidence import GROUP, NO_GROUP, Evidence
from factory.validation.fairness.groups import CELL, LEAST_SHARE, list_attributes, rows_of_groups
from factory.validation.intervals import Z, wilson_limits
from factory.validation.metric import LINE, Row, certain_row, metric, share_row
from factory.validation_spec import Gate

CORRECTED = "corrected for chance as (d - e)/(1 - e) (Hubert & Arabie 1985)"
BALANCED = f"total variation from the seeds, each leaf weighing the same since each is asked for as many records, {CORRECTED}"

BOOTSTRAP = "normal, standard error of 200 bootstrap draws of records"

OF_GROUPS = f"{BOOTSTRAP}, simultaneous over groups (Bonferroni)"


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
    yield _row_of(_shift(evidence, "leaf", LINE))


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
    yield _row_of(_shift(evidence, "language", LINE))


@metric(
    "fairness",
    "max",
    "shift of the mix of a declared group, on the line the worst of them",
    f"{BALANCED}; 0 without groups",
    OF_GROUPS,
    gate=Gate(max=0.3),
    because="as leaf_shift",
)
def group_shift(evidence: Evidence) -> Iterator[Row]:
    effects = {name: _shift(evidence, f"{GROUP}{name}", name) for name in evidence.group_names}
    yield from rows_of_groups(effects, "max", 0.0, evidence.accepted.height)


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
    OF_GROUPS,
    gate=Gate(max=0.1),
    because="a group of a tenth of the population that is gone moves 0.1; a line that names a population means it",
)
def population_shift(evidence: Evidence) -> Iterator[Row]:
    effects = {name: _shift_from(evidence, f"{GROUP}{name}", name, shares) for name, shares in evidence.population.items()}
    yield from rows_of_groups(effects, "max", 0.0, evidence.accepted.height)


@metric(
    "fairness",
    "min",
    "how far the least represented cell of language and declared groups crossed is represented",
    "share of the accepted records over share of the seeds, each leaf weighing the same; the least of the cells of at least 2 % of "
    "the seeds; 1 without groups",
    "Wilson score of the share, the seeds' being given, simultaneous over cells (Bonferroni)",
)
def cell_share(evidence: Evidence) -> Iterator[Row]:
    if not evidence.group_names:
        yield certain_row(1.0, evidence.accepted.height) if evidence.accepted.height else Row(LINE, None)
        return
    cells = pl.concat_str("language", *(f"{GROUP}{name}" for name in evidence.group_names), separator=BETWEEN)
    crossed = replace(evidence, accepted=evidence.accepted.with_columns(cell=cells), seeds=evidence.seeds.with_columns(cell=cells))
    counts, size = crossed.counts("cell"), evidence.accepted.height
    large = {cell: share for cell, share in crossed.reference("cell").items() if share >= LEAST_SHARE}
    effects = [_measure_cell(f"{CELL}{cell}", counts.get(cell, 0), size, share) for cell, share in large.items()] if size else []
    yield from list_effects(effects, "min", measured=bool(effects))


def _measure_cell(subject: str, hits: int, size: int, share: float) -> Effect:
    def limits(z: float) -> tuple[float, float]:
        low, high = wilson_limits(hits, size, z)
        return float(low) / share, float(high) / share

    return Effect(subject, hits / size / share, limits, size)


def _row_of(effect: Effect | None) -> Row:
    return effect.row if effect else Row(LINE, None)


def _shift_from(evidence: Evidence, column: str, subject: str, shares: Mapping[str, float]) -> Effect | None:
    counts = evidence.counts(column) if column in evidence.accepted.columns else {NO_GROUP: evidence.accepted.height}
    return _measure_shift(counts, shares, f"fairness:population:{column}", subject)


def _shift(evidence: Evidence, column: str, subject: str) -> Effect | None:
    return _measure_shift(evidence.counts(column), evidence.reference(column), f"fairness:{column}", subject)


def _measure_shift(counts: Mapping[str, int], shares: Mapping[str, float], name: str, subject: str) -> Effect | None:
    def measure(z: float) -> tuple[float, float, float]:
        value, low, high = share_distance(counts, shares, name, z) or (0.0, 0.0, 0.0)
        return value, low, high

    size = sum(counts.values())
    return Effect(subject, measure(Z)[0], lambda z: measure(z)[1:], size) if size else None
