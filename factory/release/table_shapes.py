"""What the card of a table may show of its columns: shares of bins and categories, none of fewer than a few real rows, and of pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.associations import cramers_v
from factory.validation.columns.table import Columns

RARE = 5
"""Real rows below which a category or bin is not shown by itself: cells of fewer than five can tell who is in them, and statistical offices
publish none (Hundepool et al. 2012, Statistical Disclosure Control)."""
RARE_NAME, OTHER_NAME = "(rare)", "(other)"
MOST_CATEGORIES = 8
BINS = 20
CELLS = 10
"""Cells that a column is cut into where pairs of columns are compared."""
TAIL = 0.01
LARGEST = 1e300
"""Size of a number from which on no histogram is drawn."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Bars:
    """Shares of the categories that a card names, of all values that are there; the two sides have the same names."""

    names: tuple[str, ...]
    real: Numbers
    synthetic: Numbers


@dataclass(frozen=True)
class Histogram:
    """Shares in the bins between `edges`; the first and the last bin also hold what lies beyond them."""

    edges: Numbers
    real: Numbers
    synthetic: Numbers


def find_rare(values: pl.Series) -> set[str]:
    """The categories of fewer than RARE rows."""
    return set(values.drop_nulls().value_counts(name="rows").filter(pl.col("rows") < RARE)[values.name])


def fold_categories(real: pl.Series, synthetic: pl.Series) -> Bars:
    """The commonest real categories; the others together, and apart from them those of fewer than RARE real rows or of none."""
    counts = [_count(side.cast(pl.String)) for side in (real, synthetic)]
    common = sorted((name for name in counts[0] if counts[0][name] >= RARE), key=lambda name: (-counts[0][name], name))
    named, others = common[:MOST_CATEGORIES], set(common[MOST_CATEGORIES:])
    parts = [_fold(side, named, others) for side in counts]
    kept = [place for place in range(len(named) + 2) if place < len(named) or any(part[place] for part in parts)]
    names = [*named, OTHER_NAME, RARE_NAME]
    shares = [part[kept] / max(part.sum(), 1) for part in parts]
    return Bars(tuple(names[place] for place in kept), *shares)


def _count(values: pl.Series) -> dict[str, int]:
    return dict(values.drop_nulls().value_counts(name="rows").iter_rows())


def _fold(counts: Mapping[str, int], named: list[str], others: set[str]) -> Numbers:
    rest = sum(counts.get(name, 0) for name in others)
    rare = sum(counts.values()) - rest - sum(counts.get(name, 0) for name in named)
    return np.array([*(counts.get(name, 0) for name in named), rest, rare], dtype=float)


def cut_numbers(real: pl.Series, synthetic: pl.Series) -> Histogram | None:
    """A histogram over round numbers that reach from the 1st to the 99th percentile of the real ones; None where fewer than RARE are there.

    Neither the least nor the greatest real value can be read off it. Bins of fewer than RARE real rows are empty on the real side.
    """
    from matplotlib.ticker import MaxNLocator

    sides = [side.drop_nulls().to_numpy().astype(float) for side in (real, synthetic)]
    if sides[0].size < RARE:
        return None
    low, high = np.quantile(sides[0], (TAIL, 1 - TAIL))
    if max(abs(low), abs(high)) > LARGEST:  # steps between them overflow; some tables write "no data" so
        return None
    whole = bool((sides[0] == np.floor(sides[0])).all())
    if whole and high - low < BINS:
        edges = np.arange(math.floor(low), math.ceil(high) + 2) - 0.5
    else:
        edges = np.asarray(MaxNLocator(nbins=BINS, integer=whole).tick_values(low, high))
    if not (np.diff(edges) > 0).all() or edges.size < 2:  # a constant of a size beside which no step is left
        return None
    counts = [np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0].astype(float) for side in sides]
    shares = [count / max(count.sum(), 1) for count in counts]
    return Histogram(edges, np.where(counts[0] < RARE, 0.0, shares[0]), shares[1])


def associate_columns(columns: Columns, names: Iterable[str]) -> tuple[Numbers, Numbers]:
    """Cramér's V with Bergsma's (2013) correction of every two columns, real and synthetic: (columns, columns), 0 to 1, for a picture.

    Numbers and dates are cut into tenths at real quantiles, categories into the nine commonest and the rest; rows that lack one of the two
    are left out.
    """
    chosen = list(names)
    coded = [_code(columns.real[name], columns.synthetic[name]) for name in chosen]
    real, synthetic = (np.eye(len(chosen)) for _ in range(2))
    for first in range(len(chosen)):
        for second in range(first):
            for matrix, side in ((real, 0), (synthetic, 1)):
                matrix[first, second] = matrix[second, first] = _cramers_v(coded[first][side], coded[second][side])
    return real, synthetic


def _code(real: pl.Series, synthetic: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells from 0 of both sides, -1 where missing."""
    if real.dtype in (pl.String, pl.Boolean):
        counts = _count(real.cast(pl.String))
        common = sorted(counts, key=lambda name: (-counts[name], name))[: CELLS - 1]
        places = {name: place for place, name in enumerate(common)}
        codes = [side.cast(pl.String).replace_strict(places, default=len(places), return_dtype=pl.Int64) for side in (real, synthetic)]
    else:
        numbers = [side.to_physical().cast(pl.Float64) for side in (real, synthetic)]
        present = numbers[0].drop_nulls().to_numpy()
        cuts = np.unique(np.quantile(present, np.arange(1, CELLS) / CELLS)) if present.size else np.array([])
        codes = [pl.Series(np.searchsorted(cuts, side.fill_null(0.0).to_numpy(), side="right")) for side in numbers]
    first, second = (
        np.where(side.is_null().to_numpy(), -1, code.fill_null(-1).to_numpy()).astype(np.int64)
        for side, code in zip((real, synthetic), codes, strict=True)
    )
    return first, second


def _cramers_v(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    both = (first >= 0) & (second >= 0)
    return cramers_v(np.bincount(first[both] * CELLS + second[both], minlength=CELLS * CELLS).reshape(CELLS, CELLS)).value
