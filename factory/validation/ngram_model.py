"""A language model that needs no training time: interpolated bigrams of words, for perplexities between bodies of text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

END = "\n"
"""The end of a text, which no word is."""


class NgramModel:
    """Bigrams interpolated with unigrams, and these with an even share for words never seen (Witten & Bell 1991).

    `texts` are lists of words. The probabilities of all known words, the end and one unknown word sum to 1 in any
    context. Raises ValueError without a word.
    """

    def __init__(self, texts: Iterable[Sequence[str]]) -> None:
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._words: Counter[str] = Counter()
        for text in texts:
            self._words.update([*text, END])
            self._pairs.update(zip([END, *text], [*text, END], strict=True))
        if len(self._words) < 2:
            raise ValueError("a language model needs at least one word")
        self._size = self._words.total()
        self._contexts: Counter[str] = Counter()
        self._followers: Counter[str] = Counter()
        for (before, _), count in self._pairs.items():
            self._contexts[before] += count
            self._followers[before] += 1

    @property
    def vocabulary(self) -> list[str]:
        """Every word seen, and the end."""
        return sorted(self._words)

    def probability(self, word: str, before: str) -> float:
        """P(word | before); all words never seen share one probability."""
        known = len(self._words)
        alone = (self._words[word] + known / (known + 1)) / (self._size + known)
        seen, kinds = self._contexts[before], self._followers[before]
        return (self._pairs[before, word] + kinds * alone) / (seen + kinds) if seen else alone

    def perplexity(self, texts: Iterable[Sequence[str]]) -> float:
        """exp of the mean negative log probability of a word, ends counted; at least 1. Raises ValueError without a text."""
        total, size = 0.0, 0
        for text in texts:
            for before, word in zip([END, *text], [*text, END], strict=True):
                total -= math.log(self.probability(word, before))
                size += 1
        if not size:
            raise ValueError("perplexity needs at least one text")
        return math.exp(total / size)
