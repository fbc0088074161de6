"""Rows of typed columns as boosted trees read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.marginals import NOMINAL
from factory.validation_spec import Kind

CATEGORIES = 250
"""Most categories of one column that the trees tell apart (scikit-learn takes 255); the rarer ones count as one."""


def encode_for_trees(kinds: Mapping[str, Kind], known: pl.DataFrame, *frames: pl.DataFrame) -> tuple[list[NDArray[Any]], list[bool]]:
    """A matrix (rows, columns) for each frame, and which columns are categories.

    Numbers as they are, dates in µs, categories as places by their frequency in `known`; NaN where missing, and for a
    category that `known` has not.
    """
    codes = {name: _place_categories(known[name]) for name, kind in kinds.items() if kind in NOMINAL}

    def write(column: pl.Series) -> pl.Series:
        if column.name in codes:
            return column.cast(pl.String).replace_strict(*codes[column.name], return_dtype=pl.Float64, default=None)
        return column.to_physical().cast(pl.Float64)

    matrices = [frame.select(write(frame[name]).fill_null(np.nan).alias(name) for name in kinds).to_numpy() for frame in frames]
    return matrices, [name in codes for name in kinds]


def _place_categories(known: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The categories and the place of each."""
    named = known.cast(pl.String).rename("value").drop_nulls()
    order = named.value_counts().sort("count", "value", descending=[True, False])["value"]
    return order, pl.Series(np.minimum(np.arange(order.len(), dtype=np.float64), CATEGORIES))
