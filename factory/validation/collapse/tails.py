"""Whether the shortest and longest texts and the rarest words are still there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.intervals import RESAMPLES, normal_interval, seeded, wilson
from factory.validation.metric import LINE, Row, certain_row, metric
from factory.validation_spec import Gate

TAIL = 0.1
"""Share of the seeds' lengths in each tail."""


@metric(
    "collapse",
    "min",
    "share of records in the shortest and longest tenth of the seeds' lengths against the seeds' own, the emptier tail",
    "tail mass, mean over the leaves whose lengths vary, as a leaf of one length has no tail to lose; 1 without any",
    "normal, standard error of 200 bootstrap draws of records within leaves",
    gate=Gate(min=0.25),
    because="three quarters of a tail lost",
)
def length_tails(evidence: Evidence) -> Iterator[Row]:
    shared = [(_lengths(evidence.synthetic, leaf), _lengths(evidence.real, leaf)) for leaf in evidence.shared_leaves]
    found = [tuple(np.quantile(real, [TAIL, 1 - TAIL], method="inverted_cdf")) for _, real in shared]
    sides, tails = ([item for item, (low, high) in zip(items, found, strict=True) if low < high] for items in (shared, found))
    if not sides:
        size = sum(side[0].size for side in shared)
        yield certain_row(1.0, size) if shared else Row(LINE, None)
        return
    rng = seeded("collapse:length_tails")
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


def _lengths(texts: pl.DataFrame, leaf: str) -> Any:
    return texts.filter(pl.col("leaf") == leaf)["words"].list.len().to_numpy()


def _tail_masses(lengths: Any, low: float, high: float) -> Any:
    """(draws, records) → (draws, 2): shares at or below `low` and at or above `high`."""
    return np.stack([(lengths <= low).mean(axis=1), (lengths >= high).mean(axis=1)], axis=1)


def _emptier_tail(synthetic: Any, real: Any) -> Any:
    return (synthetic / np.maximum(real, 1e-9)).min(axis=-1)
