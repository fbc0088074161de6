"""Rates against the rows of the training beside rates against unseen rows, and how sure their difference is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.neighbours import Array
from factory.validation.intervals import Z
from factory.validation.metric import LINE, Row

EXCESS = "normal with a standard error by clusters, at the least as wide as Wilson's of no hit"


def count_independent(clusters: NDArray[Any]) -> float:
    """How many independent cases are worth as much as cases that are alike within clusters: n²/Σc² (Kish 1965, Survey Sampling)."""
    sizes = np.unique(clusters, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes.astype(np.float64) ** 2).sum())


def row_of_excess(excess: Array, clusters: NDArray[Any], unseen: float = 1.0) -> Row:
    """The mean of each row's excess with its interval. Rows of one cluster, as those that are near one and the same row, vary as one.

    `unseen`: what a hit counts, where only one in so many could be seen.
    """
    size = len(excess)
    if not size:
        return Row(LINE, None)
    value = float(excess.mean())
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=excess - value)
    reach = max(Z * math.sqrt(float((sums**2).sum())) / size, unseen * Z**2 / (size + Z**2))
    low, value, high = (min(1.0, max(-1.0, each)) for each in (value - reach, value, value + reach))
    return Row(LINE, value, low, high, size)


def find_threshold(scores: Array, share: float) -> tuple[float, float]:
    """The score that a share of the scores lies above, and which part of those that are equal to it must count to make the share."""
    size = len(scores)
    threshold = float(np.sort(scores)[::-1][min(size - 1, int(share * size))])
    above, tied = np.count_nonzero(scores > threshold), np.count_nonzero(scores == threshold)
    return threshold, (share * size - above) / tied


def count_above(scores: Array, threshold: float, of_tied: float) -> Array:
    """1 for a score above the threshold, `of_tied` for one that is equal to it, 0 for others."""
    return np.where(scores == threshold, of_tied, (scores > threshold).astype(np.float64))
