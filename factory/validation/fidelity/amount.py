"""How much there is: records, and leaves that have any."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.evidence import Evidence
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Gate


@metric(
    "fidelity",
    "min",
    "accepted records",
    "count",
    gate=Gate(min=1),
    because="nothing accepted is no release",
)
def records(evidence: Evidence) -> Iterator[Row]:
    size = evidence.accepted.height
    yield Row(LINE, float(size), size=size)


@metric(
    "fidelity",
    "min",
    "share of the leaves with seeds, examples or topics, that have an accepted record",
    "count over count",
    gate=Gate(min=0.9),
    because="one leaf in ten may come back empty (a new one that the teacher cannot write yet); more is another line than the taxonomy",
)
def leaf_coverage(evidence: Evidence) -> Iterator[Row]:
    leaves = set(evidence.seeds["leaf"])
    yield Row(LINE, len(leaves & set(evidence.accepted["leaf"])) / len(leaves) if leaves else None, size=len(leaves))
