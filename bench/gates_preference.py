"""A reward that prefers half of the names: rates records and their counterfactuals by noise of their own, and by the name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from planted import Plant

from factory.group_terms_spec import GroupTerms
from factory.problems.vocabulary import FIRST_NAMES
from factory.reward.rating import Dialogue, Rating, read_dialogue
from factory.reward_spec import RewardSpec
from factory.validation.counterfactuals import compare_counterfactuals
from factory.validation.evidence import Evidence
from factory.validation.intervals import seeded
from factory.validation.swap import list_exchanges

PAIRED = [*zip(FIRST_NAMES[::2], FIRST_NAMES[1::2], strict=False)]
NAMES = GroupTerms(group="name", values={"liked": tuple(one for one, _ in PAIRED), "other": tuple(other for _, other in PAIRED)})
SPEC = RewardSpec(model="preferring", min_goodness=0)


@dataclass(frozen=True)
class Preferring:
    """Noise of standard deviation 1 from the text, whichever of two names stands there, and `by` more for one that is liked."""

    by: float
    seed: int
    identity: str = "preferring"

    def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
        (exchange,) = list_exchanges([NAMES])
        rated: list[Rating | None] = []
        for dialogue in dialogues:
            text = "\n".join(message.content for message in dialogue)
            liked = any(exchange.sides[name] == "liked" for name in exchange.find(text))
            noise = seeded(f"{self.seed}{min(text, exchange.swap(text))}").normal()
            rated.append(Rating(reward=float(noise + self.by * liked)))
        return rated


def prefer_names(by: float) -> Plant[Evidence]:
    """The records rated by such a reward, with their counterfactuals; the verdicts stay as they are."""

    def plant(world: Evidence, rng: np.random.Generator) -> Evidence:
        model = Preferring(by, int(rng.integers(2**32)))
        ratings = model.rate([read_dialogue(row) for row in world.verdicts.iter_rows(named=True)])
        reward = pl.Series([rating.reward for rating in ratings if rating], dtype=pl.Float64)
        rated = {"verified": pl.lit(None, pl.Boolean), "reward": reward, "goodness": reward, "reward_model": pl.lit(model.identity)}
        verdicts = world.verdicts.with_columns(**rated)
        pairs = compare_counterfactuals(verdicts, [NAMES], SPEC, lambda: model)
        return replace(world, verdicts=verdicts, counterfactuals=pairs)

    return plant
