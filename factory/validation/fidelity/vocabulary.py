"""Frequencies of words, against those of the real examples of the same leaf."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.evidence import Evidence
from factory.validation.fidelity.compared import BOOTSTRAP, CORRECTED, PERMUTED, list_compared, tested_row
from factory.validation.metric import Row, metric
from factory.validation_spec import Gate


@metric(
    "fidelity",
    "max",
    "divergence of word frequencies, digits made alike",
    f"Jensen-Shannon divergence in bits (Lin 1991) {CORRECTED}",
    BOOTSTRAP,
    gate=Gate(max=0.5),
    because="half of the way from two samples of one text to no word in common",
)
def vocabulary(evidence: Evidence) -> Iterator[Row]:
    yield from list_compared(evidence.vocabularies)


@metric("fidelity", "info", "p value of vocabulary", PERMUTED)
def vocabulary_p(evidence: Evidence) -> Iterator[Row]:
    yield tested_row(evidence.vocabularies)
