"""Attacks with a synthetic table on rows that it may be made from: singling out, linking, and guessing a secret."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.encoding import Encoded
from factory.validation.columns.neighbours import find_nearest

Bools = NDArray[np.bool_]
MOST_TRIES = 10_000
"""Rows of the synthetic table that are tried for predicates; few of them single out where a table has few values."""


@dataclass(frozen=True)
class Predicate:
    """Conditions, all of which must hold, on the codes of some columns: (column, least code, greatest code)."""

    conditions: tuple[tuple[int, int, int], ...]

    def count(self, rows: Encoded) -> int:
        """How many rows it holds of."""
        kept = np.ones(rows.rows, dtype=np.bool_)
        for column, least, most in self.conditions:
            codes = rows.codes[:, column]
            kept &= (codes >= least) & (codes <= most) if least != most else codes == least
        return int(np.count_nonzero(kept))


def write_predicates(synthetic: Encoded, columns: int, size: int, rng: np.random.Generator) -> tuple[list[Predicate], int]:
    """At most `size` predicates of so many columns that each hold of one synthetic row, and how many rows were tried.

    Algorithm 2 of Giomi et al. 2023 (arXiv:2211.10459): of a random row and random columns, equality for categories, and
    for a number at least its value where that is above the median, at most where it is not.
    """
    columns, width = min(columns, len(synthetic.names)), len(synthetic.names)
    ends = synthetic.codes.max(axis=0, initial=0)
    medians = [float(np.median(codes[codes > 0])) if (codes > 0).any() else 0.0 for codes in synthetic.codes.T]
    found: dict[Predicate, None] = {}
    tries = 0
    while len(found) < size and tries < MOST_TRIES:
        tries += 1
        row = synthetic.codes[rng.integers(synthetic.rows)]
        predicate = Predicate(
            tuple(
                _extreme(at, int(row[at]), medians[at], int(ends[at])) if synthetic.ordered[at] else (at, int(row[at]), int(row[at]))
                for at in sorted(rng.choice(width, columns, replace=False).tolist())
            )
        )
        if predicate not in found and predicate.count(synthetic) == 1:
            found[predicate] = None
    return list(found), tries


def write_rare_predicates(synthetic: Encoded, size: int, rng: np.random.Generator) -> list[Predicate]:
    """At most `size` predicates of one column that each hold of one synthetic row (algorithm 1 of Giomi et al. 2023).

    Values that one row has, "missing" among them, and the least and the greatest number.
    """
    found: dict[Predicate, None] = {}
    for at, codes in enumerate(synthetic.codes.T):
        values, counts = np.unique(codes, return_counts=True)
        rare = values[counts == 1].tolist()
        found |= {Predicate(((at, value, value),)): None for value in rare}
        present = values[values > 0]
        if synthetic.ordered[at] and len(present):
            ends = Predicate(((at, 1, int(present[0])),)), Predicate(((at, int(present[-1]), np.iinfo(np.int32).max),))
            found |= {end: None for end in ends if end.count(synthetic) == 1}
    chosen = list(found)
    return [chosen[at] for at in rng.permutation(len(chosen))[:size]]


def write_naive_predicates(synthetic: Encoded, columns: int, size: int, rng: np.random.Generator) -> list[Predicate]:
    """Predicates of values that are drawn column by column, as one would write who knows what values there are."""
    columns, width = min(columns, len(synthetic.names)), len(synthetic.names)
    values = [np.unique(codes) for codes in synthetic.codes.T]
    predicates = []
    for _ in range(size):
        conditions = []
        for at in rng.choice(width, columns, replace=False).tolist():
            value = int(rng.choice(values[at]))
            kinds = [(value, value), (max(1, value), np.iinfo(np.int32).max), (1, value)]
            least, most = kinds[int(rng.integers(3))] if synthetic.ordered[at] and value else kinds[0]
            conditions.append((at, least, most))
        predicates.append(Predicate(tuple(conditions)))
    return predicates


def count_singled_out(predicates: Iterable[Predicate], rows: Encoded) -> int:
    """How many predicates hold of exactly one row."""
    return sum(predicate.count(rows) == 1 for predicate in predicates)


def count_links(targets: Encoded, synthetic: Encoded, halves: tuple[Sequence[str], Sequence[str]]) -> int:
    """Targets both halves of whose columns have one and the same nearest synthetic row (§4.2 of Giomi et al. 2023, k = 1)."""
    first, second = (find_nearest(targets.select(half), synthetic.select(half))[1][:, 0] for half in halves)
    return int(np.count_nonzero(first == second))


def guess(targets: Encoded, synthetic: Encoded, known: Sequence[str]) -> NDArray[np.int64]:
    """The synthetic row that is nearest to each target in the columns that an attacker knows."""
    return find_nearest(targets.select(known), synthetic.select(known))[1][:, 0]


def deal_secrets(secrets: Sequence[str]) -> dict[str, slice]:
    """Each target to one secret, in turn: the targets of each secret."""
    return {secret: slice(at, None, len(secrets)) for at, secret in enumerate(secrets)}


def _extreme(column: int, code: int, median: float, end: int) -> tuple[int, int, int]:
    """Missing, or the values from a number's own to the end that is nearer to it."""
    if code == 0:
        return column, 0, 0
    return (column, code, np.iinfo(np.int32).max) if code > median else (column, 1, code)
