"""Personal data in what would be published."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.personal_data.records import find_personal_data
from factory.validation.evidence import Evidence
from factory.validation.metric import Row, metric, share_row
from factory.validation.privacy.flags import AT_MOST_ONE_IN_A_HUNDRED, SCORE, share_flagged
from factory.validation.published import NOTES, join_votes
from factory.validation_spec import Gate

SCANNED = ("instruction", "context", "response", "turns", *NOTES, "votes_note")


@metric(
    "privacy",
    "max",
    "share of records with personal data in instruction, context, response, turns, topic or the notes of verifier and judges",
    "Presidio's and our recognisers, each type from its threshold (docs/personal-data.md)",
    SCORE,
    gate=Gate(max=0.01),
    because=AT_MOST_ONE_IN_A_HUNDRED,
)
def personal_data(evidence: Evidence) -> Iterator[Row]:
    found = find_published_data(evidence)
    size = evidence.accepted.height
    yield from share_flagged(evidence, set(found["record_id"]))
    for kind in sorted(set(found["type"])):
        yield share_row(f"type={kind}", found.filter(pl.col("type") == kind)["record_id"].n_unique(), size)


def find_published_data(evidence: Evidence) -> pl.DataFrame:
    """FINDING rows of all that a release publishes of the accepted records in words."""
    return find_personal_data(evidence.accepted.with_columns(votes_note=join_votes()), SCANNED, evidence.personal_data)
