"""The association of every pair of columns, real and synthetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from factory.validation.columns.associations import (
    Association,
    Matrix,
    correlate,
    correlation_ratio,
    cramers_v,
    difference,
    informational,
    pearson,
    spearman,
)
from factory.validation.columns.contingency import code_columns, count_pairs
from factory.validation.columns.effects import Effect
from factory.validation.columns.kept import computed_once
from factory.validation.columns.marginals import NOMINAL, ORDERED
from factory.validation.columns.table import Columns

Pair = tuple[str, str]


@dataclass(frozen=True)
class Compared:
    """One coefficient of one pair of columns, on both sides."""

    pair: Pair
    real: Association
    synthetic: Association

    @property
    def apart(self) -> float:
        return abs(self.synthetic.value - self.real.value)

    def effect(self, size: int) -> Effect:
        """The difference as an effect; `size` is that of the synthetic rows."""
        return Effect(" × ".join(self.pair), self.apart, lambda z: difference(self.real, self.synthetic, z), size)


@computed_once
def compare_pearson(columns: Columns) -> Sequence[Compared]:
    """Pearson's r of every two ordered columns."""
    names = columns.of_kind(*ORDERED)
    sides = [correlate(*_values(frame, names)) for frame in (columns.real, columns.synthetic)]
    return [
        Compared((names[a], names[b]), *(pearson(float(r[a, b]), float(rows[a, b])) for r, rows in sides))
        for a, b in combinations(range(len(names)), 2)
    ]


@computed_once
def compare_spearman(columns: Columns) -> Sequence[Compared]:
    """Spearman's ρ of every two ordered columns; ranks are of all values of a column, also where the other is missing."""
    names = columns.of_kind(*ORDERED)
    sides = [
        correlate(*_values(frame.select(pl.col(names).rank("average").cast(pl.Float64)), names))
        for frame in (columns.real, columns.synthetic)
    ]
    return [
        Compared((names[a], names[b]), *(spearman(float(r[a, b]), float(rows[a, b])) for r, rows in sides))
        for a, b in combinations(range(len(names)), 2)
    ]


@computed_once
def compare_cramers_v(columns: Columns) -> Sequence[Compared]:
    """Bias-corrected Cramér's V of every pair with a column of categories or booleans; numbers in tenths, missing values a category."""
    nominal = {*columns.of_kind(*NOMINAL)}
    return [Compared(pair, *map(cramers_v, tables)) for pair, tables in count_pairs(columns).items() if nominal & {*pair}]


@computed_once
def compare_information(columns: Columns) -> Sequence[Compared]:
    """The informational coefficient of every pair of columns."""
    return [Compared(pair, *map(informational, tables)) for pair, tables in count_pairs(columns).items()]


@computed_once
def compare_correlation_ratios(columns: Columns) -> Sequence[Compared]:
    """η of every category or boolean column and every ordered one; missing values are a category unless they are rare."""
    coded = code_columns(columns)
    found: dict[Pair, list[Association]] = {}
    for frame, side in ((columns.real, "real"), (columns.synthetic, "synthetic")):
        for number in columns.of_kind(*ORDERED):
            values, present = (array[:, 0] for array in _values(frame, [number]))
            away = np.where(present, values - values.sum() / max(present.sum(), 1), 0.0)
            away /= float(np.abs(away).max(initial=0.0)) or 1.0
            powers = [present.astype(np.float64), away, away**2, away**3, away**4]
            for category in columns.of_kind(*NOMINAL):
                codes, size = getattr(coded[category], side), coded[category].size
                sums = np.array([np.bincount(codes, weights=power, minlength=size) for power in powers], dtype=np.float64)
                found.setdefault((category, number), []).append(correlation_ratio(sums))
    return [Compared(pair, *sides) for pair, sides in found.items()]


def compare_mixed(columns: Columns) -> Sequence[Compared]:
    """One coefficient for every pair: Spearman's ρ of two ordered columns, Cramér's V of all others."""
    return [*compare_spearman(columns), *compare_cramers_v(columns)]


def _values(frame: pl.DataFrame, names: Sequence[str]) -> tuple[Matrix, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Values (rows, columns), scaled by the largest of each column and 0 where missing, and what is present."""
    chosen = frame.select(pl.col(name).to_physical().cast(pl.Float64) for name in names)
    present = chosen.select(pl.all().is_not_null()).to_numpy()
    values = chosen.fill_null(0.0).to_numpy().astype(np.float64)
    return values / np.maximum(np.abs(values).max(axis=0, initial=0.0), 1e-300), present
