"""Hashes of rows, and seeded samples of them that the order of the rows does not move: for what cannot read a million."""

from __future__ import annotations

import polars as pl

from factory.validation.intervals import seeded

SAMPLED = 20_000
"""Rows of a side in a sample: the standard error of an AUC near ½ is then 0.003."""


def hash_rows(frame: pl.DataFrame) -> pl.Series:
    """One 64-bit hash a row, the same for equal rows of two frames of one schema; missing is a value, and -0 is 0."""
    return frame.hash_rows(seed=0)


def sample_rows(frame: pl.DataFrame, name: str, size: int = SAMPLED) -> pl.DataFrame:
    """`size` rows without replacement, or all where there are fewer, in an order drawn for `name` alone.

    Rows are put in the order of their hashes first, in which only equal rows can stand either way.
    """
    order = hash_rows(frame).arg_sort()
    return frame[order.gather(seeded(name).permutation(frame.height)[:size])]
