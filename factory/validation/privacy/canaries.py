"""Planted secrets that came back: in what would be published, and in anything that was written."""

from __future__ import annotations

from collections.abc import Iterator

from factory.seeds.canaries import find_canaries
from factory.validation.evidence import Evidence
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation.privacy.flags import SCORE
from factory.validation.published import join_texts
from factory.validation_spec import Gate

METHOD = "the canary's digits, whatever stands between them, in any text of the record (Carlini et al. 2019)"


@metric(
    "privacy",
    "max",
    "records that hold a planted canary; 0 where none was planted",
    METHOD,
    gate=Gate(max=0),
    because="no text holds a canary's twelve digits by chance: one that came back shows that seeds can",
)
def canaries_found(evidence: Evidence) -> Iterator[Row]:
    size = evidence.accepted.height
    yield Row(LINE, float(len(find_holders(evidence))) if size else None, size=size)


def find_holders(evidence: Evidence) -> set[str]:
    """Ids of the accepted records that hold a canary."""
    held = find_canaries(evidence.accepted.select(join_texts()).to_series(), evidence.canaries.values())
    return {record_id for record_id, canaries in zip(evidence.accepted["record_id"], held, strict=True) if canaries}


@metric(
    "privacy",
    "info",
    "share of planted canaries that any candidate holds, accepted or refused; rows by canary count candidates",
    METHOD,
    SCORE,
)
def canaries_repeated(evidence: Evidence) -> Iterator[Row]:
    held = find_canaries(evidence.verdicts.select(join_texts()).to_series(), evidence.canaries.values())
    counts = {record_id: sum(canary in each for each in held) for record_id, canary in evidence.canaries.items()}
    yield share_row(LINE, sum(map(bool, counts.values())), len(counts))
    for record_id, count in counts.items():
        yield Row(f"canary={record_id}", float(count), size=len(held))
