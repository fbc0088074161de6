"""Collapse: how far the records are from real data by generation, and whether diversity and tails are still there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from factory.validation.intervals import RESAMPLES, normal_interval, seeded, wilson
from factory.validation.metric import LINE, Evidence, Row, measure_report, metric, share_row
from factory.validation.text import distinct, incompressible, overlaps

HALVES = "normal, standard error of 50 half-samples (delete-half jackknife, Shao & Wu 1989)"
EQUAL = "of as many accepted records as the leaf has seeds, mean of 50 draws, over that of the seeds; mean over leaves"
DRAWS = 50
MOST_COMPARED = 400
"""Texts of a leaf that are compared with each other; the cost grows with the square."""
TAIL = 0.1
"""Share of the seeds' lengths in each tail."""


def measure_collapse(accepted: pl.DataFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """The collapse report of `accepted` (VERDICT) against `seeds` (SEED, both splits), as METRIC rows without verdicts."""
    return measure_report("collapse", Evidence(accepted, seeds))


@metric("collapse", "max", "greatest generation depth; real data is 0", "maximum")
def depth(evidence: Evidence) -> Iterator[Row]:
    depths = evidence.accepted["depth"].drop_nulls()
    yield Row(LINE, float(depths.to_numpy().max()) if depths.len() else None, size=depths.len())


@metric("collapse", "info", "share of records at a generation depth", "count over count", "Wilson score")
def depth_share(evidence: Evidence) -> Iterator[Row]:
    for at, count in evidence.accepted.group_by("depth").len().sort("depth").iter_rows():
        yield share_row(f"depth={at}", count, evidence.accepted.height)


@metric("collapse", "min", "share of the words to train on that people wrote (depth 0)", "count over count")
def real_share(evidence: Evidence) -> Iterator[Row]:
    sizes = evidence.synthetic.select("record_id", pl.col("words").list.len().alias("size")).join(evidence.accepted, on="record_id")
    total = int(sizes["size"].sum())
    real = int(sizes.filter(pl.col("depth") == 0)["size"].sum())
    yield Row(LINE, real / total if total else None, size=evidence.accepted.height)


@metric("collapse", "min", "distinct pairs of words against the seeds", f"distinct-2 (Li et al. 2016) {EQUAL}", HALVES)
def distinct_pairs(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "words", lambda texts: distinct(texts, 2))


@metric("collapse", "info", "distinct words against the seeds", f"type-token ratio {EQUAL}", HALVES)
def distinct_words(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "words", lambda texts: distinct(texts, 1))


@metric("collapse", "min", "how little the texts compress against the seeds", f"zlib bytes over bytes (Shaib et al. 2024) {EQUAL}", HALVES)
def incompressibility(evidence: Evidence) -> Iterator[Row]:
    yield from _against_seeds(evidence, "text", incompressible)


@metric(
    "collapse",
    "max",
    "how much more alike the texts of a leaf are than its seeds are; 1/k where k texts are repeated",
    "(a - s)/(1 - s) of the mean Jaccard similarity of word pairs between two accepted records, a, and two seeds, s; mean over leaves",
    HALVES,
)
def likeness(evidence: Evidence) -> Iterator[Row]:
    rows, halves = [], []
    for leaf in evidence.shared_leaves:
        rng = seeded(f"collapse:likeness:{leaf}")
        synthetic, real = (_overlaps(rng, _column(texts, leaf, "words")) for texts in (evidence.synthetic, evidence.real))
        if min(len(synthetic), len(real)) < 3:
            continue
        value = _likeness(_mean_overlap(synthetic), _mean_overlap(real))
        half = np.array([_likeness(_mean_overlap(_half(rng, synthetic)), _mean_overlap(_half(rng, real))) for _ in range(DRAWS)])
        rows.append(Row(leaf, value, *normal_interval(value, half, lowest=-1.0), len(synthetic)))
        halves.append(half)
    yield _mean_of_leaves(rows, halves, lowest=-1.0)
    yield from rows


@metric(
    "collapse",
    "min",
    "share of records in the shortest and longest tenth of the seeds' lengths against the seeds' own, the emptier tail",
    "tail mass, mean over leaves",
    "normal, standard error of 200 bootstrap draws of records within leaves",
)
def length_tails(evidence: Evidence) -> Iterator[Row]:
    sides = [(_lengths(evidence.synthetic, leaf), _lengths(evidence.real, leaf)) for leaf in evidence.shared_leaves]
    if not sides:
        yield Row(LINE, None)
        return
    rng = seeded("collapse:length_tails")
    tails = [(low, high) for _, real in sides for low, high in [np.quantile(real, [TAIL, 1 - TAIL], method="inverted_cdf")]]
    masses = np.array([_tail_masses(lengths[None], *tail)[0] for side, tail in zip(sides, tails, strict=True) for lengths in side])
    drawn = [
        _tail_masses(lengths[rng.integers(lengths.size, size=(RESAMPLES, lengths.size))], *tail)
        for side, tail in zip(sides, tails, strict=True)
        for lengths in side
    ]
    value = _emptier_tail(masses[0::2].mean(axis=0), masses[1::2].mean(axis=0))
    resampled = _emptier_tail(np.mean(drawn[0::2], axis=0), np.mean(drawn[1::2], axis=0))
    yield Row(LINE, float(value), *normal_interval(float(value), resampled), sum(side[0].size for side in sides))


@metric(
    "collapse",
    "info",
    "share of the words that stand in one seed of a leaf only and that its accepted records still use",
    "count over count",
    "Wilson score",
)
def rare_words(evidence: Evidence) -> Iterator[Row]:
    kept = total = 0
    for leaf in evidence.shared_leaves:
        seen = evidence.real.filter(pl.col("leaf") == leaf).select(pl.col("shapes").list.unique()).explode("shapes")
        rare = set(seen.group_by("shapes").len().filter(pl.col("len") == 1)["shapes"])
        used = set(evidence.synthetic.filter(pl.col("leaf") == leaf)["shapes"].explode())
        kept, total = kept + len(rare & used), total + len(rare)
    yield Row(LINE, kept / total, *wilson(kept, total), total) if total else Row(LINE, None)


def _against_seeds(evidence: Evidence, column: str, statistic: Callable[[list[Any]], float]) -> Iterator[Row]:
    """A statistic of diversity of accepted records over that of seeds, at equal sizes, since it falls with the size of the sample."""
    rows, halves = [], []
    for leaf in evidence.shared_leaves:
        synthetic = _column(evidence.synthetic, leaf, column)
        real = _column(evidence.real, leaf, column)
        size = min(len(synthetic), len(real))
        if size < 2:
            continue
        rng = seeded(f"collapse:{column}:{leaf}")
        value = float(np.mean(_ratios(rng, synthetic, real, size, statistic)))
        half = _ratios(rng, synthetic, real, math.ceil(size / 2), statistic)
        rows.append(Row(leaf, value, *normal_interval(value, half), len(synthetic)))
        halves.append(half)
    yield _mean_of_leaves(rows, halves, lowest=0.0)
    yield from rows


def _mean_of_leaves(rows: list[Row], halves: list[Any], lowest: float) -> Row:
    if not rows:
        return Row(LINE, None)
    value = float(np.mean([row.value for row in rows]))
    return Row(LINE, value, *normal_interval(value, np.mean(halves, axis=0), lowest=lowest), sum(row.size for row in rows))


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


def _ratios(
    rng: np.random.Generator, synthetic: Sequence[Any], real: Sequence[Any], size: int, statistic: Callable[[list[Any]], float]
) -> Any:
    """DRAWS ratios of the statistic of `size` synthetic texts to that of `size` real ones, drawn without replacement."""

    def draw(texts: Sequence[Any]) -> float:
        return statistic([texts[at] for at in rng.choice(len(texts), size, replace=False)])

    return np.array([draw(synthetic) / max(draw(real), 1e-9) for _ in range(DRAWS)])


def _column(texts: pl.DataFrame, leaf: str, column: str) -> list[Any]:
    chosen = texts.filter(pl.col("leaf") == leaf)
    return (
        chosen.select(pl.col("instruction") + "\n" + pl.col("response")).to_series().to_list()
        if column == "text"
        else chosen[column].to_list()
    )


def _lengths(texts: pl.DataFrame, leaf: str) -> Any:
    return texts.filter(pl.col("leaf") == leaf)["words"].list.len().to_numpy()


def _tail_masses(lengths: Any, low: float, high: float) -> Any:
    """(draws, records) → (draws, 2): shares at or below `low` and at or above `high`."""
    return np.stack([(lengths <= low).mean(axis=1), (lengths >= high).mean(axis=1)], axis=1)


def _emptier_tail(synthetic: Any, real: Any) -> Any:
    return (synthetic / np.maximum(real, 1e-9)).min(axis=-1)
