"""The mix of kinds and languages, against that of the seeds."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.distances import chi_square_p, share_distance
from factory.validation.evidence import Evidence
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Gate

BALANCED = (
    "from the seeds, each leaf weighing the same since each is asked for as many records, corrected for chance as (d - e)/(1 - e) "
    "(Hubert & Arabie 1985)"
)


@metric(
    "fidelity",
    "max",
    "shift of the mix of kinds",
    f"total variation {BALANCED}",
    "normal, standard error of 200 bootstrap draws",
    gate=Gate(max=0.25),
    because="a quarter of the records would have to be of another kind; acceptance of 0.4 in one kind and 1.0 in another moves 0.2",
)
def kind_shift(evidence: Evidence) -> Iterator[Row]:
    measured = share_distance(evidence.counts("kind"), evidence.reference("kind"), "fidelity:kind")
    yield Row(LINE, *measured, evidence.accepted.height) if measured else Row(LINE, None)


@metric("fidelity", "info", "p value of kind_shift", "Pearson's chi-square test of goodness of fit")
def kind_shift_p(evidence: Evidence) -> Iterator[Row]:
    yield _shift_tested(evidence, "kind")


@metric("fidelity", "info", "p value of fairness.language_shift", "Pearson's chi-square test of goodness of fit")
def language_shift_p(evidence: Evidence) -> Iterator[Row]:
    yield _shift_tested(evidence, "language")


def _shift_tested(evidence: Evidence, column: str) -> Row:
    return Row(LINE, chi_square_p(evidence.counts(column), evidence.reference(column)), size=evidence.accepted.height)
