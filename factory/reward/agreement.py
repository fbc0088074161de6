"""How far verdicts agree with people's labels: shares, kappa, calibration error, correlations, each with a 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.spec import Spec

CONFIDENCE = 0.95
RESAMPLES = 500
"""Draws of each bootstrap; its percentiles are those of the 2.5 % and 97.5 %."""
FEWEST = 10
"""Examples from which a bootstrap says something; of fewer it gives back the few values that there are. Wilson's interval, which is as wide
as few examples deserve, needs no such bound."""
BINS = 10
"""Bins of equal mass of the expected calibration error, as in Guo et al. 2017, with Naeini et al.'s quantiles."""
UNPARSED = "unparsed"
"""The verdict of an answer that did not parse, or of a response that is longer than the model reads."""

Floats = NDArray[np.float64]


class Figure(Spec):
    """A value with its 95 % interval, and the examples that it rests on; null where they do not say."""

    value: float | None
    low: float | None
    high: float | None
    size: int


def share(hits: int, size: int) -> Figure:
    """hits/size with the Wilson score interval (Wilson 1927, JASA 22:209)."""
    from scipy.stats import binomtest

    if not size:
        return Figure(value=None, low=None, high=None, size=0)
    interval = binomtest(hits, size).proportion_ci(CONFIDENCE, method="wilson")
    return Figure(value=hits / size, low=float(interval.low), high=float(interval.high), size=size)


def count_confusion(labels: Sequence[str], verdicts: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, int]]:
    """By each label the number of each verdict, zeros included, in the order of `names`; labels that nobody gave are left out."""
    from sklearn.metrics import confusion_matrix

    table = confusion_matrix(labels, verdicts, labels=list(names))
    return {label: dict(zip(names, map(int, row), strict=True)) for label, row in zip(names, table, strict=True) if row.sum()}


def measure_kappa(labels: Sequence[str], verdicts: Sequence[str]) -> Figure:
    """Cohen's kappa (Cohen 1960): agreement beyond what the two would reach by chance, 1 whole, 0 none.

    Null where one category is all there is. The interval, from FEWEST examples on, is the percentile bootstrap over examples, drawn as
    counts of the confusion matrix, of which kappa is a function.
    """
    from sklearn.metrics import cohen_kappa_score, confusion_matrix

    names = sorted({*labels, *verdicts})
    if len(names) < 2:
        return Figure(value=None, low=None, high=None, size=len(labels))
    table = confusion_matrix(labels, verdicts, labels=names)
    value = float(cohen_kappa_score(labels, verdicts, labels=names))
    if len(labels) < FEWEST:
        return Figure(value=value, low=None, high=None, size=len(labels))
    drawn = np.random.default_rng(0).multinomial(len(labels), table.ravel() / table.sum(), RESAMPLES).reshape(-1, *table.shape)
    observed = np.trace(drawn, axis1=1, axis2=2) / len(labels)
    expected = (drawn.sum(1) * drawn.sum(2)).sum(1) / len(labels) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        kappas = np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
    return Figure(**_bound(value, kappas), size=len(labels))


def calibration_error(probabilities: Floats, outcomes: NDArray[np.bool_]) -> float:
    """Expected calibration error: the mean over bins of |mean probability - share of outcomes|, weighted by their examples.

    Bins are ten quantiles of the probabilities, equal ones together (Naeini et al. 2015, AAAI 29; Guo et al. 2017, arXiv 1706.04599).
    """
    edges = np.quantile(probabilities, np.linspace(0, 1, BINS + 1))
    places = np.searchsorted(edges[1:-1], probabilities)
    counts = np.bincount(places, minlength=BINS)
    gaps = np.abs(np.bincount(places, probabilities, BINS) - np.bincount(places, outcomes, BINS))
    return float(gaps.sum() / counts.sum())


def measure_calibration(probabilities: Floats, outcomes: NDArray[np.bool_]) -> Figure:
    """The expected calibration error. Of few examples it is too high: bins of chance alone differ from their mean."""
    return resample(len(outcomes), lambda drawn: calibration_error(probabilities[drawn], outcomes[drawn]))


def measure_area(scores: Floats, good: NDArray[np.bool_]) -> Figure:
    """Area under the ROC curve: how often a good response has a higher score than a bad one, ties by half.

    By ranks (Mann & Whitney 1947; Hanley & McNeil 1982, Radiology 143:29), as resampling takes hundreds of areas.
    """

    def area(drawn: NDArray[np.int64]) -> float:
        is_good = good[drawn]
        hits = int(is_good.sum())
        misses = len(drawn) - hits
        ranks = float(_rank(scores[drawn])[is_good].sum())
        return (ranks - hits * (hits + 1) / 2) / (hits * misses) if hits and misses else np.nan

    return resample(len(good), area)


def measure_correlation(one: Floats, other: Floats) -> Figure:
    """Spearman's rank correlation; null where one of the two is constant."""

    def correlate(drawn: NDArray[np.int64]) -> float:
        ranks = _rank(one[drawn]), _rank(other[drawn])
        constant = any(each.std() == 0 for each in ranks)
        return np.nan if constant else float(np.corrcoef(*ranks)[0, 1])

    return resample(len(one), correlate)


def resample(size: int, statistic: Callable[[NDArray[np.int64]], float]) -> Figure:
    """`statistic` of all examples, given by their places, and the percentile bootstrap of it over examples, without an interval below
    FEWEST of them. NaN says undefined."""
    if not size:
        return Figure(value=None, low=None, high=None, size=0)
    generator = np.random.default_rng(0)
    drawn = [statistic(generator.integers(0, size, size)) for _ in range(RESAMPLES if size >= FEWEST else 0)]
    return Figure(**_bound(statistic(np.arange(size)), np.array(drawn)), size=size)


def _rank(values: Floats) -> Floats:
    """Ranks from 1, equal values at their mean: what scipy's rankdata gives, without its checks of every draw of a bootstrap."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _bound(value: float, resampled: Floats) -> dict[str, Any]:
    """A value with the percentiles of what resampling gave."""
    defined = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(defined) < 2:
        return {"value": float(value) if np.isfinite(value) else None, "low": None, "high": None}
    low, high = np.percentile(defined, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return {"value": float(value), "low": float(low), "high": float(high)}
