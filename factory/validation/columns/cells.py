"""Declared groups of a table as cells: each group column by itself, and all of them crossed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import polars as pl

from factory.validation_spec import Kind

BANDS = 5
"""A group that is a number or a date is cut into as many bands, at the quantiles of the real rows."""

MISSING = "(missing)"
BETWEEN = " · "


def label_groups(frame: pl.DataFrame, real: pl.DataFrame, kinds: Mapping[str, Kind], groups: Sequence[str]) -> pl.DataFrame:
    """The declared groups of the rows of `frame` as texts, a column for each, in order; numbers in the bands of the rows of `real`."""
    return frame.select(_label(real[name], kinds[name]).alias(name) for name in groups)


def cross_groups(labels: pl.DataFrame) -> pl.Series:
    """One text a row for the cell of all groups together."""
    return labels.select(pl.concat_str(pl.all(), separator=BETWEEN).alias("cell")).to_series()


def count_cells(real: pl.Series, synthetic: pl.Series) -> pl.DataFrame:
    """Rows by cell on both sides, sorted: `cell`, `real`, `synthetic`; a cell that a side lacks counts 0 there."""
    sides = [
        pl.DataFrame({"cell": labels}).group_by("cell").len(name).with_columns(pl.col(name).cast(pl.Int64))
        for labels, name in ((real, "real"), (synthetic, "synthetic"))
    ]
    return sides[0].join(sides[1], on="cell", how="full", coalesce=True).fill_null(0).sort("cell")


def _label(real: pl.Series, kind: Kind) -> pl.Expr:
    column = pl.col(real.name)
    edges = [] if kind in ("category", "boolean") else _quantiles(real)
    if not edges:
        return column.cast(pl.String).fill_null(MISSING)
    bands = [f"below {edges[0]:g}", *(f"{low:g} to {high:g}" for low, high in pairwise(edges)), f"from {edges[-1]:g}"]
    return column.cast(pl.Float64).cut(edges, labels=bands, left_closed=True).cast(pl.String).fill_null(MISSING)


def _quantiles(values: pl.Series) -> Sequence[float]:
    numbers = values.drop_nulls().cast(pl.Float64)
    cuts = {numbers.quantile(step / BANDS) for step in range(1, BANDS)} if numbers.len() else set()
    return sorted(cut for cut in cuts if cut is not None and cut > numbers.min())  # type: ignore[operator]
