"""Finds records that ask the same thing, or nearly, over a whole line, in time that grows with the number of records and not its square."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import Final

import numpy as np
import numpy.typing as npt

from factory.faults import FactoryError
from factory.reward.words import Hashes, Places, Tokens, hash_words, mix, read_tokens

# Words that a copy changes without asking for anything else. Words that turn a meaning (not, without, from, before, who) stay.
STOPWORDS: Final = {
    "en": frozenset(
        {"a", "an", "the", "this", "that", "these", "those", "is", "are", "do", "does"}
        | {"of", "to", "for", "in", "on", "at", "please", "kindly", "me", "us"}
    ),
    "id": frozenset(
        {"yang", "ini", "itu", "adalah", "ialah", "sebuah", "suatu", "seekor", "seorang", "para"}
        | {"di", "pada", "untuk", "tolong", "mohon", "silakan"}
    ),
}
MISS: Final = 1e-5
"""Greatest probability that LSH does not bring together a pair right at the threshold. Beyond it the probability falls fast."""
SIGNATURE_LENGTHS: Final = (96, 256)
"""Most values of a MinHash: what is long enough for a threshold of 0.12, else of 0.05. Memory and time grow with it."""
MOST_TEXTS: Final = 4096
"""Whose shingles are sorted at once: their number takes 12 of a hash's 64 bits."""
_BITS: Final = np.uint64(52)
_MASK: Final = np.uint64((1 << 52) - 1)
_NEXT: Final = np.uint64(0x9E3779B97F4A7C15)
_SEED: Final = 1
_CONTEXT_SEED: Final = 2


@dataclass(frozen=True)
class Shingles:
    """The shingle sets of several texts: 52-bit hashes, sorted within each text, one text behind the other; `bounds` as in Tokens."""

    hashes: Hashes
    bounds: Places

    def __getitem__(self, text: int) -> Hashes:
        return self.hashes[self.bounds[text] : self.bounds[text + 1]]

    def take(self, texts: Places) -> Shingles:
        """Those of some of the texts, in their order."""
        sizes = self.bounds[texts + 1] - self.bounds[texts]
        bounds = np.concatenate(([0], np.cumsum(sizes)))
        return Shingles(self.hashes[np.repeat(self.bounds[texts] - bounds[:-1], sizes) + np.arange(bounds[-1])], bounds)


@dataclass(frozen=True)
class Key:
    """What one record asks: a hash of its instruction with its context, and of its context, as they stand; the shingles of both."""

    text: int
    context_text: int
    instruction: Hashes
    context: Hashes

    def similarity(self, other: Key) -> float:
        """The lesser of the Jaccard similarities of the instructions and of the contexts, 0 to 1.

        Two questions about one passage are as alike as the questions are, and one question about two passages as the passages are.
        """
        return min(jaccard(self.instruction, other.instruction), jaccard(self.context, other.context))


