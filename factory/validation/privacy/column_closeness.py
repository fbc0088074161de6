"""Whether synthetic rows lie nearer to the rows of the training than to unseen ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.closeness import Closeness, Neighbours, measure_closeness
from factory.validation.columns.neighbours import Array
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z, wilson
from factory.validation.metric import LINE, Row, metric
from factory.validation.privacy.column_excess import EXCESS, count_above, count_independent, find_threshold, row_of_excess
from factory.validation_spec import Gate

CHANCE = 0.01
"""Share of the queries that lie as near to as many unseen rows as train has, by chance, as what counts as near."""

GOWER = "Gower's distance, 2,000 synthetic rows against as many rows of train and holdout, at most 25,000"
BENCH = "above what clean splits of UCI Adult reach at 2,000 rows, below a fifth of edited copies: docs/validation-metrics.md"


@metric(
    "privacy",
    "max",
    "share of synthetic rows that lie nearer to a row of the training than to any of the holdout; 0.5 by chance",
    f"{GOWER}; half of the ties",
    "Wilson score, of as many cases as are independent (Kish)",
    of="columns",
    gate=Gate(max=0.57),
    because=BENCH,
)
def closer_to_train(columns: Columns) -> Iterator[Row]:
    closeness = measure_closeness(columns)
    if closeness is None:
        yield Row(LINE, None)
        return
    train, holdout = closeness.train.distances[:, 0], closeness.holdout.distances[:, 0]
    share = float(np.mean(np.where(train == holdout, 0.5, train < holdout)))
    cases = count_independent(_join_places(closeness, train <= holdout))
    yield Row(LINE, share, *wilson(share * cases, cases), closeness.queries)


@metric(
    "privacy",
    "max",
    "share of synthetic rows that agree more with a row of the training than 99 % of them do with one of the holdout, less 1 %",
    "agreement: sum of -log2 of the shares of the values that two rows have in common (Fellegi & Sunter 1969)",
    EXCESS,
    of="columns",
    gate=Gate(max=0.02),
    because=BENCH,
)
def near_copies(columns: Columns) -> Iterator[Row]:
    closeness = measure_closeness(columns)
    if closeness is None:
        yield Row(LINE, None)
        return
    yield _tail_excess(closeness, lambda side: (side.bits, side.likest))


@metric(
    "privacy",
    "max",
    "share of synthetic rows that lie nearer to a row of the training than 99 % of them do to one of the holdout, less 1 %",
    GOWER,
    EXCESS,
    of="columns",
    gate=Gate(max=0.02),
    because=BENCH,
)
def close_rows(columns: Columns) -> Iterator[Row]:
    closeness = measure_closeness(columns)
    if closeness is None:
        yield Row(LINE, None)
        return
    yield _tail_excess(closeness, lambda side: (-side.distances[:, 0], side.nearest[:, 0]))


@metric("privacy", "info", "median distance of synthetic rows to the nearest row of the training", GOWER, "order statistics", of="columns")
def closest_distance(columns: Columns) -> Iterator[Row]:
    closeness = measure_closeness(columns)
    yield Row(LINE, None) if closeness is None else _median(closeness.train.distances[:, 0])


@metric("privacy", "info", "closest_distance to the holdout, which no generator saw", GOWER, "order statistics", of="columns")
def closest_distance_by_chance(columns: Columns) -> Iterator[Row]:
    closeness = measure_closeness(columns)
    yield Row(LINE, None) if closeness is None else _median(closeness.holdout.distances[:, 0])


@metric(
    "privacy",
    "info",
    "mean ratio of the distances to the nearest and the second nearest row of the training; 0 alone on a row, 1 amid many",
    GOWER,
    "normal",
    of="columns",
)
def neighbour_ratio(columns: Columns) -> Iterator[Row]:
    closeness = measure_closeness(columns)
    yield Row(LINE, None) if closeness is None else _mean_ratio(closeness.train)


@metric("privacy", "info", "neighbour_ratio among the holdout, which no generator saw", GOWER, "normal", of="columns")
def neighbour_ratio_by_chance(columns: Columns) -> Iterator[Row]:
    closeness = measure_closeness(columns)
    yield Row(LINE, None) if closeness is None else _mean_ratio(closeness.holdout)


def _tail_excess(closeness: Closeness, score: Callable[[Neighbours], tuple[Array, NDArray[np.int64]]]) -> Row:
    """How many more queries lie above a score with all of train than would by chance; `score` gives scores and places.

    Above the score lies a share of CHANCE/ratio with the holdout, and so, by chance, with each part of train of its size, and
    CHANCE with all of train.
    """
    of_holdout, holdout_places = score(closeness.holdout)
    threshold, of_tied = find_threshold(of_holdout, CHANCE / closeness.ratio)
    scores, places = (np.array(each) for each in zip(*map(score, closeness.parts), strict=True))
    above = closeness.unseen * count_above(scores, threshold, of_tied).sum(axis=0)
    best = scores.argmax(axis=0)
    row_of_train = best * len(holdout_places) + places[best, np.arange(closeness.queries)]
    clusters = np.where(above > 0, row_of_train, -1 - holdout_places)
    return row_of_excess(above - closeness.ratio * count_above(of_holdout, threshold, of_tied), clusters, closeness.unseen)


def _join_places(closeness: Closeness, of_train: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The nearest of all real rows of each query, those of the holdout below 0."""
    return np.where(of_train, closeness.train.nearest[:, 0], -1 - closeness.holdout.nearest[:, 0])


def _median(values: Array) -> Row:
    """The median, and the order statistics that are its interval by the normal approximation of the binomial (Conover 1999, §3.2)."""
    ranked, size = np.sort(values), len(values)
    reach = Z * np.sqrt(size) / 2
    low, high = (ranked[int(np.clip(at, 0, size - 1))] for at in (np.floor(size / 2 - reach), np.ceil(size / 2 + reach)))
    return Row(LINE, float(np.median(ranked)), float(low), float(high), size)


def _mean_ratio(neighbours: Neighbours) -> Row:
    """Mean of first over second; where both are 0 a row has equals, so it is 1: no one row is the only near one."""
    first, second = neighbours.distances.T
    there = np.isfinite(second)
    first, second = first[there], second[there]
    if len(first) < 2:
        return Row(LINE, None)
    ratios = np.where(second > 0, first / np.where(second > 0, second, 1.0), 1.0)
    value, reach = float(ratios.mean()), Z * float(ratios.std(ddof=1)) / np.sqrt(len(ratios))
    return Row(LINE, value, max(0.0, value - reach), min(1.0, value + reach), len(ratios))
