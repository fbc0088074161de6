"""Lengths of instructions and responses, against those of the real examples of the same leaf."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.evidence import Evidence
from factory.validation.fidelity.compared import BOOTSTRAP, CORRECTED, PERMUTED, list_compared, tested_row
from factory.validation.metric import Row, metric
from factory.validation_spec import Gate


@metric(
    "fidelity",
    "max",
    "distance of instruction lengths in words",
    f"two-sample Kolmogorov-Smirnov D {CORRECTED}",
    BOOTSTRAP,
    gate=Gate(max=0.4),
    because="0.38 is the Kolmogorov-Smirnov distance of two normals one standard deviation apart, 2Φ(½) − 1",
)
def instruction_words(evidence: Evidence) -> Iterator[Row]:
    yield from list_compared(evidence.instruction_lengths)


@metric("fidelity", "info", "p value of instruction_words", PERMUTED)
def instruction_words_p(evidence: Evidence) -> Iterator[Row]:
    yield tested_row(evidence.instruction_lengths)


@metric(
    "fidelity",
    "max",
    "distance of response lengths in words",
    f"two-sample Kolmogorov-Smirnov D {CORRECTED}",
    BOOTSTRAP,
    gate=Gate(max=0.4),
    because="0.38 is the Kolmogorov-Smirnov distance of two normals one standard deviation apart, 2Φ(½) − 1",
)
def response_words(evidence: Evidence) -> Iterator[Row]:
    yield from list_compared(evidence.response_lengths)


@metric("fidelity", "info", "p value of response_words", PERMUTED)
def response_words_p(evidence: Evidence) -> Iterator[Row]:
    yield tested_row(evidence.response_lengths)
