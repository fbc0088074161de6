"""How much the texts of a leaf are alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from factory.validation.collapse.diversity import take_texts
from factory.validation.collapse.halves import DRAWS, HALVES, mean_of_leaves
from factory.validation.evidence import Evidence
from factory.validation.intervals import normal_interval, seeded
from factory.validation.metric import Row, metric
from factory.validation.text import overlaps
from factory.validation_spec import Gate

MOST_COMPARED = 400
"""Texts of a leaf that are compared with each other; the cost grows with the square."""


@metric(
    "collapse",
    "max",
    "how much more alike the texts of a leaf are than its seeds are; 1/k where k texts are repeated",
    "(a - s)/(1 - s) of the mean Jaccard similarity of word pairs between two accepted records, a, and two seeds, s; mean over leaves",
    HALVES,
    gate=Gate(max=0.2),
    because="five texts repeated in each leaf",
)
def likeness(evidence: Evidence) -> Iterator[Row]:
    rows, halves = [], []
    for leaf in evidence.shared_leaves:
        rng = seeded(f"collapse:likeness:{leaf}")
        synthetic, real = (_overlaps(rng, take_texts(texts, leaf, "words")) for texts in (evidence.synthetic, evidence.real))
        if min(len(synthetic), len(real)) < 3:
            continue
        value = _likeness(_mean_overlap(synthetic), _mean_overlap(real))
        half = np.array([_likeness(_mean_overlap(_half(rng, synthetic)), _mean_overlap(_half(rng, real))) for _ in range(DRAWS)])
        rows.append(Row(leaf, value, *normal_interval(value, half, lowest=-1.0), len(synthetic)))
        halves.append(half)
    yield mean_of_leaves(rows, halves, lowest=-1.0)
    yield from rows


def _overlaps(rng: np.random.Generator, texts: list[list[str]]) -> Any:
    chosen = rng.permutation(len(texts))[:MOST_COMPARED]
    return overlaps([texts[at] for at in chosen], 2)


def _mean_overlap(matrix: Any) -> float:
    """Mean similarity of two different texts: unbiased whatever the number of texts, since no text meets itself."""
    size = len(matrix)
    return float((matrix.sum() - size) / (size * (size - 1)))


def _half(rng: np.random.Generator, matrix: Any) -> Any:
    chosen = rng.choice(len(matrix), math.ceil(len(matrix) / 2), replace=False)
    return matrix[np.ix_(chosen, chosen)]


def _likeness(synthetic: float, real: float) -> float:
    return (synthetic - real) / max(1.0 - real, 1e-9)
