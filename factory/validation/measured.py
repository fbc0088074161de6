"""Which records a report read, as a digest in a row of its own: so a gate table cannot vouch for records that it never saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import polars as pl

from factory.records import digest
from factory.validation.evidence import Evidence
from factory.validation.metric import Report, Row, metric

MEASURED = "measured"
"""Name of the metric in every report; its only subject is the digest, its value the number of records."""


def measured(evidence: Evidence) -> Iterator[Row]:
    yield Row(digest_records(evidence.accepted), float(evidence.accepted.height), size=evidence.accepted.height)


for report in get_args(Report):
    metric(report, "info", "the records that this report read", "a digest of their ids, which are digests of content and origin")(measured)


def digest_records(records: pl.DataFrame) -> str:
    """Digest of the ids of records, in any order."""
    return digest(records["record_id"].sort().to_list())


def list_stale(gates: pl.DataFrame, records: pl.DataFrame) -> list[str]:
    """The reports of a gate table (METRIC) that read other records than these; a table that was made by hand says nothing of it."""
    return sorted(gates.filter(pl.col("subject") != digest_records(records), metric=MEASURED)["report"].unique())
