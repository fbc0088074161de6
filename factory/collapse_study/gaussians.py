"""Gaussians fitted to samples of the Gaussian before, under every policy, against their closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.collapse_study import closed_forms
from factory.collapse_study.figures import REAL_SHARE, compare

Values = NDArray[np.float64]
Fit = tuple[Values, Values]
"""Mean and standard deviation of each replicate."""
NAME = "gaussians"


@dataclass(frozen=True)
class Gaussians:
    """N(0, 1) fitted to `size` records, `generations` times again to records of the last fit, in `replicates` worlds at once."""

    size: int = 100
    generations: int = 20
    replicates: int = 10_000


def simulate(settings: Gaussians, seed: int, on_step: Callable[[str], None] = lambda policy: None) -> pl.DataFrame:
    """FIGURE rows: E[μ²], E[σ²] and, unbiased, E[σ] and E[W₂²] of each generation and policy."""
    fits, size = np.arange(1, settings.generations + 2), settings.size
    frames = []

    def add(policy: str, statistic: str, samples: Values, expected: Values) -> None:
        frames.append(compare(NAME, policy, statistic, samples, expected))

    for number, (policy, run) in enumerate(_POLICIES.items()):
        means, deviations = run(settings, np.random.default_rng([seed, number]))
        mean_error = _EXPECTED[policy](fits, size)
        add(policy, "mean_error", means**2, mean_error)
        if policy == "replace_unbiased":
            add(policy, "variance", deviations**2, np.ones(fits.size))
            add(policy, "deviation", deviations, closed_forms.replaced_deviation(fits, size))
            add(policy, "distance", means**2 + (deviations - 1) ** 2, closed_forms.replaced_distance(fits, size))
        else:
            add(policy, "variance", deviations**2, 1 - mean_error)
        if policy == "accumulate":
            bound = np.full(fits.size, closed_forms.accumulated_mean_error_bound(size))
            frames.append(compare(NAME, policy, "mean_error", means**2, bound, "at_most"))
        on_step(policy)
    return pl.concat(frames)


def _replace(settings: Gaussians, rng: np.random.Generator, divisor: int = 0) -> Fit:
    def draw(mean: Values, deviation: Values) -> Values:
        return mean[:, None] + deviation[:, None] * rng.standard_normal((settings.replicates, settings.size))

    return _chain(settings, draw, divisor)


def _replace_unbiased(settings: Gaussians, rng: np.random.Generator) -> Fit:
    return _replace(settings, rng, divisor=1)


def _refreshed(settings: Gaussians, rng: np.random.Generator) -> Fit:
    shape = (settings.replicates, settings.size)

    def draw(mean: Values, deviation: Values) -> Values:
        noise = rng.standard_normal(shape)
        return np.where(rng.random(shape) < REAL_SHARE, noise, mean[:, None] + deviation[:, None] * noise)

    return _chain(settings, draw)


def _kept(settings: Gaussians, rng: np.random.Generator) -> Fit:
    shape = (settings.replicates, settings.size)
    real: list[Values] = []

    def draw(mean: Values, deviation: Values) -> Values:
        made = mean[:, None] + deviation[:, None] * rng.standard_normal(shape)
        if not real:
            real.append(made)
            return made
        again = np.take_along_axis(real[0], rng.integers(settings.size, size=shape), axis=1)
        return np.where(rng.random(shape) < REAL_SHARE, again, made)

    return _chain(settings, draw)


def _accumulate(settings: Gaussians, rng: np.random.Generator) -> Fit:
    sums, squares, count = np.zeros(settings.replicates), np.zeros(settings.replicates), 0
    mean, deviation = np.zeros(settings.replicates), np.ones(settings.replicates)
    means, deviations = [], []
    for _ in range(settings.generations + 1):
        records = mean[:, None] + deviation[:, None] * rng.standard_normal((settings.replicates, settings.size))
        sums, squares, count = sums + records.sum(axis=1), squares + (records**2).sum(axis=1), count + settings.size
        mean = sums / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        means.append(mean)
        deviations.append(deviation)
    return np.array(means), np.array(deviations)


def _chain(settings: Gaussians, draw: Callable[[Values, Values], Values], divisor: int = 0) -> Fit:
    """Fits to what `draw` gives of the fit before; `divisor` is what M is lowered by in the variance."""
    mean, deviation = np.zeros(settings.replicates), np.ones(settings.replicates)
    means, deviations = [], []
    for _ in range(settings.generations + 1):
        records = draw(mean, deviation)
        mean, deviation = records.mean(axis=1), records.std(axis=1, ddof=divisor)
        means.append(mean)
        deviations.append(deviation)
    return np.array(means), np.array(deviations)


_POLICIES: dict[str, Callable[[Gaussians, np.random.Generator], Fit]] = {
    "replace_unbiased": _replace_unbiased,
    "replace": _replace,
    "refreshed": _refreshed,
    "kept": _kept,
    "accumulate": _accumulate,
}
_EXPECTED: dict[str, Callable[..., Values]] = {
    "replace_unbiased": closed_forms.replaced_mean_error,
    "replace": lambda fits, size: 1 - closed_forms.replaced_variance(fits, size),
    "refreshed": lambda fits, size: closed_forms.refreshed_mean_error(fits, size, REAL_SHARE),
    "kept": lambda fits, size: closed_forms.kept_mean_error(fits, size, REAL_SHARE),
    "accumulate": lambda fits, size: 1 - closed_forms.accumulated_variance(fits, size),
}
STEPS = tuple(_POLICIES)
"""What `on_step` is called with, in this order."""
