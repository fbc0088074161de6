"""Effects with intervals, one per column or pair of columns, and the worst of them as what a gate reads.

Many effects are looked at together, so the intervals of the worst are simultaneous: with k tests the critical value is
the 1 - 0.05/(2k) quantile of the normal (Bonferroni; Dunn 1961, JASA 56:52). The largest lower end is then a lower limit
of the largest effect, and the largest upper end an upper one. An effect shown on its own has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from factory.validation.intervals import CONFIDENCE, wilson_limits
from factory.validation.metric import LINE, Row

Array = NDArray[np.float64]
Limits = Callable[[float], tuple[float, float]]
"""Critical value of the normal → the interval's ends."""

LISTED = 200
"""Rows of single columns or pairs, the worst first: all pairs of 20 columns; those of 200 columns would be 19,900."""


@dataclass(frozen=True)
class Effect:
    """One effect. `tests` is how many tests its interval covers: of a column's worst category, all its categories."""

    subject: str
    value: float
    limits: Limits
    size: int
    tests: int = 1

    @property
    def row(self) -> Row:
        """The effect shown on its own."""
        return Row(self.subject, self.value, *self.limits(critical(self.tests)), self.size)


def critical(tests: int) -> float:
    """The two-sided critical value of the normal for `tests` tests at once."""
    from scipy.special import ndtri

    return float(ndtri(1 - (1 - CONFIDENCE) / (2 * max(tests, 1))))


def list_effects(effects: Sequence[Effect], worst: Literal["max", "min"], measured: bool, none: float = 0.0) -> Iterator[Row]:
    """The row of the worst effect, then those of the single ones, the worst first.

    `measured` is False where a side of the table has no rows: the row then has no value. `none` is the value where the
    table has no column of the kind that the metric reads: nothing was there to be lost.
    """
    if not measured:
        yield Row(LINE, None)
        return
    if not effects:
        yield Row(LINE, none, none, none, 0)
        return
    best_of, sign = (max, -1) if worst == "max" else (min, 1)
    z = critical(sum(each.tests for each in effects))
    ends = [each.limits(z) for each in effects]
    value = best_of(each.value for each in effects)
    low, high = best_of(end[0] for end in ends), best_of(end[1] for end in ends)
    yield Row(LINE, value, min(low, value), max(high, value), max(each.size for each in effects))
    for each in sorted(effects, key=lambda each: (sign * each.value, each.subject))[:LISTED]:
        yield each.row


def around(value: float, error: float, lowest: float, highest: float) -> Limits:
    """value ± z standard errors, cut to the range."""
    return lambda z: (min(max(lowest, value - z * error), highest), max(min(highest, value + z * error), lowest))


def size_of_difference(low: float, high: float) -> tuple[float, float]:
    """The interval of |d| from that of d."""
    return max(0.0, low, -high), max(abs(low), abs(high))


def difference_limits(first: Any, first_size: int, second: Any, second_size: int, z: float) -> tuple[Array, Array]:
    """Limits of the difference of two shares from Wilson's of each (Newcombe 1998, Stat. Med. 17:873, method 10)."""
    p, q = np.asarray(first) / first_size, np.asarray(second) / second_size
    (low_p, high_p), (low_q, high_q) = wilson_limits(first, first_size, z), wilson_limits(second, second_size, z)
    return p - q - np.hypot(p - low_p, high_q - q), p - q + np.hypot(high_p - p, q - low_q)


def ratio_limits(first: Any, first_size: int, second: Any, second_size: int, z: float) -> tuple[Array, Array]:
    """Limits of the ratio of two shares from Wilson's of each; `second` is above 0 (Donner & Zou 2012, SMMR 21:347).

    Where the second share is so small that the lower limit's equation has no root, it is the first's lower limit over
    the second's upper one, which is wider.
    """
    p, q = np.asarray(first) / first_size, np.asarray(second) / second_size
    (low_p, high_p), (low_q, high_q) = wilson_limits(first, first_size, z), wilson_limits(second, second_size, z)
    product, room = p * q, high_q * (2 * q - high_q)
    root = np.sqrt(np.maximum(product**2 - low_p * room * (2 * p - low_p), 0.0))
    low = np.where(room > 0, (product - root) / np.where(room > 0, room, 1.0), low_p / high_q)
    floor = np.maximum(low_q * (2 * q - low_q), 1e-300)
    high = (product + np.sqrt(np.maximum(product**2 - high_p * floor * (2 * p - high_p), 0.0))) / floor
    return np.maximum(low, 0.0), high
