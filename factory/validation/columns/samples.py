"""Seeded samples of a table's rows that the order of its rows does not move, and results that are computed once of a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import polars as pl

from factory.validation.columns.table import Columns
from factory.validation.intervals import seeded

T = TypeVar("T")


def once(compute: Callable[[Columns], T]) -> Callable[[Columns], T]:
    """Keeps what `compute` gives with the table that it was computed of, as functools.cached_property does."""
    name = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def kept(columns: Columns) -> T:
        if name not in columns.__dict__:
            columns.__dict__[name] = compute(columns)
        result: T = columns.__dict__[name]
        return result

    return kept


def hash_rows(frame: pl.DataFrame) -> pl.Series:
    """One 64-bit hash a row, the same for equal rows of two frames of one schema; missing is a value, and -0 is 0."""
    return frame.hash_rows(seed=0)


def sample_rows(frame: pl.DataFrame, size: int, name: str) -> pl.DataFrame:
    """`size` rows, or all where there are fewer, without replacement; the same whatever order the rows stand in.

    Rows are put in the order of their hashes, in which only equal rows can stand either way, and drawn by a generator
    that depends on `name` alone.
    """
    order = hash_rows(frame).arg_sort()
    if frame.height <= size:
        return frame[order]
    return frame[order.gather(seeded(name).permutation(frame.height)[:size])]
