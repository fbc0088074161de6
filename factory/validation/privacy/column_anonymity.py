"""How many synthetic rows are alike in the declared quasi-identifiers: what one could look a known person up by."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.columns.kept import computed_once
from factory.validation.columns.sample import hash_rows
from factory.validation.columns.table import Columns
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation.privacy.flags import SCORE

SMALL = 5
"""Rows below which a class is small: the k that most disclosure guidance asks for at the least."""

CLASSES = "classes of rows that are equal in all quasi-identifiers, numbers and dates exactly"


@metric("privacy", "info", "rows of the smallest class: k", f"k-anonymity (Sweeney 2002): {CLASSES}", of="columns")
def k_anonymity(columns: Columns) -> Iterator[Row]:
    sizes = count_classes(columns)
    yield Row(LINE, None) if sizes is None else Row(LINE, float(sizes.min()), size=len(sizes))  # type: ignore[arg-type]


@metric("privacy", "info", "share of rows in classes of fewer than 5", f"k-anonymity (Sweeney 2002): {CLASSES}", SCORE, of="columns")
def small_classes(columns: Columns) -> Iterator[Row]:
    sizes = count_classes(columns)
    yield Row(LINE, None) if sizes is None else share_row(LINE, int((sizes < SMALL).sum()), len(sizes))


@metric(
    "privacy",
    "info",
    "share of synthetic rows whose quasi-identifiers one synthetic row has, and one real row",
    "replicated uniques (Raab et al. 2024, arXiv:2406.16826)",
    SCORE,
    of="columns",
)
def replicated_uniques(columns: Columns) -> Iterator[Row]:
    names = list(columns.quasi_identifiers)
    if not names or columns.synthetic.is_empty():
        yield Row(LINE, None)
        return
    alone = [frame.select(names).filter(pl.struct(names).is_unique()) for frame in (columns.synthetic, columns.real)]
    shared = alone[0].join(alone[1], on=names, how="semi", nulls_equal=True).height
    yield share_row(LINE, shared, columns.synthetic.height)


@computed_once
def count_classes(columns: Columns) -> pl.Series | None:
    """Of each synthetic row the rows of its class; None where no quasi-identifier is declared, or there is no row."""
    if not columns.quasi_identifiers or columns.synthetic.is_empty():
        return None
    classes = pl.DataFrame({"class": hash_rows(columns.synthetic.select(columns.quasi_identifiers))})
    return classes.select(pl.len().over("class").alias("rows"))["rows"]
