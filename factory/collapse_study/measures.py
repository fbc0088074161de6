"""What is measured of one generation: how well its model knows real text, and what its own text has lost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.intervals import Z, wilson
from factory.validation.text import Gram, distinct, ngrams, words

RAREST = 0.1
"""The rarest n-grams are those that hold this share of all that occur in the real text, the least frequent first."""

Measured = tuple[float, float | None, float | None]
"""A value with its 95 % interval."""


@dataclass(frozen=True)
class Tail:
    """The rarest n-grams of the real text, for one n."""

    n: int
    grams: frozenset[Gram]

    def kept(self, texts: Iterable[Sequence[str]]) -> Measured:
        """The share of them that occurs in `texts`, with its Wilson interval."""
        met = {gram for text in texts for gram in ngrams(text, self.n)} & self.grams
        return len(met) / len(self.grams), *wilson(len(met), len(self.grams))


def split_words(texts: Sequence[str]) -> list[list[str]]:
    """The lower-cased words of each text."""
    split: list[list[str]] = pl.DataFrame({"text": list(texts)}).select(words("text"))["text"].to_list()
    return split


def find_tail(texts: Iterable[Sequence[str]], n: int) -> Tail:
    """The rarest n-grams of the real text: all of the lowest counts, up to the count at which they hold RAREST of what occurs."""
    counts = Counter(gram for text in texts for gram in ngrams(text, n))
    held, most = 0, 0
    for count, grams in sorted(Counter(counts.values()).items()):
        held, most = held + count * grams, count
        if held >= RAREST * counts.total():
            break
    return Tail(n, frozenset(gram for gram, count in counts.items() if count <= most))


def measure_perplexity(losses: NDArray[np.float64]) -> Measured:
    """exp of the mean loss of a token over windows, and the interval by the windows' spread."""
    mean, error = float(losses.mean()), float(losses.std(ddof=1)) / math.sqrt(len(losses))
    return math.exp(mean), math.exp(mean - Z * error), math.exp(mean + Z * error)


def measure_text(texts: Sequence[Sequence[str]], tails: Iterable[Tail]) -> dict[str, Measured]:
    """Distinct words and pairs (distinct-n, Li et al. 2016) and what is kept of each tail."""
    measured: dict[str, Measured] = {f"distinct_{n}": (distinct(texts, n), None, None) for n in (1, 2)}
    return measured | {f"rare_{tail.n}": tail.kept(texts) for tail in tails if tail.grams}
