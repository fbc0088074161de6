"""Diversity of the accepted records against that of the seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.collapse.halves import DRAWS, mean_of_leaves
from factory.validation.evidence import Evidence
from factory.validation.intervals import normal_interval, seeded
from factory.validation.metric import Row, metric
from factory.validation.text import distinct, incompressible
from factory.validation_spec import Gate

LEFT_OUT = 0.2
"""Share of the texts of a sample that each draw leaves out."""

JACKKNIFE = f"normal, standard error of {DRAWS} draws without a fifth of each sample (delete-d jackknife, Shao & Wu 1989)"

SAMPLES = 10
"""Samples at most that the larger side is dealt into."""

EQUAL = (
    f"of as many accepted records as the leaf has seeds, mean of up to {SAMPLES} samples that share no record, over that of the seeds; "
    "mean over leaves"
)


@metric(
    "collapse",
    "min",
    "distinct pairs of words against the seeds",
    f"distinct-2 (Li et al. 2016) {EQUAL}",
    JACKKNIFE,
    gate=Gate(min=0.7),
    because="clean halves of real data lie at 1.0 within 0.05; three instructions repeated with small changes at 0.5",
)
def distinct_pairs(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "words", lambda texts: distinct(texts, 2))


@metric("collapse", "info", "distinct words against the seeds", f"type-token ratio {EQUAL}", JACKKNIFE)
def distinct_words(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "words", lambda texts: distinct(texts, 1))


@metric(
    "collapse",
    "min",
    "how little the texts compress against the seeds",
    f"zlib bytes over bytes (Shaib et al. 2024) {EQUAL}",
    JACKKNIFE,
    gate=Gate(min=0.7),
    because="clean halves of real data lie at 1.0 within 0.05; three instructions repeated with small changes at 0.5",
)
def incompressibility(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "text", incompressible)


def _against_seeds(evidence: Evidence, column: str, statistic: Callable[[list[Any]], float]) -> Iterator[Row]:
    """A statistic of diversity of accepted records over that of seeds, at equal sizes, since it falls with the size of the sample."""
    rows, drawn = [], []
    for leaf in evidence.shared_leaves:
        synthetic = take_texts(evidence.synthetic, leaf, column)
        real = take_texts(evidence.real, leaf, column)
        if min(len(synthetic), len(real)) < 2:
            continue
        value, replicates = compare_samples(seeded(f"collapse:{column}:{leaf}"), synthetic, real, statistic)
        rows.append(Row(leaf, value, *normal_interval(value, replicates), len(synthetic)))
        drawn.append(replicates)
    yield mean_of_leaves(rows, drawn, lowest=0.0)
    yield from rows


def compare_samples(
    rng: np.random.Generator, synthetic: Sequence[Any], real: Sequence[Any], statistic: Callable[[list[Any]], float]
) -> tuple[float, NDArray[np.float64]]:
    """The statistic of synthetic over that of real texts, in samples of the smaller side's size, and DRAWS values that vary as it does.

    The larger side is dealt into samples that share no text, SAMPLES at most, and their mean taken. The draws leave a fifth out of every
    sample, and are spread by what is kept over what is left out (delete-d jackknife): halves would be too small to vary as the whole does,
    as texts hardly repeat a word in them.
    """
    size = min(len(synthetic), len(real))
    left_out = max(1, round(size * LEFT_OUT))
    sides = [[[texts[at] for at in places] for places in _deal(rng, len(texts), size)] for texts in (synthetic, real)]

    def compare(kept: Callable[[list[Any]], list[Any]]) -> float:
        first, second = (float(np.mean([statistic(kept(sample)) for sample in side])) for side in sides)
        return first / max(second, 1e-9)

    def leave_out(sample: list[Any]) -> list[Any]:
        # In order: how well a text compresses depends on what stands before it.
        return [sample[at] for at in sorted(rng.choice(size, size - left_out, replace=False))]

    drawn = np.array([compare(leave_out) for _ in range(DRAWS)])
    return compare(list), drawn * math.sqrt((size - left_out) / left_out)


def _deal(rng: np.random.Generator, count: int, size: int) -> Any:
    """Places of texts, (samples, size)."""
    samples = min(SAMPLES, count // size)
    return rng.permutation(count)[: samples * size].reshape(samples, size)


def take_texts(texts: pl.DataFrame, leaf: str, column: str) -> list[Any]:
    chosen = texts.filter(pl.col("leaf") == leaf)
    return (
        chosen.select(pl.col("instruction") + "\n" + pl.col("response")).to_series().to_list()
        if column == "text"
        else chosen[column].to_list()
    )
