"""Finds records that ask the same thing, or nearly, over a whole line, in time that grows with the number of records and not its square."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from factory.faults import FactoryError

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
# Signs that change what is asked are tokens of their own (a hyphen between letters is none), other punctuation only parts words. Words are
# all but white space and punctuation, because \w lacks the vowel signs of Indic scripts.
_TOKEN: Final = re.compile(r"[+*/%=<>^×÷±$£¥]|(?<![^\W\d_])-(?![^\W\d_])|[^\s!-/:-@\[-`{-~¡-¿×÷‐-\u206f、-〿]+")
_MINUS_SIGNS: Final = str.maketrans({"−": "-", "–": "-"})

PERMUTATIONS: Final = 256
MISS: Final = 1e-6
"""Greatest probability that LSH does not bring together a pair right at the threshold. Beyond it the probability falls fast."""


@dataclass(frozen=True)
class Key:
    """What a record asks, as it is compared. `text` serves exact copies, the shingle sets serve near ones."""

    text: tuple[str, str]
    instruction: frozenset[str]
    context: frozenset[str]

    def similarity(self, other: Key) -> float:
        """The lesser of the Jaccard similarities of the instructions and of the contexts, 0 to 1.

        Two questions about one passage are as alike as the questions are, and one question about two passages as the passages are.
        """
        instruction = jaccard(self.instruction, other.instruction)
        return min(instruction, jaccard(self.context, other.context)) if instruction else 0.0


@dataclass(frozen=True)
class Match:
    """The record that another one copies. `exact` where only case, white space or the form of characters differ."""

    record_id: str
    origin: str
    similarity: float
    exact: bool


def read_key(instruction: str, context: str | None, language: str) -> Key:
    """The key of an instruction with its context. `language` (BCP 47) chooses the stopwords."""
    normal = (normalise(instruction), normalise(context or ""))
    stopwords = STOPWORDS.get(language.split("-")[0].casefold(), frozenset())
    return Key(normal, shingle(normal[0], stopwords), shingle(normal[1], stopwords))


def normalise(text: str) -> str:
    """Unicode NFKC, casefolded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingle(text: str, stopwords: frozenset[str]) -> frozenset[str]:
    """The words of a normalised text and its pairs of neighbouring words, stopwords left out first, repeats numbered.

    Pairs hold the order ("85 - 47" is not "47 - 85"), single words keep one change from costing more than it should, and numbers tell
    "5 + 5" from "5 + 5 + 5". In a short text every changed word counts: "What is 47 + 85?" and "What is 47 + 86?" have a similarity
    of 0.56. A text of stopwords or of punctuation alone is compared as it stands.
    """
    words = _TOKEN.findall(text.translate(_MINUS_SIGNS))
    words = [word for word in words if word not in stopwords] or words or text.split()
    counts = Counter([*words, *(f"{a} {b}" for a, b in pairwise(words))])
    return frozenset(f"{count}x {each}" for each, most in counts.items() for count in range(1, most + 1))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """|a ∩ b| / |a ∪ b|; 1 for two empty sets."""
    if not a and not b:
        return 1.0
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def choose_bands(threshold: float) -> tuple[int, int]:
    """The number of LSH bands and the rows of each: the most selective ones that miss a pair at `threshold` with probability MISS at most.

    A pair of similarity s shares a band with probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman, Ullman: Mining of Massive
    Datasets, section 3.4.2).
    """
    for rows in range(PERMUTATIONS // 2, 0, -1):
        bands = PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= MISS:
            return bands, rows
    raise FactoryError(f"reward.near_duplicate is {threshold}: below 0.06 every record is a near-duplicate of nearly all. Try 0.9.")


class KeyIndex:
    """Keys to be asked which of them another key copies. LSH only proposes; the exact similarity decides.

    `origins` ranks where keys come from: of several matches, one of an earlier origin is the one that counts.
    """

    def __init__(self, threshold: float, origins: Sequence[str]) -> None:
        from datasketch import MinHashLSH

        self._threshold = threshold
        self._rank = {origin: rank for rank, origin in enumerate(origins)}
        self._lsh = MinHashLSH(num_perm=PERMUTATIONS, params=choose_bands(threshold))
        self._entries: list[tuple[str, str, Key]] = []

    def add(self, record_id: str, origin: str, key: Key, signature: Any) -> None:
        """Adds a key with its MinHash from `sign_keys`."""
        self._lsh.insert(len(self._entries), signature, check_duplication=False)
        self._entries.append((record_id, origin, key))

    def find(self, key: Key, signature: Any) -> Match | None:
        """What `key` copies: of the first origin, an exact copy before a near one, the nearest, the one that was added first."""
        best: tuple[int, bool, float, int] | None = None
        for place in self._lsh.query(signature):
            _, origin, other = self._entries[place]
            similarity = key.similarity(other)
            if similarity >= self._threshold:
                found = (self._rank[origin], key.text != other.text, -similarity, place)
                best = found if best is None else min(best, found)
        if best is None:
            return None
        record_id, origin, _ = self._entries[best[3]]
        return Match(record_id, origin, similarity=-best[2], exact=not best[1])


def sign_keys(keys: Iterable[Key]) -> Iterator[Any]:
    """A MinHash of each key, over its instruction's and its context's shingles together.

    If both of two keys' similarities reach a threshold, so does that of the sets together: it lies between them. So LSH over these
    signatures loses no pair that it would find over the parts.
    """
    from datasketch import MinHash

    blank = MinHash(num_perm=PERMUTATIONS)
    contexts: dict[frozenset[str], Any] = {}
    for key in keys:
        if key.context not in contexts:
            contexts[key.context] = blank.copy()
            contexts[key.context].update_batch(_encode("context", key.context))
        signature = contexts[key.context].copy()
        signature.update_batch(_encode("instruction", key.instruction))
        yield signature


def _encode(part: str, shingles: frozenset[str]) -> list[bytes]:
    return [f"{part} {text}".encode() for text in sorted(shingles)]
