"""Where the accepted records lie among the real examples, as embeddings: whether they are like them, and whether they reach all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from factory.validation.clouds import NEIGHBOURS, Vectors, draw_half, measure_frechet, measure_mauve, measure_overlap
from factory.validation.evidence import Evidence
from factory.validation.intervals import normal_interval
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Gate

SAMPLE = "as many records of a leaf as it has seed examples, embedded by the line's embedder, or by character n-grams"
HALVES = "normal, standard error of 20 half-samples (delete-half jackknife, Shao & Wu 1989)"
DRAWS = 20
K = f"{NEIGHBOURS} nearest neighbours"


@metric(
    "fidelity",
    "info",
    "share of the records within a neighbourhood of real examples",
    f"precision (Kynkäänniemi et al. 2019), {K}; {SAMPLE}",
    HALVES,
)
def embedding_precision(evidence: Evidence) -> Iterator[Row]:
    yield _measure(evidence, lambda real, synthetic: overlap.precision if (overlap := measure_overlap(real, synthetic)) else None)


@metric(
    "fidelity",
    "info",
    "share of the real examples within a neighbourhood of records",
    f"recall (Kynkäänniemi et al. 2019), {K}; {SAMPLE}",
    HALVES,
)
def embedding_recall(evidence: Evidence) -> Iterator[Row]:
    yield _measure(evidence, lambda real, synthetic: overlap.recall if (overlap := measure_overlap(real, synthetic)) else None)


@metric(
    "fidelity",
    "info",
    "how densely records stand around real examples",
    f"density (Naeem et al. 2020), {K}; {SAMPLE}",
    HALVES,
)
def embedding_density(evidence: Evidence) -> Iterator[Row]:
    yield _measure(evidence, lambda real, synthetic: overlap.density if (overlap := measure_overlap(real, synthetic)) else None)


@metric(
    "fidelity",
    "min",
    "share of the real examples that have a record in their neighbourhood",
    f"coverage (Naeem et al. 2020), {K}; {SAMPLE}",
    HALVES,
    gate=Gate(min=0.4),
    because="two samples of one population have 1 - 2^-5 = 0.97; 0.4 is less than half of it",
)
def embedding_coverage(evidence: Evidence) -> Iterator[Row]:
    yield _measure(evidence, lambda real, synthetic: overlap.coverage if (overlap := measure_overlap(real, synthetic)) else None)


@metric(
    "fidelity", "info", "distance of the clouds of records and real examples", f"Fréchet distance (Heusel et al. 2017); {SAMPLE}", HALVES
)
def embedding_frechet(evidence: Evidence) -> Iterator[Row]:
    yield _measure(evidence, measure_frechet)


@metric(
    "fidelity",
    "info",
    "likeness of the clouds of records and real examples",
    f"MAUVE (Pillutla et al. 2021); {SAMPLE}",
    HALVES,
)
def embedding_mauve(evidence: Evidence) -> Iterator[Row]:
    yield _measure(evidence, measure_mauve)


def _measure(evidence: Evidence, statistic: Callable[[Vectors, Vectors], float | None]) -> Row:
    real, synthetic = evidence.embedded
    value = statistic(real, synthetic)
    if value is None:
        return Row(LINE, None)
    halves = [
        statistic(real[draw_half(f"fidelity:real:{draw}", len(real))], synthetic[draw_half(f"fidelity:synthetic:{draw}", len(synthetic))])
        for draw in range(DRAWS)
    ]
    measured = np.array([half for half in halves if half is not None])
    low, high = normal_interval(value, measured) if measured.size > 1 else (None, None)
    return Row(LINE, value, low, high, len(synthetic))
