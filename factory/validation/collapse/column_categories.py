"""Whether a synthetic table still has the rare categories and the variety of the real one; its tails are fidelity's column_tails."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from factory.validation.columns.table import Columns
from factory.validation.intervals import RESAMPLES, Z, normal_interval, seeded, wilson
from factory.validation.metric import LINE, Row, certain_row, metric
from factory.validation_spec import Gate

DECILE = 0.1
"""Share of the real rows that the rarest categories of a column hold together, at most."""


@metric(
    "collapse",
    "min",
    "rows of the rarest categories against those of the real table, of the worst column",
    "share of rows in the rarest categories that hold at most a tenth of the real rows together, over their share there; 1 without any",
    "normal, standard errors of both shares as binomials, by the delta method",
    of="columns",
    gate=Gate(min=0.5),
    because="half of a tail lost; one generation of a maximum-likelihood fit to a small sample loses less",
)
def column_rare_categories(columns: Columns) -> Iterator[Row]:
    rows = []
    for name in columns.of_kind("category", "boolean"):
        rare = _rarest(columns.real[name])
        if rare.is_empty():
            continue
        counts = [int(frame[name].is_in(rare.implode()).sum()) for frame in (columns.synthetic, columns.real)]
        rows.append(_ratio(name, counts[0], columns.synthetic.height, counts[1], columns.real.height))
    yield _worst(rows, columns)
    yield from rows


@metric(
    "collapse",
    "info",
    "share of the rarest categories of a column, a tenth of the real rows together, that still occur",
    "count over count",
    "Wilson score",
    of="columns",
)
def column_categories_kept(columns: Columns) -> Iterator[Row]:
    kept = total = 0
    rows = []
    for name in columns.of_kind("category", "boolean"):
        rare = _rarest(columns.real[name])
        if rare.is_empty():
            continue
        there = int(rare.is_in(columns.synthetic[name].unique().implode()).sum())
        rows.append(Row(name, there / rare.len(), *wilson(there, rare.len()), rare.len()))
        kept, total = kept + there, total + rare.len()
    yield Row(LINE, kept / total, *wilson(kept, total), total) if total else Row(LINE, None)
    yield from rows


@metric(
    "collapse",
    "min",
    "variety of a column's categories against the real rows, of the worst column",
    "Simpson's 1 - sum of squared shares, unbiased (Simpson 1949), over that of the real rows; 1 without categories that vary",
    "normal, standard error of 200 bootstrap draws of both sides",
    of="columns",
    gate=Gate(min=0.8),
    because="Wright-Fisher drift leaves 1 - 1/M of it a generation: 0.8 is what a fifth of a population size in generations leaves",
)
def column_variety(columns: Columns) -> Iterator[Row]:
    rows = [row for name in columns.of_kind("category", "boolean") if (row := _variety(columns, name)) is not None]
    yield _worst(rows, columns)
    yield from rows


def _worst(rows: list[Row], columns: Columns) -> Row:
    """The row of the column that is surest to have lost: of the lowest upper end."""
    if not columns.synthetic.height or not columns.real.height:
        return Row(LINE, None)
    if not rows:
        return certain_row(1.0, columns.synthetic.height)
    return replace(min(rows, key=lambda row: (row.high, row.subject)), subject=LINE)


def _rarest(values: pl.Series) -> pl.Series:
    """The rarest categories, the most that together hold no more than a tenth of the rows that have one."""
    counts = values.drop_nulls().value_counts(name="rows").sort("rows", values.name)
    return counts.filter(pl.col("rows").cum_sum() <= DECILE * pl.col("rows").sum())[values.name]


def _ratio(name: str, hits: int, size: int, real_hits: int, real_size: int) -> Row:
    """The ratio of two shares. Its interval stands on the difference, so that a share of 0 has one too."""
    share, real = hits / max(size, 1), real_hits / real_size
    value = share / real
    spread = math.sqrt(max(share, 1 / max(size, 1)) / max(size, 1) + value**2 * real * (1 - real) / real_size) / real
    return Row(name, value, max(0.0, value - Z * spread), value + Z * spread, size)


def _variety(columns: Columns, name: str) -> Row | None:
    sides = [frame[name].drop_nulls().value_counts(name="rows")["rows"].sort().to_numpy() for frame in (columns.synthetic, columns.real)]
    if any(side.sum() < 2 for side in sides) or _simpson(sides[1][None])[0] < 1e-3:
        return None
    rng = seeded(f"collapse:columns:{name}")
    value = float(_simpson(sides[0][None])[0] / _simpson(sides[1][None])[0])
    drawn = [_simpson(rng.multinomial(int(side.sum()), side / side.sum(), RESAMPLES)) for side in sides]
    return Row(name, value, *normal_interval(value, drawn[0] / np.maximum(drawn[1], 1e-9)), columns.synthetic.height)


def _simpson(counts: np.ndarray) -> np.ndarray:
    """(draws, categories) of counts → (draws,): the chance that two rows drawn without replacement differ."""
    size = counts.sum(axis=1)
    return np.asarray(1.0 - (counts * (counts - 1.0)).sum(axis=1) / (size * (size - 1.0)))
