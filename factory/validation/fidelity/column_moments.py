"""Mean, variance and quantiles of numbers and dates."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from factory.validation.columns.effects import Effect, Limits, around, list_effects, size_of_difference
from factory.validation.columns.marginals import Counts, Marginal, Values, count_marginals, has_rows
from factory.validation.columns.moments import Moments, both_moments, quantile, quantile_limits
from factory.validation.columns.table import Columns
from factory.validation.metric import Row, metric
from factory.validation_spec import Gate

WORST = "the worst column"
SIMULTANEOUS = "simultaneous over columns (Bonferroni)"
FURTHEST = 10.0
"""Differences in standard deviations are cut here, where a side without spread would make them infinite."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@metric(
    "fidelity",
    "max",
    f"difference of means of numbers and dates, {WORST}",
    f"standardised mean difference |m - m'|/√((s² + s'²)/2) (Cohen 1988), cut at {FURTHEST:g}; 0 in a table of categories alone",
    f"normal, from both variances, {SIMULTANEOUS}",
    of="columns",
    gate=Gate(max=0.1),
    because="below 0.1 standard deviations groups count as balanced (Austin 2009, Stat. Med. 28:3083)",
)
def column_means(columns: Columns) -> Iterator[Row]:
    effects = [Effect(name, *_mean_difference(*pair), columns.synthetic.height) for name, pair in _moments(columns).items()]
    yield from list_effects(effects, "max", has_rows(columns))


@metric(
    "fidelity",
    "max",
    f"difference of variances of numbers and dates, {WORST}",
    f"|ln(s'²/s²)|, cut at {FURTHEST:g}; 0 in a table of categories alone",
    f"normal, the error of ln s² being √((kurtosis - 1)/n) (delta method), {SIMULTANEOUS}",
    of="columns",
)
def column_variances(columns: Columns) -> Iterator[Row]:
    effects = [Effect(name, *_variance_difference(*pair), columns.synthetic.height) for name, pair in _moments(columns).items()]
    yield from list_effects(effects, "max", has_rows(columns))


@metric(
    "fidelity",
    "max",
    f"difference of the 5, 25, 50, 75 and 95 % quantiles of numbers and dates, {WORST}",
    f"|q - q'| in pooled standard deviations, cut at {FURTHEST:g}; 0 in a table of categories alone",
    f"Woodruff's (1952) of each side, joined by Zou's (2007) for a difference, {SIMULTANEOUS} and levels",
    of="columns",
)
def column_quantiles(columns: Columns) -> Iterator[Row]:
    marginals = count_marginals(columns)
    effects = [effect for name, pair in _moments(columns).items() for effect in _quantile_differences(marginals[name], _spread(*pair))]
    yield from list_effects(effects, "max", has_rows(columns))


def _moments(columns: Columns) -> dict[str, tuple[Moments, Moments]]:
    if not has_rows(columns):
        return {}
    return {name: pair for name, marginal in count_marginals(columns).items() if (pair := both_moments(marginal))}


def _spread(real: Moments, synthetic: Moments) -> float:
    return math.sqrt((real.variance + synthetic.variance) / 2)


def _mean_difference(real: Moments, synthetic: Moments) -> tuple[float, Limits]:
    spread, apart = _spread(real, synthetic), synthetic.mean - real.mean
    if spread == 0:
        value = 0.0 if math.isclose(real.mean, synthetic.mean, rel_tol=1e-12, abs_tol=1e-15) else FURTHEST
        return value, around(value, 0.0, 0.0, FURTHEST)
    difference = apart / spread
    error = math.sqrt(real.variance / real.size + synthetic.variance / synthetic.size) / spread
    return _cut(difference), _sized(difference, error)


def _variance_difference(real: Moments, synthetic: Moments) -> tuple[float, Limits]:
    if not real.variance or not synthetic.variance:
        value = 0.0 if real.variance == synthetic.variance else FURTHEST
        return value, around(value, 0.0, 0.0, FURTHEST)
    difference = math.log(synthetic.variance) - math.log(real.variance)
    error = math.sqrt(sum(max(side.kurtosis - 1, 2 / side.size) / side.size for side in (real, synthetic)))
    return _cut(difference), _sized(difference, error)


def _quantile_differences(marginal: Marginal, spread: float) -> list[Effect]:
    values = marginal.values / (float(np.abs(marginal.values).max()) or 1.0)
    below = np.cumsum(marginal.real), np.cumsum(marginal.synthetic)
    return [_quantile_difference(marginal, values, below, level, spread) for level in LEVELS]


def _quantile_difference(marginal: Marginal, values: Values, below: tuple[Counts, Counts], level: float, spread: float) -> Effect:
    real, synthetic = (quantile(values, side, level) for side in below)

    def in_spreads(difference: float) -> float:
        return difference / spread if spread else math.copysign(FURTHEST, difference) if difference else 0.0

    def limits(z: float) -> tuple[float, float]:
        (low, high), (low_too, high_too) = (quantile_limits(values, side, level, z) for side in below)
        fall, rise = math.hypot(synthetic - low_too, high - real), math.hypot(high_too - synthetic, real - low)
        ends = size_of_difference(in_spreads(synthetic - real - fall), in_spreads(synthetic - real + rise))
        return _cut(ends[0]), _cut(ends[1])

    return Effect(f"{marginal.name}, {level:.0%}", _cut(in_spreads(synthetic - real)), limits, marginal.rows[1])


def _sized(difference: float, error: float) -> Limits:
    def limits(z: float) -> tuple[float, float]:
        low, high = size_of_difference(difference - z * error, difference + z * error)
        return _cut(low), _cut(high)

    return limits


def _cut(difference: float) -> float:
    return min(abs(difference), FURTHEST)
