"""How well a reward model does on held-out rows: it prefers what people preferred, or foretells what they rated."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from factory.records import digest
from factory.reward.preferences import Pair, Rated, name_prompt
from factory.reward.rating import Rating, RewardModel
from factory.reward_spec import ATTRIBUTES, Attribute

CONFIDENCE = 0.95
LEAST_TO_CORRELATE = 3
ORDERED_BY: Attribute = "helpfulness"
"""What says which of two rated responses to one prompt is better: HelpSteer2's own preference order (arXiv 2406.08673, section 4)."""

Row = TypeVar("Row", Pair, Rated)


@dataclass(frozen=True)
class Accuracy:
    """`right` of `size` pairs, as a share with its 95 % Wilson score interval (Wilson 1927, JASA 22:209)."""

    right: int
    size: int

    @property
    def share(self) -> float:
        return self.right / self.size

    @property
    def interval(self) -> tuple[float, float]:
        from scipy.stats import binomtest

        interval = binomtest(self.right, self.size).proportion_ci(CONFIDENCE, method="wilson")
        return float(interval.low), float(interval.high)


def split_rows(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and about `share` of them held out: all rows of a prompt on one side, by a hash of the prompt and the seed."""
    kept: list[Row] = []
    held: list[Row] = []
    for row in rows:
        asked = name_prompt(row.chosen if isinstance(row, Pair) else row.dialogue)
        (held if int(digest(["held out", seed, asked])[:13], 16) / 16**13 < share else kept).append(row)
    return kept, held


def measure_accuracy(pairs: Sequence[Pair], model: RewardModel) -> Accuracy:
    """How often the chosen gets the greater score; equal scores are wrong. Pairs that the model cannot read do not count.

    A model of attributes is taken at its ORDERED_BY.
    """
    chosen, rejected = model.rate([pair.chosen for pair in pairs]), model.rate([pair.rejected for pair in pairs])
    scored = [(_score(a), _score(b)) for a, b in zip(chosen, rejected, strict=True) if a is not None and b is not None]
    return Accuracy(sum(a > b for a, b in scored), len(scored))


def learn_length_rule(pairs: Sequence[Pair]) -> bool:
    """Whether the longer response is the chosen one more often than the shorter: what lengths alone can teach."""
    differences = [_length_difference(pair) for pair in pairs]
    return sum(difference > 0 for difference in differences) >= sum(difference < 0 for difference in differences)


def measure_length_rule(pairs: Sequence[Pair], longer: bool) -> Accuracy:
    """How often the longer response (or the shorter) is the chosen one; of pairs of equal length every second is right."""
    differences = [_length_difference(pair) for pair in pairs]
    won = sum(difference > 0 if longer else difference < 0 for difference in differences)
    return Accuracy(won + differences.count(0) // 2, len(differences))


def pair_up(rows: Sequence[Rated]) -> list[Pair]:
    """Of rated responses to one prompt every two that differ in ORDERED_BY, the better one chosen."""
    by_prompt: dict[str, list[Rated]] = {}
    for row in rows:
        if row.attributes[ORDERED_BY] is not None:
            by_prompt.setdefault(json.dumps(name_prompt(row.dialogue)), []).append(row)
    pairs: list[Pair] = []
    for together in by_prompt.values():
        for one, other in itertools.combinations(together, 2):
            difference = (one.attributes[ORDERED_BY] or 0.0) - (other.attributes[ORDERED_BY] or 0.0)
            if difference:
                better, worse = (one, other) if difference > 0 else (other, one)
                pairs.append(Pair(better.dialogue, worse.dialogue))
    return pairs


def measure_ratings(rows: Sequence[Rated], model: RewardModel, means: Mapping[str, float]) -> dict[str, float]:
    """By attribute the mean squared error, that of always saying the training rows' mean (`means`), and Pearson's correlation.

    The correlation is left out where it is undefined, an attribute where no held-out row rates it.
    """
    ratings = model.rate([row.dialogue for row in rows])
    measured: dict[str, float] = {}
    for name in ATTRIBUTES:
        values = [
            (rating.attributes[name], given)
            for row, rating in zip(rows, ratings, strict=True)
            if rating is not None and rating.attributes is not None and (given := row.attributes[name]) is not None
        ]
        if not values:
            continue
        said, true = np.array(values).T
        measured[f"mse_{name}"] = float(np.mean((said - true) ** 2))
        measured[f"mse_of_mean_{name}"] = float(np.mean((means[name] - true) ** 2))
        if len(values) >= LEAST_TO_CORRELATE and said.std() > 0 and true.std() > 0:
            measured[f"correlation_{name}"] = float(np.corrcoef(said, true)[0, 1])
    return measured


def _score(rating: Rating) -> float:
    value = rating.reward if rating.attributes is None else rating.attributes[ORDERED_BY]
    assert value is not None
    return value


def _length_difference(pair: Pair) -> int:
    return len(pair.chosen[-1].content) - len(pair.rejected[-1].content)
