"""Categories counted in draws of the shares before, under every policy, against their closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.collapse_study import closed_forms
from factory.collapse_study.figures import REAL_SHARE, compare

Values = NDArray[np.float64]
NAME = "categories"
STEPS = ("replace", "kept", "accumulate")
"""The policies, in the order in which `on_step` is called with them."""


@dataclass(frozen=True)
class Categories:
    """`categories` whose real shares fall as 1/rank (Zipf), counted in `size` draws a generation, in `replicates` worlds at once."""

    categories: int = 100
    size: int = 200
    generations: int = 20
    replicates: int = 4_000

    @property
    def real(self) -> Values:
        """The shares of the real data."""
        shares = 1 / np.arange(1, self.categories + 1)
        return np.asarray(shares / shares.sum(), dtype=np.float64)

    @property
    def rare(self) -> int:
        """How many categories are called rare: the last tenth."""
        return max(1, self.categories // 10)


def simulate(settings: Categories, seed: int, on_step: Callable[[str], None] = lambda policy: None) -> pl.DataFrame:
    """FIGURE rows of E[1 − Σp²], with closed forms, and of the share of categories, and of rare ones, that still occur, without."""
    fits = np.arange(1, settings.generations + 2)
    first = float(1 - (settings.real**2).sum())
    expected = {
        "replace": closed_forms.replaced_diversity(fits, settings.size, first),
        "kept": closed_forms.kept_diversity(fits, settings.size, REAL_SHARE, first),
        "accumulate": closed_forms.accumulated_diversity(fits, settings.size, first),
    }
    frames = []
    for number, policy in enumerate(STEPS):
        diversity, rare = _count_again(settings, np.random.default_rng([seed, number]), policy)
        frames.append(compare(NAME, policy, "diversity", diversity, expected[policy]))
        frames.append(compare(NAME, policy, "rare_alive", rare))
        on_step(policy)
    return pl.concat(frames)


def _count_again(settings: Categories, rng: np.random.Generator, policy: str) -> tuple[Values, Values]:
    """(fits, replicates) diversities, and shares of the rare categories that the model can still write."""
    real = settings.real
    shares = np.tile(real, (settings.replicates, 1))
    pool = np.zeros_like(shares)
    diversity, rare = [], []
    for _ in range(settings.generations + 1):
        drawn_from = (1 - REAL_SHARE) * shares + REAL_SHARE * real if policy == "kept" else shares
        counts: Values = rng.multinomial(settings.size, drawn_from).astype(np.float64)
        pool = pool + counts if policy == "accumulate" else counts
        shares = pool / pool.sum(axis=1, keepdims=True)
        diversity.append(1 - (shares**2).sum(axis=1))
        rare.append((shares[:, -settings.rare :] > 0).mean(axis=1))
    return np.array(diversity), np.array(rare)
