"""Nearest rows by Gower's distance, and the rows that agree on the most, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.encoding import Encoded

Array = NDArray[np.float64]

CELLS = 1_000_000
"""Distances of one block: 8 MB, and as much again for each term, so that they stay in the processor's cache or near it."""


def find_nearest(queries: Encoded, candidates: Encoded, count: int = 1) -> tuple[Array, NDArray[np.int64]]:
    """Distances to the `count` nearest candidates of each query, ascending, and their places: two arrays (queries, count).

    Gower's distance (Gower 1971, Biometrics 27:857): the mean over columns of |a − b| in ranges for numbers and dates,
    and of 0 or 1 for what is equal or not. Missing is a value: equal to another that is missing; from a number that
    is there, one range more than the median is. Of candidates that are as near, the first stands. Where there are fewer
    than `count` candidates, the distances that are lacking are infinite.
    """
    distances = np.full((queries.rows, count), np.inf)
    places = np.zeros((queries.rows, count), dtype=np.int64)
    found = min(count, candidates.rows)
    for rows, block in _blocks(queries.rows, candidates.rows, _gower(queries, candidates)):
        at = np.arange(len(block))
        for rank in range(found):
            nearest = block.argmin(axis=1)
            places[rows, rank], distances[rows, rank] = nearest, block[at, nearest]
            block[at, nearest] = np.inf
    return distances, places


def find_agreement(queries: Encoded, candidates: Encoded, bits: Array) -> tuple[Array, NDArray[np.int64]]:
    """The most that each query agrees on with a candidate, and that candidate's place: two arrays (queries,).

    Agreement is the sum of `bits`, (queries, columns), over the columns in which two rows have the same value
    (Fellegi & Sunter 1969, JASA 64:1183).
    """
    best, places = np.zeros(queries.rows), np.zeros(queries.rows, dtype=np.int64)
    weights, by_column = bits.astype(np.float32), np.ascontiguousarray(candidates.codes.T)

    def agreements(rows: slice) -> NDArray[np.float32]:
        total = np.zeros((len(weights[rows]), candidates.rows), dtype=np.float32)
        term, equal = np.empty_like(total), np.empty(total.shape, dtype=np.bool_)
        for at, column in enumerate(by_column):
            np.equal(queries.codes[rows, at, None], column[None], out=equal)
            np.multiply(equal, weights[rows, at, None], out=term)
            total += term
        return total

    for rows, block in _blocks(queries.rows, candidates.rows, agreements):
        places[rows] = block.argmax(axis=1)
        best[rows] = block.max(axis=1)
    return best, places


def _gower(queries: Encoded, candidates: Encoded) -> Callable[[slice], Array]:
    from scipy.spatial.distance import cdist

    ordered, size = queries.ordered, max(1, len(queries.names))
    numbers = tuple(each.scaled[:, ordered] for each in (queries, candidates))
    labels = tuple(np.where(ordered, each.codes == 0, each.codes) for each in (queries, candidates))
    told = (labels[0] != labels[0][:1]).any(axis=0) | (labels[1] != labels[0][:1]).any(axis=0)
    named = tuple(each[:, told].astype(np.float64) for each in labels)

    def distances(rows: slice) -> Array:
        total = np.zeros((len(numbers[0][rows]), candidates.rows))
        if ordered.any():
            total += cdist(numbers[0][rows], numbers[1], "cityblock") / size
        if told.any():
            total += cdist(named[0][rows], named[1], "hamming") * (told.sum() / size)
        return total

    return distances


def _blocks(rows: int, width: int, compute: Callable[[slice], Any]) -> Iterator[tuple[slice, Any]]:
    step = max(1, CELLS // max(1, width))
    for start in range(0, rows if width else 0, step):
        yield slice(start, start + step), compute(slice(start, start + step))