@dataclass(frozen=True)
class Keys:
    """What several records ask. `instructions` and `contexts` say for each record which of the texts of `shingles` they are."""

    shingles: Shingles
    text_hashes: Hashes
    instructions: Places
    contexts: Places

    def __len__(self) -> int:
        return len(self.instructions)

    def __getitem__(self, record: int) -> Key:
        instruction, context = self.instructions[record], self.contexts[record]
        text, context_text = int(self.text_hashes[instruction]), int(self.text_hashes[context])
        return Key(hash((text, context_text)), context_text, self.shingles[instruction], self.shingles[context])

    def __iter__(self) -> Iterator[Key]:
        return map(self.__getitem__, range(len(self)))

    def sign(self, bands: int, rows: int) -> npt.NDArray[np.uint32]:
        """The MinHash values of each record by band and row.

        Where records have a context, a third of a band's rows are its values, so that neither one question about many passages nor one
        passage with many questions brings all together. A pair whose two similarities reach a threshold still agrees in all rows of a
        band with a probability of threshold^rows at least.
        """
        values = _sign(self.shingles, self.instructions, bands, rows, _SEED)
        sizes = np.diff(self.shingles.bounds)
        full = np.flatnonzero(sizes[self.contexts])
        if len(full) and rows // 3:
            values[full, :, -(rows // 3) :] = _sign(self.shingles, self.contexts[full], bands, rows // 3, _CONTEXT_SEED)
        return values


@dataclass(frozen=True)
class Match:
    """The record that another one copies. `exact` where only case, white space or the form of characters differ."""

    record_id: str
    origin: str
    similarity: float
    exact: bool


def read_key(instruction: str, context: str | None, language: str) -> Key:
    """The key of an instruction with its context. `language` (BCP 47) chooses the stopwords."""
    return read_keys(read_tokens([instruction, context or ""]), [language] * 2, [(0, 1)])[0]


def read_keys(tokens: Tokens, languages: Sequence[str], records: Sequence[tuple[int, int]]) -> Keys:
    """The keys of `records`, each the numbers of its instruction and its context (the empty text where it has none) among the texts."""
    places = np.array(records, dtype=np.int64).reshape(-1, 2)
    return Keys(shingle(tokens, languages), hash_words(list(tokens.texts)), places[:, 0], places[:, 1])


def shingle(tokens: Tokens, languages: Sequence[str]) -> Shingles:
    """The words of each text and its pairs of neighbouring words, stopwords left out first, repeats numbered; of MOST_TEXTS at most.

    Pairs hold the order ("85 - 47" is not "47 - 85"), single words keep one change from costing more than it should, and numbers tell
    "5 + 5" from "5 + 5 + 5". In a short text every changed word counts: "What is 47 + 85?" and "What is 47 + 86?" have a similarity
    of 0.56. A text of stopwords or of punctuation alone is compared as it stands.
    """
    count = len(tokens.texts)
    if count > MOST_TEXTS:
        raise ValueError(f"{count} texts; {MOST_TEXTS} at most are taken at once")
    words, owners = _leave_out_stopwords(tokens, languages)
    neighbours = owners[:-1] == owners[1:]
    pairs = mix(words[:-1][neighbours] * _NEXT + words[1:][neighbours])
    owners = np.concatenate((owners, owners[:-1][neighbours])).astype(np.uint64)
    hashes = np.sort((owners << _BITS) | (np.concatenate((mix(words), pairs)) & _MASK))
    first = np.concatenate(([True], hashes[1:] != hashes[:-1])) if len(hashes) else np.zeros(0, dtype=bool)
    if not first.all():
        starts = np.flatnonzero(first)
        repeats = np.arange(len(hashes)) - np.repeat(starts, np.diff(starts, append=len(hashes)))
        again = repeats > 0
        numbered = mix((hashes[again] & _MASK) + repeats[again].astype(np.uint64) * _NEXT) & _MASK
        hashes[again] = (hashes[again] & ~_MASK) | numbered
        hashes.sort()
    sizes = np.bincount((hashes >> _BITS).astype(np.int64), minlength=count)
    return Shingles(hashes & _MASK, np.concatenate(([0], np.cumsum(sizes))))


def _leave_out_stopwords(tokens: Tokens, languages: Sequence[str]) -> tuple[Hashes, Places]:
    """What is left of all texts, and the text of each."""
    sizes = np.diff(tokens.bounds)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    kept = np.ones(len(owners), dtype=bool)
    codes = np.array([language.split("-")[0].casefold() for language in languages], dtype=object)
    for code in STOPWORDS:
        if (own := codes == code).any():
            kept &= ~(own[owners] & np.isin(tokens.hashes, _hash_stopwords(code)))
    left = np.bincount(owners[kept], minlength=len(sizes))
    kept |= (left == 0)[owners]
    bare = [number for number in np.flatnonzero(sizes == 0).tolist() if tokens.texts[number]]
    pieces = [tokens.texts[number].split() for number in bare]
    words = np.concatenate((tokens.hashes[kept], hash_words(list(chain.from_iterable(pieces)))))
    return words, np.concatenate((owners[kept], np.repeat(np.array(bare, dtype=np.int64), list(map(len, pieces)))))


@lru_cache
def _hash_stopwords(code: str) -> Hashes:
    return hash_words(sorted(STOPWORDS[code]))


def jaccard(a: Hashes, b: Hashes) -> float:
    """|a ∩ b| / |a ∪ b| of two sets given by their sorted hashes; 1 for two empty sets."""
    return float(_compare(a, [b.tobytes()])[0])


def _sign(shingles: Shingles, texts: Places, bands: int, rows: int, seed: int) -> npt.NDArray[np.uint32]:
    from rensa import RMinHash

    distinct, which = np.unique(texts, return_inverse=True)
    own = shingles.take(distinct)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(own.hashes, own.bounds.astype(np.uint64), bands * rows, seed)
    return np.array(matrix.to_rows(), dtype=np.uint32).reshape(-1, bands, rows)[which]


def choose_bands(threshold: float) -> tuple[int, int]:
    """The number of LSH bands and the rows of each: the most selective that miss a pair at `threshold` with probability MISS at most.

    A pair of similarity s shares a band with probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman, Ullman: Mining of Massive
    Datasets, section 3.4.2).
    """
    for length in SIGNATURE_LENGTHS:
        for rows in range(length // 2, 0, -1):
            bands = length // rows
            if (1 - threshold**rows) ** bands <= MISS:
                return bands, rows
    raise FactoryError(f"reward.near_duplicate is {threshold}: below 0.05 every record is a near-duplicate of nearly all. Try 0.9.")


class Bands:
    """LSH over MinHashes (rensa): which records of a line may be alike, told once all are read. Keeps 8 bytes a band of each record."""

    def __init__(self, threshold: float) -> None:
        self._bands, self._rows = choose_bands(threshold)
        self._factors = np.random.default_rng(_SEED).integers(1 << 63, size=self._rows, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._hashes: list[Hashes] = []

    def add(self, keys: Keys) -> None:
        """Adds a batch. Records count in the order in which they are added."""
        values = keys.sign(self._bands, self._rows)
        self._hashes.append(mix((values * self._factors).sum(axis=2, dtype=np.uint64)))

    def group(self) -> Groups:
        """The groups of records that have a band in common, band by band."""
        count = sum(map(len, self._hashes))
        records, groups, number = [], [], 0
        for band in range(self._bands):
            hashes = np.concatenate([each[:, band] for each in self._hashes]) if count else np.zeros(0, dtype=np.uint64)
            order = np.argsort(hashes, kind="stable")
            same = hashes[order[1:]] == hashes[order[:-1]]
            shared = np.concatenate(([False], same)) | np.concatenate((same, [False]))
            first = shared & ~np.concatenate(([False], same))
            records.append(order[shared[:count]])
            groups.append(number - 1 + np.cumsum(first[:count])[shared[:count]])
            number += int(first.sum())
        owners = np.concatenate(records)
        order = np.argsort(owners, kind="stable")
        bounds = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=count))))
        return Groups(np.concatenate(groups)[order], bounds)


