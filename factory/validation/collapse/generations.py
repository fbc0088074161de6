"""How far the records are from real data, by generation and by share."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation_spec import Gate


@metric(
    "collapse",
    "max",
    "greatest generation depth; real data is 0",
    "maximum",
    gate=Gate(max=2),
    because="a teacher trained on a release may write once more; tails are lost by generation (Shumailov et al. 2024, Nature 631:755)",
)
def depth(evidence: Evidence) -> Iterator[Row]:
    depths = evidence.accepted["depth"].drop_nulls()
    yield Row(LINE, float(depths.to_numpy().max()) if depths.len() else None, size=depths.len())


@metric("collapse", "info", "share of records at a generation depth", "count over count", "Wilson score")
def depth_share(evidence: Evidence) -> Iterator[Row]:
    for at, count in evidence.accepted.group_by("depth").len().sort("depth").iter_rows():
        yield share_row(f"depth={at}", count, evidence.accepted.height)


@metric("collapse", "min", "share of the words to train on that people wrote (depth 0)", "count over count")
def real_share(evidence: Evidence) -> Iterator[Row]:
    sizes = evidence.synthetic.select("record_id", pl.col("words").list.len().alias("size")).join(evidence.accepted, on="record_id")
    total = int(sizes["size"].sum())
    real = int(sizes.filter(pl.col("depth") == 0)["size"].sum())
    yield Row(LINE, real / total if total else None, size=evidence.accepted.height)
