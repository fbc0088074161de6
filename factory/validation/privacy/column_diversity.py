"""How much the sensitive columns of synthetic rows vary among rows that are alike in the declared quasi-identifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.encoding import ORDERED
from factory.validation.columns.sample import hash_rows
from factory.validation.columns.table import Columns
from factory.validation.metric import LINE, Row, metric
from factory.validation.privacy.column_anonymity import CLASSES


@metric(
    "privacy",
    "info",
    "fewest values of a sensitive column in a class: l",
    f"distinct l-diversity (Machanavajjhala et al. 2007): {CLASSES}",
    of="columns",
)
def distinct_l_diversity(columns: Columns) -> Iterator[Row]:
    yield from _of_each_sensitive(columns, lambda counts, _: float(counts.group_by("class").len()["len"].min()), min)  # type: ignore[arg-type]


@metric(
    "privacy",
    "info",
    "least effective number of values of a sensitive column in a class: l",
    f"entropy l-diversity (Machanavajjhala et al. 2007), the exponential of the entropy: {CLASSES}",
    of="columns",
)
def entropy_l_diversity(columns: Columns) -> Iterator[Row]:
    def least(counts: pl.DataFrame, _: bool) -> float:
        share = counts.select(pl.col("rows") / pl.col("rows").sum().over("class")).to_series().to_numpy()
        return float(np.exp(_sum_classes(counts["class"], -share * np.log(share))).min())

    yield from _of_each_sensitive(columns, least, min)


@metric(
    "privacy",
    "info",
    "greatest distance of a sensitive column in a class from the column in the whole table: t; 0 alike, 1 apart",
    f"t-closeness (Li et al. 2007), ordered distance for numbers and dates, equal distance for others: {CLASSES}",
    of="columns",
)
def t_closeness(columns: Columns) -> Iterator[Row]:
    yield from _of_each_sensitive(columns, lambda counts, ordered: _ordered_distance(counts) if ordered else _equal_distance(counts), max)


def _of_each_sensitive(
    columns: Columns, measure: Callable[[pl.DataFrame, bool], float], worst: Callable[[list[float]], float]
) -> Iterator[Row]:
    """The worst of the sensitive columns as that of the table, then each. They are measured of all there is, so without an interval."""
    synthetic = columns.synthetic
    if not columns.quasi_identifiers or not columns.sensitive or synthetic.is_empty():
        yield Row(LINE, None)
        return
    classes = hash_rows(synthetic.select(columns.quasi_identifiers)).alias("class")
    values = {}
    for name in columns.sensitive:
        value = synthetic[name].cast(pl.Int8) if columns.kinds[name] == "boolean" else synthetic[name]
        ranked = pl.DataFrame([classes, value.rank("dense").fill_null(0).cast(pl.Int64).alias("value")])
        # In order, so that sums of shares have the same last digit whatever the order of rows.
        counts = ranked.group_by("class", "value").agg(pl.len().alias("rows")).sort("class", "value")
        values[name] = measure(counts, columns.kinds[name] in ORDERED)
    yield Row(LINE, worst(list(values.values())), size=synthetic.height)
    for name, each in values.items():
        yield Row(f"sensitive={name}", each, size=synthetic.height)


def _equal_distance(counts: pl.DataFrame) -> float:
    """The greatest over classes of ½ Σ |p − q|, p the shares of the values in the class and q in the table (§4 of Li et al.)."""
    whole = counts.group_by("value").agg((pl.col("rows").sum() / counts["rows"].sum()).alias("q"))
    shares = pl.col("rows") / pl.col("rows").sum().over("class")
    p, q = counts.join(whole, on="value", maintain_order="left").select(shares.alias("p"), "q").to_numpy().T
    # What the class lacks counts with its share q, and the shares q of what it has are 1 less that.
    return max(0.0, float(_sum_classes(counts["class"], np.abs(p - q) - q).max() + 1) / 2)


def _ordered_distance(counts: pl.DataFrame) -> float:
    """The greatest over classes of Σᵢ |P(i) − Q(i)| / (m − 1) over the m values in order, P and Q cumulative shares (§4 of Li et al.).

    Missing is a value below all others. Between two values of a class P is constant and Q rises, so the sum over the
    values between is taken from sums of Q up to where Q passes P: the cost grows with the rows and not with classes
    times values.
    """
    whole = counts.group_by("value").agg(pl.col("rows").sum()).sort("value")
    if whole.height < 2:
        return 0.0
    q = (whole["rows"].cum_sum() / whole["rows"].sum()).to_numpy()
    sums = np.concatenate([[0.0], np.cumsum(q)])
    place = whole.select("value").with_row_index("at")
    of_class = pl.col("rows").cum_sum() / pl.col("rows").sum()
    steps = (
        counts.join(place, on="value")
        .sort("class", "at")
        .select("class", start="at", end=pl.col("at").shift(-1).over("class").fill_null(whole.height - 1), p=of_class.over("class"))
    )
    first = steps.group_by("class", maintain_order=True).agg(start=pl.lit(0, pl.UInt32), end=pl.col("start").min(), p=pl.lit(0.0))
    every = pl.concat([steps, first.select(steps.columns)], how="vertical_relaxed")
    start, end, p = (every[name].to_numpy() for name in ("start", "end", "p"))
    passed = np.clip(np.searchsorted(q, p), start, end)
    below = p * (passed.astype(float) - start) - (sums[passed] - sums[start])
    above = (sums[end] - sums[passed]) - p * (end - passed.astype(float))
    return min(1.0, max(0.0, float(_sum_classes(every["class"], below + above).max()) / (whole.height - 1)))


def _sum_classes(classes: pl.Series, terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of the terms of each class, in their order: a sum by groups in polars has another last digit on another number of cores."""
    return np.asarray(np.bincount(np.unique(classes.to_numpy(), return_inverse=True)[1], weights=terms), dtype=np.float64)
