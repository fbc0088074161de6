"""Least squares on labels of the fit before, under every policy, against their closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.collapse_study import closed_forms
from factory.collapse_study.figures import REAL_SHARE, compare

Values = NDArray[np.float64]
NAME = "regression"
STEPS = ("replace", "refreshed", "accumulate")
"""The policies, in the order in which `on_step` is called with them."""


@dataclass(frozen=True)
class Regression:
    """`rows` new rows a generation of `features` standard normal features, label noise 1, in `replicates` worlds at once."""

    features: int = 10
    rows: int = 60
    generations: int = 10
    replicates: int = 4_000

    @property
    def real_rows(self) -> int:
        """Rows of a generation with real labels, where a share is real."""
        return round(REAL_SHARE * self.rows)


def simulate(settings: Regression, seed: int, on_step: Callable[[str], None] = lambda policy: None) -> pl.DataFrame:
    """FIGURE rows of E‖ŵ − w‖²: the excess test error on a new standard normal row."""
    fits, sizes = np.arange(1, settings.generations + 2), (settings.features, settings.rows)
    expected = {
        "replace": closed_forms.replaced_regression(fits, *sizes),
        "refreshed": closed_forms.refreshed_regression(fits, *sizes, settings.real_rows),
        "accumulate": closed_forms.accumulated_regression(fits, *sizes),
    }
    frames = []
    for number, policy in enumerate(STEPS):
        rng = np.random.default_rng([seed, number])
        real = settings.real_rows if policy == "refreshed" else 0
        errors = _fit_again(settings, rng, real, accumulate=policy == "accumulate")
        frames.append(compare(NAME, policy, "excess_error", errors, expected[policy]))
        if policy == "accumulate":
            bound = closed_forms.accumulated_regression_bound(fits, *sizes)
            frames.append(compare(NAME, policy, "excess_error", errors, bound, "at_most"))
        on_step(policy)
    return pl.concat(frames)


def _fit_again(settings: Regression, rng: np.random.Generator, real: int, *, accumulate: bool) -> Values:
    """(fits, replicates) squared errors of the weights. The true weights are 0, so that a fit is its own error."""
    weights = np.zeros((settings.replicates, settings.features))
    products = np.zeros((settings.replicates, settings.features, settings.features))
    moments = np.zeros((settings.replicates, settings.features))
    errors = []
    for _ in range(settings.generations + 1):
        features = rng.standard_normal((settings.replicates, settings.rows, settings.features))
        labels = np.einsum("nrf,nf->nr", features, weights)
        labels[:, :real] = 0
        labels += rng.standard_normal(labels.shape)
        if not accumulate:
            products, moments = np.zeros_like(products), np.zeros_like(moments)
        products = products + features.transpose(0, 2, 1) @ features
        moments = moments + np.einsum("nrf,nr->nf", features, labels)
        weights = np.linalg.solve(products, moments[..., None])[..., 0]
        errors.append((weights**2).sum(axis=1))
    return np.array(errors)
