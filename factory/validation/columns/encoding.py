"""Rows of typed columns as arrays, for equality, for order and for Gower's distance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.table import Columns
from factory.validation_spec import Kind

ORDERED: tuple[Kind, ...] = ("number", "date")
FARTHEST = 1e6
"""Ranges beyond which a number counts as no farther, so that no sum of distances overflows."""


@dataclass(frozen=True)
class Encoded:
    """Rows of some frames of one table.

    `codes`, (rows, columns): 0 where missing, else the rank of the value among the values of all frames that were
    encoded together, from 1; equal values have equal codes, and codes of numbers and dates keep their order. `scaled`,
    (rows, columns): for numbers and dates, how many ranges above the median; `values`, (rows, columns): numbers as they
    are, dates in microseconds since 1970. Both are 0 where missing and for other columns.
    """

    names: tuple[str, ...]
    ordered: NDArray[np.bool_]
    codes: NDArray[np.int32]
    scaled: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def rows(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.int64]) -> Encoded:
        return Encoded(self.names, self.ordered, self.codes[rows], self.scaled[rows], self.values[rows])

    def select(self, names: Iterable[str]) -> Encoded:
        at = [self.names.index(name) for name in names]
        chosen = tuple(self.names[i] for i in at)
        return Encoded(chosen, self.ordered[at], self.codes[:, at], self.scaled[:, at], self.values[:, at])

    def distinct(self) -> Encoded:
        """Each row once."""
        return self.take(np.sort(np.unique(self.codes, axis=0, return_index=True)[1]))


def encode_together(columns: Columns, frames: Sequence[pl.DataFrame]) -> list[Encoded]:
    """Some rows of the frames of a table, with codes and ranges in common.

    The range of a number or a date is the distance of the real rows' 1 % and 99 % quantiles, so that one far value does
    not make all others alike; where that is 0, of their least and greatest value; where that is 0 too, 1.
    """
    stacked = pl.concat(frames)
    names = tuple(columns.kinds)
    ordered = np.array([columns.kinds[name] in ORDERED for name in names], dtype=np.bool_)
    codes = np.zeros((stacked.height, len(names)), dtype=np.int32)
    scaled, values = np.zeros(codes.shape), np.zeros(codes.shape)
    for at, name in enumerate(names):
        column = stacked[name]
        codes[:, at] = (column.cast(pl.Int8) if column.dtype == pl.Boolean else column).rank("dense").fill_null(0).to_numpy()
        if ordered[at]:
            middle, width = _find_range(_as_number(columns.real[name]))
            values[:, at] = _as_number(column).fill_null(0.0).to_numpy()
            parted = np.clip(values[:, at] / width - middle / width, -FARTHEST, FARTHEST)
            scaled[:, at] = np.where(codes[:, at] > 0, parted, 0.0)
    ends = np.cumsum([frame.height for frame in frames])[:-1]
    parts = zip(*(np.split(each, ends) for each in (codes, scaled, values)), strict=True)
    return [Encoded(names, ordered, *part) for part in parts]


def _as_number(column: pl.Series) -> pl.Series:
    return column.to_physical().cast(pl.Float64)


def _find_range(column: pl.Series) -> tuple[float, float]:
    """Median and range of the values that are there; (0, 1) where there are none."""
    present = column.drop_nulls()
    if present.is_empty():
        return 0.0, 1.0
    points = present.sort().to_numpy()[np.rint(np.array([0.01, 0.5, 0.99]) * (present.len() - 1)).astype(int)]
    low, middle, high = (float(point) for point in points)
    width = high - low if high > low else float(present.max()) - float(present.min())  # type: ignore[arg-type]
    return middle, width if 0 < width < np.inf else 1.0
