"""Shares of leaves, languages and declared groups, against those of the seeds."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.distances import share_distance
from factory.validation.evidence import GROUP, Evidence
from factory.validation.fairness.groups import list_attributes, worst_row
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation_spec import Gate

BALANCED = "total variation from the seeds, each leaf weighing the same since each is asked for as many records"

BOOTSTRAP = "normal, standard error of 200 bootstrap draws of records"


@metric(
    "fairness",
    "max",
    "shift of the mix of leaves",
    BALANCED,
    BOOTSTRAP,
    gate=Gate(max=0.3),
    because="acceptance spread evenly between 0.3 and 1.0 over the leaves moves 0.13; half of the leaves lost moves 0.5",
)
def leaf_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shift(evidence, "leaf", LINE)


@metric(
    "fairness",
    "max",
    "shift of the mix of languages",
    BALANCED,
    BOOTSTRAP,
    gate=Gate(max=0.15),
    because="the smallest language of the bundled line has a fifth of the leaves: losing three quarters of it moves 0.15",
)
def language_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shift(evidence, "language", LINE)


@metric(
    "fairness",
    "max",
    "shift of the mix of a declared group, on the line the worst of them",
    f"{BALANCED}; 0 without groups",
    BOOTSTRAP,
    gate=Gate(max=0.3),
    because="as leaf_shift",
)
def group_shift(evidence: Evidence) -> Iterator[Row]:
    rows = [_shift(evidence, f"{GROUP}{name}", name) for name in evidence.group_names]
    yield worst_row(rows, max, 0.0, evidence.accepted.height)
    yield from rows


@metric("fairness", "info", "share of the accepted records by leaf, language and declared group", "count over count", "Wilson score")
def share(evidence: Evidence) -> Iterator[Row]:
    for column, label in [("leaf", ""), *list_attributes(evidence)]:
        for value, count in evidence.counts(column).items():
            yield share_row(f"{label}{value}", count, evidence.accepted.height)


def _shift(evidence: Evidence, column: str, subject: str) -> Row:
    measured = share_distance(evidence.counts(column), evidence.reference(column), f"fairness:{column}")
    return Row(subject, *measured, evidence.accepted.height) if measured else Row(subject, None)
