"""How far the two distributions of one column lie apart: Kolmogorov-Smirnov or total variation, Jensen-Shannon, and p values.

All are computed of counts. Expected distances of two samples of one population come from random permutations of the two
sides, which for counts are draws of a multivariate hypergeometric distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.kept import computed_once
from factory.validation.columns.marginals import Counts, Marginal, count_marginals
from factory.validation.columns.table import Columns
from factory.validation.distances import jensen_shannon, kolmogorov_smirnov, total_variation
from factory.validation.intervals import RESAMPLES, seeded


@dataclass(frozen=True)
class Shape:
    """One column's distances. `distance` and `divergence` are raw; `chance` and `divergence_chance` what chance alone gives.

    `error` is the standard error of `distance`, `divergence_error` that of `divergence`. `p` is of the two-sample test.
    """

    distance: float
    error: float
    chance: float
    divergence: float
    divergence_error: float
    divergence_chance: float
    p: float
    size: int


@computed_once
def compare_shapes(columns: Columns) -> Mapping[str, Shape]:
    """The shapes of all columns in which at least one side has a value, by name; no columns where a side has no rows."""
    marginals = count_marginals(columns) if columns.real.height and columns.synthetic.height else {}
    return {name: _compare(marginal) for name, marginal in marginals.items() if any(marginal.present)}


def correct_for_chance(distance: float, chance: float) -> float:
    """(d - e)/(1 - e): 0 as near as two samples of one population, 1 nothing in common (Hubert & Arabie 1985, J. Classif. 2:193)."""
    return max(0.0, (distance - chance) / (1 - chance)) if chance < 1 - 1e-9 else 0.0


def _compare(marginal: Marginal) -> Shape:
    size = marginal.rows[1]
    if not all(marginal.present):
        return Shape(1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, size)
    rng = seeded(f"shape:{marginal.name}")
    distance_of = kolmogorov_smirnov if marginal.ordered else total_variation
    distance, error = _largest_difference(marginal)
    cells = marginal.cells
    first, second = _permuted(rng, *cells)
    real, synthetic = (np.append(counts, missing) for counts, missing in zip(cells, marginal.missing, strict=True))
    drawn = (_shares(rng.multinomial(side.sum(), side / side.sum(), RESAMPLES)) for side in (real, synthetic))
    chance = _permuted(rng, real, synthetic)
    return Shape(
        distance,
        error,
        float(distance_of(first, second).mean()),
        float(jensen_shannon(_shares(real[None]), _shares(synthetic[None]))[0]),
        float(jensen_shannon(*drawn).std(ddof=1)),
        float(jensen_shannon(*chance).mean()),
        _test(marginal, distance),
        size,
    )


def _largest_difference(marginal: Marginal) -> tuple[float, float]:
    """D = max |F - G|, or total variation, and its standard error.

    Both are P(A) - Q(A) for the set A where that is largest: the values up to one point, or the categories that are more
    frequent on one side. By the envelope theorem the error is that of two shares at this A (Raghavachari 1973, Ann. Stat. 1:67).
    """
    sizes = marginal.present
    p, q = marginal.real / sizes[0], marginal.synthetic / sizes[1]
    if marginal.ordered:
        below = np.cumsum(p), np.cumsum(q)
        at = int(np.argmax(np.abs(below[0] - below[1])))
        inside, other = float(below[0][at]), float(below[1][at])
    else:
        more = p > q
        inside, other = float(p[more].sum()), float(q[more].sum())
    spread = [max(share * (1 - share), 0.0) / size for share, size in zip((inside, other), sizes, strict=True)]
    return min(abs(inside - other), 1.0), float(np.sqrt(sum(spread)))


def _permuted(rng: np.random.Generator, real: Counts, synthetic: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of both sides, (RESAMPLES, cells) each, when rows are dealt to the sides at random."""
    pooled = real + synthetic
    dealt = rng.multivariate_hypergeometric(pooled, int(real.sum()), RESAMPLES, method="marginals")
    return _shares(dealt), _shares(pooled - dealt)


def _shares(counts: Counts) -> NDArray[np.float64]:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _test(marginal: Marginal, distance: float) -> float:
    """The p value of the two-sample test: Kolmogorov-Smirnov's of ordered columns, Pearson's chi-square of categories."""
    from scipy.stats import chi2_contingency, kstwo

    if marginal.ordered:
        sizes = marginal.present
        return float(kstwo.sf(distance, max(round(sizes[0] * sizes[1] / (sizes[0] + sizes[1])), 1)))
    table = np.stack([np.append(marginal.real, marginal.missing[0]), np.append(marginal.synthetic, marginal.missing[1])])
    table = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0
