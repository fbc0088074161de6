"""Means, spreads and quantiles of numbers and dates from counts, with their standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from factory.validation.columns.marginals import Counts, Marginal, Values


@dataclass(frozen=True)
class Moments:
    """Of one side of a column, in the units of its values. `kurtosis` is the fourth standardised moment, 3 of a normal."""

    size: int
    mean: float
    variance: float
    kurtosis: float


def read_moments(values: Values, counts: Counts) -> Moments:
    """Moments of counted values; the variance is unbiased, and 0 of a single row. Raises ValueError without rows."""
    size = int(counts.sum())
    if not size:
        raise ValueError("there are no moments without rows")
    shares = counts / size
    # Scaled first, so that no square of a large value overflows.
    scale = float(np.abs(values).max()) or 1.0
    scaled = values / scale
    mean = float(shares @ scaled)
    away = scaled - mean
    second = float(shares @ away**2)
    # Rounding leaves a little spread in a constant column.
    if second <= 1e-24:
        return Moments(size, mean * scale, 0.0, 3.0)
    kurtosis = float(shares @ (away / np.sqrt(second)) ** 4)
    with np.errstate(over="ignore"):
        return Moments(size, mean * scale, float(np.float64(second) * size / max(size - 1, 1) * scale * scale), kurtosis)


def both_moments(marginal: Marginal) -> tuple[Moments, Moments] | None:
    """Moments of the real and the synthetic side of an ordered column, in units of its largest value; None where a side has none."""
    if not marginal.ordered or not all(marginal.present):
        return None
    values = marginal.values / (float(np.abs(marginal.values).max()) or 1.0)
    return read_moments(values, marginal.real), read_moments(values, marginal.synthetic)


def quantile(values: Values, below: Counts, level: float) -> float:
    """The smallest value with at least `level` of the rows at or below it (numpy's inverted_cdf); `below` is cumulative counts."""
    return float(values[min(int(np.searchsorted(below, level * below[-1] - 1e-9)), values.size - 1)])


def quantile_limits(values: Values, below: Counts, level: float, z: float) -> tuple[float, float]:
    """Limits of a quantile: the quantiles at level ± z standard errors of a share (Woodruff 1952, JASA 47:635)."""
    half = z * np.sqrt(level * (1 - level) / below[-1])
    return quantile(values, below, max(level - half, 0.0)), quantile(values, below, min(level + half, 1.0))
