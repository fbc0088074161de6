"""Confidence intervals of shares, ratios and resampled values, and the seeded generators that resampling draws from."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 200
"""Draws of each permutation test and bootstrap: the standard error of a bootstrapped standard error is 1/sqrt(2·200) = 5 %."""

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


def seeded(name: str) -> np.random.Generator:
    """A random generator that depends on `name` alone, so that one leaf's draws do not move with another's."""
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big"))


def wilson(hits: float, size: float) -> tuple[float, float]:
    """The 95 % Wilson score interval of the share hits/size (Wilson 1927, JASA 22:209); of cases that count in part, too.

    Raises ValueError where size is 0.
    """
    if not size:
        raise ValueError("a share of nothing is undefined")
    low, high = wilson_limits(hits, size, Z)
    return float(low), float(high)


def wilson_limits(hits: Any, size: Any, z: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's score limits of shares (1927, JASA 22:209), for arrays and any critical value; `size` is above 0."""
    hits, size = np.asarray(hits, np.float64), np.asarray(size, np.float64)
    share, square = hits / size, z * z
    middle = (share + square / (2 * size)) / (1 + square / size)
    half = z * np.sqrt(share * (1 - share) / size + square / (4 * size * size)) / (1 + square / size)
    return np.where(hits == 0, 0.0, middle - half), np.where(hits == size, 1.0, middle + half)


def normal_interval(
    value: float, replicates: NDArray[np.float64], lowest: float = 0.0, highest: float = math.inf, z: float = Z
) -> tuple[float, float]:
    """value ± z standard errors, the error being the standard deviation of resampled values, cut to the range.

    The standard normal bootstrap interval (Efron & Tibshirani 1993, ch. 12): unlike percentiles it is not moved by
    the upward bias that a resampled distance between two samples has.
    """
    spread = z * float(np.std(replicates, ddof=1))
    return max(lowest, value - spread), min(highest, value + spread)
