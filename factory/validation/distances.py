"""How far two samples lie apart: distances, corrected for chance within leaves, with permutation tests and intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.validation.intervals import RESAMPLES, Z, normal_interval, seeded
from factory.validation.text import count_matrix

DRAWN = 200_000
"""Numbers that are drawn at once."""

Array = NDArray[np.float64]
Distance = Callable[[Array, Array], Array]
Texts = Mapping[str, tuple[list[list[str]], list[list[str]]]]
"""Per leaf: the word lists of the synthetic and of the real texts."""


@dataclass(frozen=True)
class LeafComparison:
    """One leaf: its distance corrected for chance, and the interval."""

    leaf: str
    value: float
    low: float
    high: float
    size: int


@dataclass(frozen=True)
class Comparison:
    """Mean over leaves of the corrected distance. `p` is of the permutation test within leaves; None without leaves."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    size: int
    leaves: tuple[LeafComparison, ...]


def kolmogorov_smirnov(first: Array, second: Array) -> Array:
    """D = max |F − G| of shares over ordered values, (draws, values) → (draws,); as scipy.stats.ks_2samp. 0 alike, 1 apart."""
    return np.asarray(np.abs(np.cumsum(first - second, axis=1)).max(axis=1))


def total_variation(first: Array, second: Array) -> Array:
    """½ Σ |p − q|, (draws, categories) → (draws,): the share that must move to turn one into the other. 0 alike, 1 apart."""
    return np.asarray(np.abs(first - second).sum(axis=1) / 2)


def jensen_shannon(first: Array, second: Array) -> Array:
    """Jensen-Shannon divergence in bits, (draws, categories) → (draws,): the square of scipy's jensenshannon(base=2).

    0 alike, 1 nothing in common (Lin 1991, IEEE Trans. Inf. Theory 37:145).
    """
    middle = (first + second) / 2
    return (_entropy_against(first, middle) + _entropy_against(second, middle)) / 2


def compare_lengths(texts: Texts, name: str) -> Comparison:
    """Kolmogorov-Smirnov distance of lengths in words, within leaves."""
    features = {leaf: _one_hot([[len(tokens) for tokens in side] for side in sides]) for leaf, sides in texts.items()}
    return _compare(features, {leaf: len(sides[0]) for leaf, sides in texts.items()}, kolmogorov_smirnov, name)


def compare_vocabulary(texts: Texts) -> Comparison:
    """Jensen-Shannon divergence of word frequencies, within leaves; a record is the unit that is drawn, not a word."""
    features = {leaf: count_matrix([*sides[0], *sides[1]]) for leaf, sides in texts.items()}
    return _compare(features, {leaf: len(sides[0]) for leaf, sides in texts.items()}, jensen_shannon, "vocabulary")


def share_distance(counts: Mapping[str, int], reference: Mapping[str, float], name: str, z: float = Z) -> tuple[float, float, float] | None:
    """Total variation of counted categories from given shares, corrected for chance as in `_compare`, with its interval at a
    critical value.

    e is its mean over samples of the given shares, as large as what was counted: of 1,000 categories dealt 1,500 cases evenly a third
    would have to move. None where nothing was counted, or no shares are given.
    """
    size, whole = sum(counts.values()), sum(reference.values())
    if not size or not whole:
        return None
    keys = sorted({*counts, *reference})
    observed = np.array([counts.get(key, 0) for key in keys], dtype=np.float64) / size
    expected = np.array([reference.get(key, 0.0) for key in keys]) / whole
    rng = seeded(name)
    drawn, by_chance = (total_variation(rng.multinomial(size, shares, RESAMPLES) / size, expected[None]) for shares in (observed, expected))
    chance = float(by_chance.mean())
    value = (float(total_variation(observed[None], expected[None])[0]) - chance) / (1.0 - chance)
    low, high = normal_interval(value, drawn / (1.0 - chance), highest=1.0, z=z)
    return max(0.0, value), low, max(0.0, high)


def chi_square_p(counts: Mapping[str, int], reference: Mapping[str, float]) -> float | None:
    """P value of Pearson's chi-square test of goodness of fit; None with fewer than two categories or nothing counted."""
    from scipy.stats import chisquare

    size = sum(counts.values())
    if not size or len({*counts, *reference}) < 2:
        return None
    if any(counts[key] and not reference.get(key) for key in counts):
        return 0.0
    keys = sorted(key for key, share in reference.items() if share)
    if len(keys) < 2:
        return 1.0
    return float(chisquare([counts.get(key, 0) for key in keys], [reference[key] * size for key in keys]).pvalue)


