"""Every column as a few codes, and the table of every pair of columns, counted once for each side.

Codes are one byte, so that a million rows of 15 columns take 15 MB a side, and a pair's table is one bincount over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.kept import computed_once
from factory.validation.columns.marginals import ORDERED, Counts, Marginal, count_marginals, cut_at_quantiles
from factory.validation.columns.table import Columns

Codes = NDArray[np.uint8]

NUMBER_CELLS = 10
"""Cells of numbers and dates: tenths of the pooled values."""
LARGEST = 30
"""Most categories that keep a code of their own; the others share one."""
SMALLEST = 0.01
"""Share of the pooled rows that a code needs. What is rarer shares a code, and goes to the most frequent one if it is still rarer
then: coefficients of a table with a row of three records jump with each of these."""


@dataclass(frozen=True)
class Coded:
    """Codes of one column, (rows,) of each side, below `size`."""

    size: int
    real: Codes
    synthetic: Codes


@computed_once
def code_columns(columns: Columns) -> Mapping[str, Coded]:
    """Every column as codes, by name."""
    return {
        name: (_code_ordered if columns.kinds[name] in ORDERED else _code_nominal)(marginal, columns.real[name], columns.synthetic[name])
        for name, marginal in count_marginals(columns).items()
    }


@computed_once
def count_pairs(columns: Columns) -> Mapping[tuple[str, str], tuple[Counts, Counts]]:
    """The (codes, codes) table of every pair of columns, real and synthetic."""
    coded = code_columns(columns)
    return {
        (first, second): (_cross(one, other, one.real, other.real), _cross(one, other, one.synthetic, other.synthetic))
        for (first, one), (second, other) in combinations(coded.items(), 2)
    }


def _cross(one: Coded, other: Coded, first: Codes, second: Codes) -> Counts:
    flat = first.astype(np.uint16) * np.uint16(other.size) + second
    return np.bincount(flat, minlength=one.size * other.size).reshape(one.size, other.size)


def _code_ordered(marginal: Marginal, real: pl.Series, synthetic: pl.Series) -> Coded:
    """Tenths of the values, and one code for missing values."""
    pooled = marginal.real + marginal.synthetic
    starts = cut_at_quantiles(pooled, NUMBER_CELLS) if marginal.values.size else np.zeros(0, np.int64)
    edges = marginal.values[starts[1:]]
    cells = np.add.reduceat(pooled, starts) if starts.size else pooled
    merged = _merge_rare(np.append(cells, sum(marginal.missing)))

    def code(series: pl.Series) -> Codes:
        values = series.to_physical().cast(pl.Float64)
        cell = np.searchsorted(edges, values.fill_null(0.0).to_numpy(), side="right")
        return merged[np.where(values.is_null().to_numpy(), starts.size, cell)]

    return Coded(int(merged.max()) + 1, code(real), code(synthetic))


def _code_nominal(marginal: Marginal, real: pl.Series, synthetic: pl.Series) -> Coded:
    """The frequent categories, and one code each for the others and for missing values."""
    pooled = marginal.real + marginal.synthetic
    order = np.argsort(-pooled, kind="stable")
    merged = _merge_rare(np.append(pooled[order], sum(marginal.missing)))
    names = pl.Series([marginal.categories[at] for at in order], dtype=pl.String)

    def code(series: pl.Series) -> Codes:
        own = series.cast(pl.String).replace_strict(names, pl.Series(merged[:-1]), default=merged[-1], return_dtype=pl.UInt8)
        return own.to_numpy()

    return Coded(int(merged.max()) + 1, code(real), code(synthetic))


def _merge_rare(pooled: Counts) -> Codes:
    """The code of every level of a column, given its pooled rows: the LARGEST frequent ones have one of their own."""
    total, largest = max(int(pooled.sum()), 1), np.argsort(-pooled, kind="stable")[:LARGEST]
    own = np.array([at for at in largest if pooled[at] >= SMALLEST * total], dtype=np.int64)
    rest = total - int(pooled[own].sum())
    codes = np.full(pooled.size, own.size if rest >= SMALLEST * total else 0, dtype=np.uint8)
    codes[own] = np.arange(own.size)
    return codes
