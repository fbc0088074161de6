"""Shares of flagged records."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import Row, share_rows

SCORE = "Wilson score"
AT_MOST_ONE_IN_A_HUNDRED = "at most one record in a hundred, shown: with nothing found that takes 381 records"


def share_flagged(evidence: Evidence, hits: set[str]) -> Iterator[Row]:
    yield from share_rows(evidence.accepted.select("leaf", pl.col("record_id").is_in(list(hits)).alias("hit")))
