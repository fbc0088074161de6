"""Finds texts of evaluation sets in records, by words in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
from typing import Final

import numpy as np

from factory.reward.evaluation_sets import Item
from factory.reward.words import Hashes, Places, Tokens, hash_words, is_character, read_tokens

LEAST_WORDS: Final = 8
"""Fewer words in a row are found by chance: the least N of GPT-3's appendix C."""
CHARACTERS_PER_WORD: Final = 2
"""Where a script puts no space between words, so many characters stand for one word."""
FREQUENT: Final = 10
"""N-grams in more texts than this tell nothing: appendix C of GPT-3, there of training documents."""
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_BATCH: Final = 1024
"""Items that are read at a time; it bounds memory and changes no hit."""


@dataclass(frozen=True)
class Hit:
    """A record's text that stands in an evaluation set: the item's place, and the words that both hold."""

    place: str
    words: str


class EvaluationIndex:
    """The n-grams of evaluation sets, to be asked which records hold one.

    The rule is that of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C): a record that shares `ngram` words in a row (13 there) with
    a text of a set is contaminated by it; case, punctuation and white space make no difference. The paper takes a smaller N, 8 at least,
    for a set of short examples. Here a text's own length decides: one of 8 to `ngram` - 1 words is found where it stands whole, as words
    in a row, and a shorter one only where it is the whole instruction; for "Paris" or "True" stand in many records that no set has
    touched. N-grams that stand in more than 10 different texts of the sets are wording of the task ("choose the correct answer from the
    options below") and count for nothing; the paper leaves out those in more than 10 training documents, which here would let a teacher
    through that repeats one item eleven times. A text of which no n-gram is left is found where it is a whole part of a record.

    Of scripts that put no space between words two characters count as a word: 26 in a row where a text is mostly of such characters.
    What hashes propose is compared word by word. Texts `beside` the items are not found, but tell too what is wording of the task.
    """

    def __init__(self, items: Sequence[Item], ngram: int, beside: Sequence[Item] = ()) -> None:
        self._texts: list[_Text] = []
        self._known: set[str] = set()
        self._add(items, ngram)
        self._sought = len(self._texts)
        self._add(beside, ngram)
        sought = [text.words.split(" ") for text in self._texts[: self._sought]]
        self._whole = dict(zip(_hash_whole(*_hash_flat(sought)).tolist(), range(self._sought), strict=True))
        windows = sorted({text.window for text in self._texts if text.window})
        self._grams = {window: self._gather(window) for window in windows}

    def _add(self, items: Sequence[Item], ngram: int) -> None:
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            tokens = read_tokens([item.text for item in batch])
            for number, item in enumerate(batch):
                words = tokens.list_words(number)
                joined = " ".join(words)
                if words and joined not in self._known:
                    self._known.add(joined)
                    self._texts.append(_measure(item.place, joined, words, ngram))

    def find(self, records: Sequence[Sequence[int]], tokens: Tokens) -> list[Hit | None]:
        """For each record, given as the numbers of its texts with the instruction first, the first item that it holds; None for none."""
        held = self._find_all(tokens) if self._texts else {}
        return [None if held.keys().isdisjoint(record) else self._choose(record, held) for record in records]

    def _choose(self, record: Sequence[int], held: dict[int, tuple[Hit | None, Hit | None]]) -> Hit | None:
        for number, text in enumerate(record):
            hit, whole = held.get(text, (None, None))
            if hit or (whole and number == 0):
                return hit or whole
        return None

    def _find_all(self, tokens: Tokens) -> dict[int, tuple[Hit | None, Hit | None]]:
        """Of each text that holds anything what it holds, and the short text that it is as a whole."""
        hashes, bounds = tokens.words
        words = cache(tokens.list_words)
        firsts: dict[int, tuple[int, int, int]] = {}
        for window, grams in self._grams.items():
            rolled = _roll(hashes, window)
            likely = grams.find_likely(rolled)
            owners = np.searchsorted(bounds, likely, side="right") - 1
            inside = likely + window <= bounds[owners + 1]
            for place, owner in zip(likely[inside].tolist(), owners[inside].tolist(), strict=True):
                start = place - int(bounds[owner])
                for text, offset in grams.list_equal(rolled[place]):
                    if words(owner)[start : start + window] == self._texts[text].words.split(" ")[offset : offset + window]:
                        found = (start, text, window)
                        firsts[owner] = min(firsts.get(owner, found), found)
                        break
        wholes = {owner: self._whole[each] for owner, each in enumerate(_hash_whole(hashes, bounds).tolist()) if each in self._whole}
        held = {}
        for owner in firsts.keys() | wholes.keys():
            hit, same, own = None, None, words(owner)
            if owner in wholes and self._texts[wholes[owner]].words == " ".join(own):
                whole = self._texts[wholes[owner]]
                same = Hit(whole.place, _join(own))
                hit = same if whole.window else None
            if owner in firsts:
                start, text, window = firsts[owner]
                hit = Hit(self._texts[text].place, _join(own[start : start + window]))
            held[owner] = (hit, same)
        return held

    def _gather(self, window: int) -> _Grams:
        """The n-grams of so many words of all texts that are found by them."""
        numbers = np.array([number for number, text in enumerate(self._texts) if text.window == window])
        hashes, bounds = _hash_flat([self._texts[number].words.split(" ") for number in numbers])
        rolled = _roll(hashes, window)
        places = np.arange(len(rolled))
        owners = np.searchsorted(bounds, places, side="right") - 1
        offsets, texts = places - bounds[owners], numbers[owners]
        order = np.lexsort((offsets, texts, rolled))
        order = order[(places + window <= bounds[owners + 1])[order]]
        rolled, texts, offsets = rolled[order], texts[order], offsets[order]
        first = np.ones(len(rolled), dtype=bool)
        first[1:] = (rolled[1:] != rolled[:-1]) | (texts[1:] != texts[:-1])
        rolled, texts, offsets = rolled[first], texts[first], offsets[first]
        _, which, counts = np.unique(rolled, return_inverse=True, return_counts=True)
        telling = (counts[which] <= FREQUENT) & (texts < self._sought)
        return _Grams(rolled[telling], texts[telling], offsets[telling])


