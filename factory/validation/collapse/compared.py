"""How much of the line the comparisons with real examples speak of."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Gate

LEAST_EXAMPLES = 3
"""Real examples of a leaf from which its texts can be compared: two of them are alike or not, and tell nothing of the leaf."""


@metric(
    "collapse",
    "min",
    f"share of the accepted records whose leaf has real examples to compare them with, {LEAST_EXAMPLES} at least; rows of the other leaves "
    "count their records",
    "count over count",
    gate=Gate(min=0.8),
    because="what no comparison reads may say one thing over and over: topics alone show nothing of texts",
)
def compared_records(evidence: Evidence) -> Iterator[Row]:
    examples = evidence.examples.group_by("leaf").agg(pl.len().alias("examples"))
    leaves = evidence.accepted.group_by("leaf").agg(pl.len().alias("records")).join(examples, on="leaf", how="left").sort("leaf")
    others = leaves.filter(pl.col("examples").fill_null(0) < LEAST_EXAMPLES)
    size = evidence.accepted.height
    yield Row(LINE, 1 - int(others["records"].sum()) / size if size else None, size=size)
    for leaf, records in others.select("leaf", "records").iter_rows():
        yield Row(leaf, float(records), size=records)
