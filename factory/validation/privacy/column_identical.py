"""Synthetic rows that are a real row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from factory.validation.columns.closeness import has_holdout
from factory.validation.columns.kept import computed_once
from factory.validation.columns.sample import hash_rows
from factory.validation.columns.table import Columns
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation.privacy.column_excess import EXCESS, row_of_excess
from factory.validation.privacy.flags import SCORE
from factory.validation_spec import Gate

EQUAL = "equal in every column, by row hash"


@metric(
    "privacy", "info", "share of synthetic rows that are a row of the training", "equal in every column, by row hash", SCORE, of="columns"
)
def identical_rows(columns: Columns) -> Iterator[Row]:
    yield _share_matched(columns, "train")


@metric(
    "privacy",
    "info",
    "identical_rows against the holdout, which no generator saw",
    "equal in every column, by row hash",
    SCORE,
    of="columns",
)
def identical_rows_by_chance(columns: Columns) -> Iterator[Row]:
    yield _share_matched(columns, "holdout")


@metric(
    "privacy",
    "max",
    "share of synthetic rows that are a row of the training beyond those that chance makes",
    "mean of u - (1 - u)·N/M, u being a row's share of its equals that are of the training, of N rows, and not of the holdout, of M",
    EXCESS,
    of="columns",
    gate=Gate(max=0.02),
    because="at most one row in fifty, shown: with no copy that takes 189 rows; docs/validation-metrics.md",
)
def identical_rows_excess(columns: Columns) -> Iterator[Row]:
    """What a row that is in both sides tells is what is left: equals in train and holdout stand as N to M by chance.

    With N = M and no repeated rows it is the rate against train less the rate against the holdout.
    """
    matches = count_matches(columns)
    if matches is None:
        yield Row(LINE, None)
        return
    train, holdout = (matches[side].to_numpy().astype(np.float64) for side in ("train", "holdout"))
    matched = train + holdout > 0
    of_train = np.where(matched, train / np.maximum(train + holdout, 1), 0.0)
    ratio = columns.real.height / columns.holdout.height
    yield row_of_excess(np.where(matched, of_train - (1 - of_train) * ratio, 0.0), matches["row"].to_numpy())


@computed_once
def count_matches(columns: Columns) -> pl.DataFrame | None:
    """Per synthetic row: its hash `row`, and how many rows of `train` and `holdout` are equal to it; None without all three."""
    if not has_holdout(columns):
        return None
    rows = pl.DataFrame({"row": hash_rows(columns.synthetic)})
    for name, frame in (("train", columns.real), ("holdout", columns.holdout)):
        counts = pl.DataFrame({"row": hash_rows(frame)}).group_by("row").agg(pl.len().alias(name))
        rows = rows.join(counts, on="row", how="left").with_columns(pl.col(name).fill_null(0))
    return rows.sort("row")


def _share_matched(columns: Columns, side: str) -> Row:
    matches = count_matches(columns)
    return Row(LINE, None) if matches is None else share_row(LINE, int((matches[side] > 0).sum()), matches.height)
