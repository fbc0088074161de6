"""Distances of each column's distribution from the real one: Kolmogorov-Smirnov, total variation, Wasserstein, Jensen-Shannon."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.effects import Effect, around, list_effects
from factory.validation.columns.marginals import CELLS, Marginal, count_marginals, cut_at_quantiles, has_rows
from factory.validation.columns.shapes import compare_shapes, correct_for_chance
from factory.validation.columns.table import Columns
from factory.validation.intervals import RESAMPLES, seeded
from factory.validation.metric import Row, metric
from factory.validation_spec import Gate

CORRECTED = "corrected for chance as (d - e)/(1 - e) (Hubert & Arabie 1985), e of 200 permutations of the rows"
SIMULTANEOUS = "simultaneous over columns (Bonferroni)"


@metric(
    "fidelity",
    "max",
    "distance of a column's distribution from the real one, the worst column",
    f"Kolmogorov-Smirnov D of numbers and dates, total variation of categories and booleans, {CORRECTED}",
    f"normal, from the two shares whose difference the distance is (Raghavachari 1973), {SIMULTANEOUS}",
    of="columns",
    gate=Gate(max=0.15),
    because="0.16 is the Kolmogorov-Smirnov distance of two normals 0.4 standard deviations apart, 2Φ(0.2) − 1",
)
def column_distance(columns: Columns) -> Iterator[Row]:
    effects = []
    for name, shape in compare_shapes(columns).items():
        value = correct_for_chance(shape.distance, shape.chance)
        effects.append(Effect(name, value, around(value, shape.error / max(1 - shape.chance, 1e-9), 0.0, 1.0), shape.size))
    yield from list_effects(effects, "max", has_rows(columns))


@metric(
    "fidelity",
    "max",
    "Jensen-Shannon divergence of a column from the real one in bits, the worst column",
    f"of categories, booleans, numbers and dates in {CELLS} cells at pooled quantiles, and missing values (Lin 1991), {CORRECTED}",
    f"normal, standard error of 200 bootstrap draws of counts, {SIMULTANEOUS}",
    of="columns",
)
def column_divergence(columns: Columns) -> Iterator[Row]:
    effects = []
    for name, shape in compare_shapes(columns).items():
        value = correct_for_chance(shape.divergence, shape.divergence_chance)
        error = shape.divergence_error / max(1 - shape.divergence_chance, 1e-9)
        effects.append(Effect(name, value, around(value, error, 0.0, 1.0), shape.size))
    yield from list_effects(effects, "max", has_rows(columns))


@metric(
    "fidelity",
    "max",
    "Wasserstein distance of numbers and dates from the real ones, the worst column",
    "∫ |F - G| in pooled standard deviations (scipy's wasserstein_distance); 0 in a table of categories alone",
    f"normal, standard error of 200 bootstrap draws of counts in {CELLS} cells, {SIMULTANEOUS}",
    of="columns",
)
def column_wasserstein(columns: Columns) -> Iterator[Row]:
    ordered = [each for each in count_marginals(columns).values() if each.ordered and all(each.present)] if has_rows(columns) else []
    yield from list_effects([_move(each) for each in ordered], "max", has_rows(columns))


def _move(marginal: Marginal) -> Effect:
    """The mean distance that rows must move, in standard deviations of both sides pooled; of two constants 0 or 2."""
    pooled = marginal.real + marginal.synthetic
    scaled = marginal.values / (float(np.abs(marginal.values).max()) or 1.0)
    mean = pooled @ scaled / pooled.sum()
    spread = float(np.sqrt(pooled @ (scaled - mean) ** 2 / pooled.sum()))
    if spread <= 1e-12:
        return Effect(marginal.name, 0.0, around(0.0, 0.0, 0.0, 0.0), marginal.rows[1])
    value = float(_area(scaled, marginal.real[None], marginal.synthetic[None])[0]) / spread
    starts = cut_at_quantiles(pooled, CELLS)
    centres = np.add.reduceat(pooled * scaled, starts) / np.add.reduceat(pooled, starts)
    rng = seeded(f"wasserstein:{marginal.name}")
    sides = [np.add.reduceat(side, starts) for side in (marginal.real, marginal.synthetic)]
    drawn = _area(centres, *(rng.multinomial(side.sum(), side / side.sum(), RESAMPLES) for side in sides)) / spread
    return Effect(marginal.name, value, around(value, float(drawn.std(ddof=1)), 0.0, np.inf), marginal.rows[1])


def _area(values: NDArray[np.float64], real: NDArray[np.int64], synthetic: NDArray[np.int64]) -> NDArray[np.float64]:
    """∫ |F - G| of counts (draws, values) over ascending values."""
    below = [np.cumsum(side, axis=1) / side.sum(axis=1, keepdims=True) for side in (real, synthetic)]
    return np.asarray(np.abs(below[0] - below[1])[:, :-1] @ np.diff(values))
