"""How far an attack on the rows of the training succeeds beyond the same attack on rows that no generator saw."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from factory.validation.intervals import Z, wilson
from factory.validation.metric import LINE, Row

RISK = "(r - c)/(1 - c) of the success rates r on the training and c on the holdout, cut to 0 to 1 (Giomi et al. 2023, arXiv:2211.10459)"
PROPAGATED = "Wilson score of both rates, errors propagated"


@dataclass(frozen=True)
class Attack:
    """Guesses that were right of those that were made: about training rows, about the holdout, and by an attacker without the table."""

    train: float
    holdout: float
    naive: float
    size: int
    holdout_size: int


def find_risk(attack: Attack, z: float = Z) -> tuple[float, float, float]:
    """The risk and its interval at a critical value: the residual success of eq. (2) and (3) of Giomi et al. 2023, PoPETs 2023(2):312.

    Each rate is the centre of its Wilson interval and each error half its width, as in their code, so that a rate of 1
    on the holdout leaves no risk that could be shown rather than a division by 0.
    """
    rate, error = _centre(attack.train, attack.size, z)
    control, control_error = _centre(attack.holdout, attack.holdout_size, z)
    value = (rate - control) / (1 - control)
    reach = math.hypot(error / (1 - control), control_error * (1 - rate) / (1 - control) ** 2)
    low, value, high = (min(1.0, max(0.0, each)) for each in (value - reach, value, value + reach))
    return value, low, high


def rows_of_attack(attack: Attack | None) -> Iterator[Row]:
    """The risk, and as information the three rates that it is made of; no value where no guess was made."""
    if attack is None or not min(attack.size, attack.holdout_size):
        yield Row(LINE, None)
        return
    yield Row(LINE, *find_risk(attack), attack.size)
    yield from rates_of_attack(attack)


def rates_of_attack(attack: Attack) -> Iterator[Row]:
    """The three rates that a risk is made of."""
    for name, hits, size in (
        ("success=training", attack.train, attack.size),
        ("success=holdout", attack.holdout, attack.holdout_size),
        ("success=naive", attack.naive, attack.size),
    ):
        yield Row(name, hits / size, *wilson(hits, size), size)


def _centre(hits: float, size: int, z: float) -> tuple[float, float]:
    """Centre and half width of the Wilson interval."""
    centre = (hits + z**2 / 2) / (size + z**2)
    return centre, z / (size + z**2) * math.sqrt(hits * (size - hits) / size + z**2 / 4)
