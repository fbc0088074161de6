"""Personal data in what would be published."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import Row, metric, share_row
from factory.validation.personal_data import THRESHOLDS, find_personal_data
from factory.validation.privacy.flags import AT_MOST_ONE_IN_A_HUNDRED, SCORE, share_flagged
from factory.validation_spec import Gate

SCANNED = ("instruction", "context", "response")


@metric(
    "privacy",
    "max",
    "share of records with personal data in instruction, context or response",
    "Presidio pattern recognisers",
    SCORE,
    gate=Gate(max=0.01),
    because=AT_MOST_ONE_IN_A_HUNDRED,
)
def personal_data(evidence: Evidence) -> Iterator[Row]:
    found = find_personal_data(evidence.accepted, SCANNED)
    size = evidence.accepted.height
    yield from share_flagged(evidence, set(found["record_id"]))
    for kind in THRESHOLDS:
        yield share_row(f"type={kind}", found.filter(pl.col("type") == kind)["record_id"].n_unique(), size)