def _compare(features: Mapping[str, Any], synthetic: Mapping[str, int], distance: Distance, name: str) -> Comparison:
    """Compares within each leaf and averages over leaves, so that the mix of leaves does not confound.

    A distance between two small samples of one and the same population is well above 0, the more so the smaller they
    are. Each leaf's distance d is therefore corrected for chance as kappa and the adjusted Rand index are:
    (d − e)/(1 − e), e being its mean over permutations of the labels (Hubert & Arabie 1985, J. Classif. 2:193). 0 is as
    near as two samples of one population, 1 is nothing in common. The p value is of the mean distance over leaves
    under the same permutations, with one added above and below (Phipson & Smyth 2010, arXiv:1603.05766).
    """
    leaves, values, spreads, observed, permuted = [], [], [], [], []
    for leaf, matrix in features.items():
        size, total = synthetic[leaf], matrix.shape[0]
        rng = seeded(f"{name}:{leaf}")
        raw = _distances(matrix, np.repeat([True, False], [size, total - size])[None].astype(np.float64), size, distance)[0]
        shuffled = _shuffled(rng, matrix, size, distance)
        resampled = _resampled(rng, matrix, size, distance)
        chance = float(shuffled.mean())
        scale = 1.0 - chance
        value = (float(raw) - chance) / scale if scale > 1e-9 else 0.0
        spread = resampled / scale if scale > 1e-9 else np.zeros(RESAMPLES)
        low, high = normal_interval(value, spread, highest=1.0)
        leaves.append(LeafComparison(leaf, max(0.0, value), low, max(0.0, high), size))
        values.append(value)
        spreads.append(spread)
        observed.append(float(raw))
        permuted.append(shuffled)
    if not leaves:
        return Comparison(None, None, None, None, 0, ())
    mean = float(np.mean(values))
    low, high = normal_interval(mean, np.mean(spreads, axis=0), highest=1.0)
    exceed = int((np.mean(permuted, axis=0) >= np.mean(observed) - 1e-12).sum())
    p = (exceed + 1) / (RESAMPLES + 1)
    return Comparison(max(0.0, mean), low, max(0.0, high), p, sum(synthetic.values()), tuple(leaves))


def _shuffled(rng: np.random.Generator, matrix: Any, size: int, distance: Distance) -> Array:
    """RESAMPLES distances between `size` records that are drawn without replacement and the others."""
    total = matrix.shape[0]
    picked = ((rng.random((draws, total)).argsort(axis=1).argsort(axis=1) < size).astype(np.float64) for draws in _split_draws(total))
    return np.concatenate([_distances(matrix, each, size, distance) for each in picked])


def _split_draws(total: int) -> list[int]:
    """RESAMPLES in parts of about DRAWN numbers for each of `total` records, so that memory does not grow with both."""
    most = max(1, DRAWN // total)
    return [min(most, RESAMPLES - at) for at in range(0, RESAMPLES, most)]


def _distances(matrix: Any, picked: Array, size: int, distance: Distance) -> Array:
    """Distances between the records that each row of `picked` picks and those that it leaves."""
    return distance(_shares(picked @ matrix), _shares((1.0 - picked) @ matrix))


def _resampled(rng: np.random.Generator, matrix: Any, size: int, distance: Distance) -> Array:
    """RESAMPLES distances between bootstrap samples of both sides."""
    first, second = (_draw_again(rng, side) for side in (matrix[:size], matrix[size:]))
    return distance(_shares(first), _shares(second))


def _draw_again(rng: np.random.Generator, side: Any) -> Array:
    """(RESAMPLES, values) sums over as many rows of one side as it has, drawn with replacement."""
    size = side.shape[0]
    return np.concatenate([rng.multinomial(size, np.full(size, 1 / size), draws).astype(np.float64) @ side for draws in _split_draws(size)])


def _shares(counts: Array) -> Array:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12))


def _entropy_against(shares: Array, middle: Array) -> Array:
    """Σ p log2(p/m), 0 where p is 0."""
    safe = np.where(shares > 0, shares, 1.0)
    return np.asarray((shares * np.log2(safe / np.where(shares > 0, middle, 1.0))).sum(axis=1))


def _one_hot(sides: Sequence[Sequence[int]]) -> Any:
    """(records, distinct values) with a one at each record's value, values in ascending order."""
    from scipy.sparse import csr_array

    values, codes = np.unique([value for side in sides for value in side], return_inverse=True)
    return csr_array((np.ones(codes.size), (np.arange(codes.size), codes)), shape=(codes.size, values.size))