@dataclass(frozen=True)
class Groups:
    """The groups that each record is in, one record behind the other; `bounds` as in Tokens. A record that is in none is like no other."""

    numbers: Places
    bounds: Places

    def __getitem__(self, record: int) -> list[int]:
        found: list[int] = self.numbers[self.bounds[record] : self.bounds[record + 1]].tolist()
        return found

    def find_grouped(self, start: int, count: int) -> list[int]:
        """Which of `count` records from the `start`th on are in a group, counted from `start`."""
        found: list[int] = np.flatnonzero(np.diff(self.bounds[start : start + count + 1])).tolist()
        return found


@dataclass(frozen=True)
class _Entry:
    record_id: str
    rank: int
    text: int
    context_text: int


class KeyIndex:
    """Keys to be asked which of them another key copies. The groups of LSH only propose; the exact similarity decides.

    `origins` ranks where keys come from: of several matches, one of an earlier origin is the one that counts. Keeps the hashes of a key's
    shingles, about 1 KB for a short text; a context that several share is kept once.
    """

    def __init__(self, threshold: float, origins: Sequence[str], groups: Groups) -> None:
        self._threshold, self._origins, self._groups = threshold, origins, groups
        self._members: dict[int, list[int]] = defaultdict(list)
        self._instructions: dict[int, bytes] = {}
        self._entries: dict[int, _Entry] = {}
        self._contexts: dict[int, bytes] = {}

    def add(self, record: int, record_id: str, origin: str, key: Key) -> None:
        """Adds a key; `record` is its number in the groups."""
        self._entries[record] = _Entry(record_id, self._origins.index(origin), key.text, key.context_text)
        self._instructions[record] = key.instruction.tobytes()
        if key.context_text not in self._contexts:
            self._contexts[key.context_text] = key.context.tobytes()
        for group in self._groups[record]:
            self._members[group].append(record)

    def find(self, record: int, key: Key) -> Match | None:
        """What `key` copies: of the first origin, an exact copy before a near one, the nearest, the one with the least number."""
        proposed: set[int] = set().union(*map(self._members.get, self._groups[record], repeat(())))
        least, most = key.instruction.nbytes * self._threshold - 1, key.instruction.nbytes / self._threshold + 1
        fitting = [(place, own) for place in proposed if least <= len(own := self._instructions[place]) <= most]
        if not fitting:
            return None
        places, instructions = zip(*fitting, strict=True)
        similarities, best = _compare(key.instruction, instructions), None
        for at in np.flatnonzero(similarities >= self._threshold).tolist():
            entry, similarity = self._entries[places[at]], float(similarities[at])
            if entry.context_text != key.context_text:
                similarity = min(similarity, float(_compare(key.context, [self._contexts[entry.context_text]])[0]))
            if similarity >= self._threshold:
                found = (entry.rank, key.text != entry.text, -similarity, places[at])
                best = found if best is None else min(best, found)
        if best is None:
            return None
        return Match(self._entries[best[3]].record_id, self._origins[best[0]], similarity=-best[2], exact=not best[1])


def _compare(own: Hashes, others: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """The Jaccard similarity of a set to each of several, all given by their hashes, its own sorted; 1 for two empty sets."""
    lengths = np.fromiter(map(len, others), dtype=np.int64, count=len(others)) // 8
    if not len(own):
        return np.asarray(lengths == 0, dtype=np.float64)
    hashes = np.frombuffer(b"".join(others), dtype=np.uint64)
    places = own.searchsorted(hashes)
    places[places == len(own)] = 0
    counts = np.zeros(len(hashes) + 1, dtype=np.int64)
    (own[places] == hashes).cumsum(out=counts[1:])
    ends = lengths.cumsum()
    shared = counts[ends] - counts[ends - lengths]
    similarities: npt.NDArray[np.float64] = shared / (len(own) + lengths - shared)
    return similarities
