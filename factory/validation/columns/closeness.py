"""How near synthetic rows are to the rows they were made from and to rows that no generator has seen, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.encoding import Encoded, encode_together
from factory.validation.columns.kept import computed_once
from factory.validation.columns.neighbours import Array, find_agreement, find_nearest
from factory.validation.columns.sample import sample_rows
from factory.validation.columns.table import Columns

QUERIES = 2_000
"""Rows that are looked up: the share of half of them has an interval of ±2.2 %. Where the holdout is smaller than train, as many times more
as train is larger, for what a row of the holdout says then stands for several."""

CANDIDATES = 25_000
"""Rows of a side that they are looked up among. Where the holdout is larger, a copy is found only where its original is drawn."""

MOST_PARTS = 40
MOST_OF_TRAIN = 100_000
"""Parts of train, and rows of all of them, that they are looked up among where the holdout is smaller."""

MOST_PAIRS = QUERIES * MOST_OF_TRAIN
"""Pairs of a row that is looked up and one of train; of more than QUERIES rows, as many are looked up as make that."""


@dataclass(frozen=True)
class Samples:
    """Seeded samples of one table, encoded together: train and holdout of one size, and synthetic rows to look up among.

    `others`: further parts of train, of that size too, which share no row.
    """

    train: Encoded
    holdout: Encoded
    synthetic: Encoded
    others: tuple[Encoded, ...] = ()


@dataclass(frozen=True)
class Neighbours:
    """Of each query: the two least distances (queries, 2), the most agreement in bits (queries,), and where these rows stand."""

    distances: Array
    nearest: NDArray[np.int64]
    bits: Array
    likest: NDArray[np.int64]


@dataclass(frozen=True)
class Closeness:
    """The same synthetic rows against train and against as many rows of the holdout.

    `parts`: all parts of train that were looked through, `train` being the first. `ratio`: how many times as many rows as
    the holdout train has, at the least 1.
    """

    train: Neighbours
    holdout: Neighbours
    parts: tuple[Neighbours, ...]
    ratio: float

    @property
    def unseen(self) -> float:
        """How many times as many rows as the parts have there are to look through."""
        return self.ratio / len(self.parts)

    @property
    def queries(self) -> int:
        return len(self.train.bits)


def has_holdout(columns: Columns) -> bool:
    """Whether rows can be held against both sides: a rate against train says nothing beside none against unseen rows."""
    return bool(columns.kinds) and min(columns.real.height, columns.synthetic.height, columns.holdout.height) > 0


@computed_once
def take_samples(columns: Columns) -> Samples | None:
    """The samples; None where a table has no rows on one of the three sides.

    Train and holdout are of one size, min(their rows, CANDIDATES): the nearest of more rows is nearer. A train of more rows
    than the holdout is taken in parts of that size, each against the whole holdout: or a copy would be found only where its
    original is in the one part.
    """
    if not has_holdout(columns):
        return None
    size = min(columns.real.height, columns.holdout.height, CANDIDATES)
    parts = max(1, min(int(_count_ratio(columns)), MOST_PARTS, MOST_OF_TRAIN // size))
    train = sample_rows(columns.real, "columns:train", parts * size)
    frames = [
        train[:size],
        sample_rows(columns.holdout, "columns:holdout", size),
        sample_rows(columns.synthetic, "columns:synthetic", CANDIDATES),
        *(train[start : start + size] for start in range(size, parts * size, size)),
    ]
    first, holdout, synthetic, *others = encode_together(columns, frames)
    return Samples(first, holdout, synthetic, tuple(others))


@computed_once
def measure_closeness(columns: Columns) -> Closeness | None:
    """Neighbours of QUERIES synthetic rows among each part of train and among the holdout; None as of `take_samples`."""
    samples = take_samples(columns)
    if samples is None:
        return None
    parts, ratio = (samples.train, *samples.others), _count_ratio(columns)
    queries = draw_rows(samples.synthetic, max(QUERIES, min(int(QUERIES * ratio), MOST_PAIRS // (len(parts) * samples.train.rows))))
    bits = _count_bits(queries, (samples.train, samples.holdout))
    holdout, *near = (
        Neighbours(*find_nearest(queries, side, 2), *find_agreement(queries, side, bits)) for side in (samples.holdout, *parts)
    )
    return Closeness(near[0], holdout, tuple(near), ratio)


def draw_rows(rows: Encoded, size: int = QUERIES) -> Encoded:
    """The first rows of a sample that is in the order of hashes are as random as any."""
    return rows.take(np.linspace(0, rows.rows - 1, min(size, rows.rows)).round().astype(np.int64))


def _count_ratio(columns: Columns) -> float:
    return max(1.0, columns.real.height / columns.holdout.height)


def _count_bits(queries: Encoded, sides: Sequence[Encoded]) -> Array:
    """-log2 of the share of all real rows, of both sides, that have a query's value: what it tells that a row has it too."""
    real = np.concatenate([side.codes for side in sides])
    bits = np.zeros(queries.codes.shape)
    for at, codes in enumerate(queries.codes.T):
        counts = np.bincount(real[:, at], minlength=int(codes.max()) + 1)
        bits[:, at] = np.log2(len(real) / np.maximum(counts[codes], 1))
    return bits
