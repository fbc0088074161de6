"""Diversity of the accepted records against that of the seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from factory.validation.collapse.halves import DRAWS, HALVES, mean_of_leaves
from factory.validation.evidence import Evidence
from factory.validation.intervals import normal_interval, seeded
from factory.validation.metric import Row, metric
from factory.validation.text import distinct, incompressible
from factory.validation_spec import Gate

EQUAL = "of as many accepted records as the leaf has seeds, mean of 50 draws, over that of the seeds; mean over leaves"


@metric(
    "collapse",
    "min",
    "distinct pairs of words against the seeds",
    f"distinct-2 (Li et al. 2016) {EQUAL}",
    HALVES,
    gate=Gate(min=0.7),
    because="clean halves of real data lie at 1.0 within 0.05; three instructions repeated with small changes at 0.5",
)
def distinct_pairs(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "words", lambda texts: distinct(texts, 2))


@metric("collapse", "info", "distinct words against the seeds", f"type-token ratio {EQUAL}", HALVES)
def distinct_words(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "words", lambda texts: distinct(texts, 1))


@metric(
    "collapse",
    "min",
    "how little the texts compress against the seeds",
    f"zlib bytes over bytes (Shaib et al. 2024) {EQUAL}",
    HALVES,
    gate=Gate(min=0.7),
    because="clean halves of real data lie at 1.0 within 0.05; three instructions repeated with small changes at 0.5",
)
def incompressibility(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "text", incompressible)


def _against_seeds(evidence: Evidence, column: str, statistic: Callable[[list[Any]], float]) -> Iterator[Row]:
    """A statistic of diversity of accepted records over that of seeds, at equal sizes, since it falls with the size of the sample."""
    rows, halves = [], []
    for leaf in evidence.shared_leaves:
        synthetic = take_texts(evidence.synthetic, leaf, column)
        real = take_texts(evidence.real, leaf, column)
        size = min(len(synthetic), len(real))
        if size < 2:
            continue
        rng = seeded(f"collapse:{column}:{leaf}")
        value = float(np.mean(_ratios(rng, synthetic, real, size, statistic)))
        half = _ratios(rng, synthetic, real, math.ceil(size / 2), statistic)
        rows.append(Row(leaf, value, *normal_interval(value, half), len(synthetic)))
        halves.append(half)
    yield mean_of_leaves(rows, halves, lowest=0.0)
    yield from rows


def _ratios(
    rng: np.random.Generator, synthetic: Sequence[Any], real: Sequence[Any], size: int, statistic: Callable[[list[Any]], float]
) -> Any:
    """DRAWS ratios of the statistic of `size` synthetic texts to that of `size` real ones, drawn without replacement."""

    def draw(texts: Sequence[Any]) -> float:
        return statistic([texts[at] for at in rng.choice(len(texts), size, replace=False)])

    return np.array([draw(synthetic) / max(draw(real), 1e-9) for _ in range(DRAWS)])


def take_texts(texts: pl.DataFrame, leaf: str, column: str) -> list[Any]:
    chosen = texts.filter(pl.col("leaf") == leaf)
    return (
        chosen.select(pl.col("instruction") + "\n" + pl.col("response")).to_series().to_list()
        if column == "text"
        else chosen[column].to_list()
    )