@dataclass(frozen=True)
class _Text:
    """A text of a set: its words, and how many of them in a row a record must hold; 0 where it is found only as a whole instruction."""

    place: str
    words: str
    window: int


class _Grams:
    """Sorted hashes of n-grams, each with the text and the place in it where it stands."""

    def __init__(self, hashes: Hashes, texts: Places, offsets: Places) -> None:
        self._hashes, self._texts, self._offsets = hashes, texts, offsets
        bits = min(27, max(16, (16 * len(hashes)).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._seen = np.zeros(1 << bits, dtype=bool)
        self._seen[hashes >> self._shift] = True

    def find_likely(self, hashes: Hashes) -> Places:
        """The places in `hashes` of those that are here. A table of bits, which fits a cache, spares most of them the binary search."""
        likely: Places = np.flatnonzero(self._seen[hashes >> self._shift])
        if not len(likely):
            return likely
        found = np.minimum(np.searchsorted(self._hashes, hashes[likely]), len(self._hashes) - 1)
        return np.asarray(likely[self._hashes[found] == hashes[likely]])

    def list_equal(self, gram: np.uint64) -> Iterator[tuple[int, int]]:
        """Text and place of each n-gram of this hash, the earlier text first."""
        begin, end = (int(np.searchsorted(self._hashes, gram, side)) for side in ("left", "right"))
        for at in range(begin, end):
            yield int(self._texts[at]), int(self._offsets[at])


def measure_word(words: Sequence[str]) -> int:
    """How many of `words` (Tokens.list_words) stand for one: CHARACTERS_PER_WORD of a text that is mostly of characters."""
    characters = sum(is_character(word) for word in words if not word.isascii())
    return CHARACTERS_PER_WORD if 2 * characters > len(words) else 1


def _measure(place: str, joined: str, words: list[str], ngram: int) -> _Text:
    unit = measure_word(words)
    size, least = unit * ngram, unit * min(LEAST_WORDS, ngram)
    return _Text(place, joined, 0 if len(words) < least else min(len(words), size))


def _hash_flat(texts: Sequence[list[str]]) -> tuple[Hashes, Places]:
    """The hashes of all words of all texts, one behind the other, and the bounds of each text."""
    bounds = np.cumsum([0, *map(len, texts)])
    return hash_words(list(chain.from_iterable(texts))), bounds


def _roll(hashes: Hashes, window: int) -> Hashes:
    """A polynomial hash of each window of so many words."""
    rolled = np.zeros(max(len(hashes) - window + 1, 0), dtype=np.uint64)
    for step in range(window):
        rolled *= _MULTIPLIER
        rolled += hashes[step : step + len(rolled)]
    return rolled


def _hash_whole(hashes: Hashes, bounds: Places) -> Hashes:
    """The same polynomial hash of all words of each text."""
    lengths = np.diff(bounds)
    powers = np.ones(int(lengths.max(initial=0)) + 1, dtype=np.uint64)
    powers[1:] = np.cumprod(np.full(len(powers) - 1, _MULTIPLIER))
    terms = hashes * powers[np.repeat(bounds[1:], lengths) - np.arange(len(hashes)) - 1]
    sums = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(terms)))
    return np.asarray(sums[bounds[1:]] - sums[bounds[:-1]])


def _join(words: Sequence[str]) -> str:
    """Words as they are read, with no space between characters that stand for words."""
    pieces = list(words[:1])
    for before, word in pairwise(words):
        pieces.append(word if is_character(before) and is_character(word) else f" {word}")
    return "".join(pieces)
