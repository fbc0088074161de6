"""Each column's values with how often they stand in the real and in the synthetic rows, counted once.

A million rows are sorted or hashed once; every statistic of one column is then a sum over counts. What is resampled is
counts in at most `CELLS` cells, never rows, so that the cost of 200 draws does not grow with the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.kept import computed_once
from factory.validation.columns.table import Columns
from factory.validation_spec import Kind

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

ORDERED: tuple[Kind, ...] = ("number", "date")
NOMINAL: tuple[Kind, ...] = ("category", "boolean")
CELLS = 128
"""Cells that numbers are put into where counts are resampled, at pooled quantiles: D of 128 cells misses at most 1/128."""


@dataclass(frozen=True)
class Marginal:
    """One column. `values` ascend (numbers; dates in µs) or are places in `categories`; counts are (values,) of int.

    `missing` and `rows` are of the real and the synthetic side, in this order.
    """

    name: str
    kind: Kind
    values: Values
    categories: tuple[str, ...]
    real: Counts
    synthetic: Counts
    missing: tuple[int, int]
    rows: tuple[int, int]

    @property
    def ordered(self) -> bool:
        return self.kind in ORDERED

    @property
    def present(self) -> tuple[int, int]:
        """Rows with a value on each side."""
        return self.rows[0] - self.missing[0], self.rows[1] - self.missing[1]

    @cached_property
    def cells(self) -> tuple[Counts, Counts]:
        """Counts of both sides, of numbers in cells at pooled quantiles (values in order), of categories as they are."""
        if not self.ordered or self.values.size <= CELLS:
            return self.real, self.synthetic
        starts = cut_at_quantiles(self.real + self.synthetic, CELLS)
        return np.add.reduceat(self.real, starts), np.add.reduceat(self.synthetic, starts)


@computed_once
def count_marginals(columns: Columns) -> Mapping[str, Marginal]:
    """The marginal of every column, by name."""
    return {
        name: (_count_ordered if kind in ORDERED else _count_nominal)(name, kind, columns.real[name], columns.synthetic[name])
        for name, kind in columns.kinds.items()
    }


def has_rows(columns: Columns) -> bool:
    """Whether both sides have rows, without which there is nothing to compare."""
    return columns.real.height > 0 and columns.synthetic.height > 0


def as_numbers(series: pl.Series) -> Values:
    """The values of a number or date column that are not missing; dates as µs since 1970."""
    return series.drop_nulls().to_physical().cast(pl.Float64).to_numpy()


def cut_at_quantiles(counts: Counts, cells: int) -> NDArray[np.int64]:
    """Where each of at most `cells` cells starts, so that they hold about as many; a frequent value has its own cell."""
    before = np.cumsum(counts) - counts
    cell = before * cells // max(int(counts.sum()), 1)
    return np.flatnonzero(np.diff(cell, prepend=-1))


def _count_ordered(name: str, kind: Kind, real: pl.Series, synthetic: pl.Series) -> Marginal:
    sides = [np.sort(as_numbers(real)), np.sort(as_numbers(synthetic))]
    values = np.unique(np.concatenate(sides))
    counts = [np.diff(np.searchsorted(side, values, side="right"), prepend=0) for side in sides]
    return Marginal(
        name, kind, values, (), counts[0], counts[1], (real.null_count(), synthetic.null_count()), (real.len(), synthetic.len())
    )


def _count_nominal(name: str, kind: Kind, real: pl.Series, synthetic: pl.Series) -> Marginal:
    counted = [
        side.drop_nulls().cast(pl.String).rename("value").value_counts(name=count) for side, count in ((real, "r"), (synthetic, "s"))
    ]
    both = counted[0].join(counted[1], on="value", how="full", coalesce=True).with_columns(pl.col("r", "s").fill_null(0)).sort("value")
    return Marginal(
        name,
        kind,
        np.arange(both.height, dtype=np.float64),
        tuple(both["value"]),
        both["r"].cast(pl.Int64).to_numpy(),
        both["s"].cast(pl.Int64).to_numpy(),
        (real.null_count(), synthetic.null_count()),
        (real.len(), synthetic.len()),
    )
