"""What a metric is: its registration with its default gate, and the rows that it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from factory.validation.intervals import wilson
from factory.validation_spec import Gate

Report = Literal["fidelity", "privacy", "fairness", "collapse"]
Direction = Literal["max", "min", "info"]
Subject = Literal["records", "columns"]

LINE = "line"
"""Subject of a row that speaks of the whole line, or the whole table: the only rows that gates read."""


@dataclass(frozen=True)
class Row:
    """One measured value. `value` is None where there was nothing to measure; `low` and `high` are its 95 % interval.

    A row of the line whose metric has an interval and that gives none shows nothing, and no gate passes by it: what is known without
    error, because there is nothing to lose, is an interval of one point (`certain_row`).
    """

    subject: str
    value: float | None
    low: float | None = None
    high: float | None = None
    size: int = 0


Measure = Callable[[Any], Iterable[Row]]


@dataclass(frozen=True)
class Metric:
    """A registered metric. `direction` says which way is better: "max" low, "min" high, "info" neither.

    `of` says what it reads: the records of a line (`factory.validation.evidence.Evidence`), or typed columns
    (`factory.validation.columns.Columns`), which both a table and the records of a line have. `gate` holds where a line
    does not say otherwise, and `because` says why at that threshold.
    """

    report: Report
    name: str
    direction: Direction
    measures: str
    formula: str
    interval: str
    measure: Measure
    of: Subject
    gate: Gate | None
    because: str

    @property
    def key(self) -> str:
        """`<report>.<metric>`, the name that gates go by."""
        return f"{self.report}.{self.name}"

    @property
    def method(self) -> str:
        return f"{self.measures}: {self.formula}; interval: {self.interval}" if self.interval else f"{self.measures}: {self.formula}"


METRICS: dict[str, Metric] = {}
"""Every metric by `<report>.<metric>`; filled as `factory.validation.reports` imports the rooms of the four reports."""


def metric(
    report: Report,
    direction: Direction,
    measures: str,
    formula: str,
    interval: str = "",
    *,
    of: Subject = "records",
    gate: Gate | None = None,
    because: str = "",
) -> Callable[[Measure], Measure]:
    """Registers the decorated function, under its own name, as a metric of `report`.

    `measures`: what the value is, in words. `formula`: the test or formula by name, with its source. `interval`: how
    the confidence interval is computed; empty where the value is a count of all there is. `of`: what it reads. `gate`:
    the threshold that holds by default, and `because`: where that comes from. Raises ValueError for a gate without a
    reason, on the better side, or of a metric that has no better side.
    """
    if gate and (not because or gate.side != direction):
        raise ValueError("a default gate needs the direction of its metric, and a reason")

    def register(measure: Measure) -> Measure:
        registered = Metric(report, measure.__name__, direction, measures, formula, interval, measure, of, gate, because)
        if registered.key in METRICS:
            raise ValueError(f"two metrics are called {registered.key}")
        METRICS[registered.key] = registered
        return measure

    return register


def finite(value: float | None) -> float | None:
    """The value, or None for what is no number: a NaN never reaches a gate or a card."""
    return value if value is not None and math.isfinite(value) else None


def certain_row(value: float, size: int) -> Row:
    """The row of the line where the value follows from what there is not: no group, no tail, nothing that varies."""
    return Row(LINE, value, value, value, size)


def share_row(subject: str, hits: int, size: int) -> Row:
    """The share hits/size with its Wilson interval; no value where there is nothing to share."""
    return Row(subject, hits / size, *wilson(hits, size), size) if size else Row(subject, None)


def share_rows(flagged: pl.DataFrame) -> list[Row]:
    """Shares of the boolean column `hit`: of the whole frame, then of each value of its column `leaf`."""
    by_leaf = flagged.group_by("leaf").agg(pl.col("hit").sum().alias("hits"), pl.len().alias("size")).sort("leaf")
    line = share_row(LINE, int(flagged["hit"].sum()), flagged.height)
    return [line, *(share_row(leaf, hits, size) for leaf, hits, size in by_leaf.iter_rows())]
