"""Finds records that ask the same thing, or nearly, over a whole line, in time that grows with the number of records and not its square."""

from __future__ import annotations

import copy
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import regex

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
# Words are all but white space and punctuation, because \w lacks the vowel signs of Indic scripts.
_WORD: Final = r"[^\s!-/:-@\[-`{-~¡-¿×÷‐-\u206f、-〿・]+"
# Signs that change what is asked are tokens of their own (a hyphen between letters is none), other punctuation only parts words.
_TOKEN: Final = re.compile(rf"[+*/%=<>^×÷±$£¥]|(?<![^\W\d_])-(?![^\W\d_])|{_WORD}")
_WORDS: Final = re.compile(_WORD)
_MINUS_SIGNS: Final = str.maketrans({"−": "-", "–": "-"})
_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_CHARACTER: Final = regex.compile(rf"[{_UNSPACED}]\p{{M}}*")
_CHARACTERS: Final = regex.compile(rf"{_CHARACTER.pattern}|[^{_UNSPACED}]+")

MISS: Final = 1e-5
"""Greatest probability that LSH does not bring together a pair right at the threshold. Beyond it the probability falls fast."""
SIGNATURE_LENGTHS: Final = (96, 256)
"""Most values of a MinHash: what is long enough for a threshold of 0.12, else of 0.05. Memory and time grow with it."""
MOST_CONTEXTS: Final = 4096
"""Contexts whose MinHashes are held, for the records of one context mostly stand together."""
_SEED: Final = 1


@dataclass(frozen=True)
class Key:
    """What a record asks, as it is compared. `text` serves exact copies, the shingle sets serve near ones."""

    text: tuple[str, str]
    instruction: frozenset[str]
    context: frozenset[str]

    @cached_property
    def hashes(self) -> npt.NDArray[np.int64]:
        """Those of the instruction's shingles, sorted."""
        return np.sort(hash_all(self.instruction))

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
    text, stopwords = normalise(instruction), STOPWORDS.get(language.split("-")[0].casefold(), frozenset())
    context_text, context_shingles = _read_context(context or "", stopwords)
    return Key((text, context_text), shingle(text, stopwords), context_shingles)


@lru_cache(maxsize=1024)
def _read_context(context: str, stopwords: frozenset[str]) -> tuple[str, frozenset[str]]:
    """Many records have one context, and mostly stand together."""
    text = normalise(context)
    return text, shingle(text, stopwords)


def normalise(text: str) -> str:
    """Unicode NFKC, casefolded, runs of white space as one space."""
    form = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(form.casefold().split())


def split_words(text: str) -> list[str]:
    """The words of a normalised text without punctuation and signs. Of scripts that put no space between words, each character is one."""
    return _split_characters(text, _WORDS.findall(text))


def is_character(word: str) -> bool:
    """Whether a word of `split_words` is a character of a script that puts no space between words."""
    return _CHARACTER.match(word) is not None


def _split_characters(text: str, words: list[str]) -> list[str]:
    if text.isascii():
        return words
    return [piece for word in words for piece in ((word,) if word.isascii() else _CHARACTERS.findall(word))]


def shingle(text: str, stopwords: frozenset[str]) -> frozenset[str]:
    """The words of a normalised text and its pairs of neighbouring words, stopwords left out first, repeats numbered.

    Pairs hold the order ("85 - 47" is not "47 - 85"), single words keep one change from costing more than it should, and numbers tell
    "5 + 5" from "5 + 5 + 5". In a short text every changed word counts: "What is 47 + 85?" and "What is 47 + 86?" have a similarity
    of 0.56. A text of stopwords or of punctuation alone is compared as it stands. Of scripts that put no space between words (Chinese,
    Japanese, Thai, Lao, Khmer, Burmese) each character with its marks is a word.
    """
    text = text if text.isascii() else text.translate(_MINUS_SIGNS)
    words = _split_characters(text, _TOKEN.findall(text))
    words = [word for word in words if word not in stopwords] or words or text.split()
    shingles = [*words, *map(" ".join, pairwise(words))]
    once = frozenset(shingles)
    if len(once) == len(shingles):
        return once
    repeated = [(each, most) for each, most in Counter(shingles).items() if most > 1]
    return once.union(f"{each}\n{count}" for each, most in repeated for count in range(2, most + 1))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """|a ∩ b| / |a ∪ b|; 1 for two empty sets."""
    if not a and not b:
        return 1.0
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def hash_all(words: Collection[str]) -> npt.NDArray[np.int64]:
    """64-bit hashes, which differ from process to process: only whether they are the same is asked of them."""
    return np.fromiter(map(hash, words), dtype=np.int64, count=len(words))


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


class KeyIndex:
    """Keys to be asked which of them another key copies. LSH over MinHashes (rensa) only proposes; the exact similarity decides.

    `origins` ranks where keys come from: of several matches, one of an earlier origin is the one that counts. Of a key it keeps the 64-bit
    hashes of its shingles and LSH's bands, about 3 KB for a short text and a threshold of 0.9; a context that several share is kept once.
    """

    def __init__(self, threshold: float, origins: Sequence[str]) -> None:
        from rensa import RMinHashLSH

        bands, rows = choose_bands(threshold)
        self._threshold = threshold
        self._signature_length = bands * rows
        self._lsh = RMinHashLSH(threshold, self._signature_length, bands)
        self._origins = origins
        self._ranks = bytearray()
        self._ids: list[str] = []
        self._texts = array("q")
        self._instructions: list[bytes] = []
        self._context_numbers: dict[int, int] = {}
        self._contexts: list[bytes] = []
        self._signed_contexts: dict[str, Any] = {}
        self._context_of = array("q")

    def sign(self, keys: Sequence[Key]) -> list[Any]:
        """A MinHash of each key, over its instruction's and its context's shingles together.

        If both of two keys' similarities reach a threshold, so does that of the sets together: it lies between them. So LSH over these
        signatures loses no pair that it would find over the parts.
        """
        from rensa import RMinHash

        contexts = {key.text[1]: key.context for key in keys if key.context and key.text[1] not in self._signed_contexts}
        if len(self._signed_contexts) + len(contexts) > MOST_CONTEXTS:
            self._signed_contexts = {}
            contexts = {key.text[1]: key.context for key in keys if key.context}
        tagged = (["\t" + each for each in context] for context in contexts.values())
        self._signed_contexts |= zip(contexts, RMinHash.from_token_sets(tagged, self._signature_length, _SEED), strict=True)
        signatures: list[Any] = RMinHash.from_token_sets([key.instruction for key in keys], self._signature_length, _SEED)
        for number, key in enumerate(keys):
            if key.context:
                signatures[number] = copy.copy(self._signed_contexts[key.text[1]])
                signatures[number].update(key.instruction)
        return signatures

    def add(self, record_id: str, origin: str, key: Key, signature: Any) -> None:
        """Adds a key with its MinHash from `sign`."""
        self._lsh.insert(len(self._ids), signature)
        self._ids.append(record_id)
        self._ranks.append(self._origins.index(origin))
        self._texts.append(hash(key.text))
        self._instructions.append(key.hashes.tobytes())
        number = self._context_numbers.setdefault(hash(key.text[1]), len(self._contexts))
        if number == len(self._contexts):
            self._contexts.append(hash_all(key.context).tobytes())
        self._context_of.append(number)

    def find(self, key: Key, signature: Any) -> Match | None:
        """What `key` copies: of the first origin, an exact copy before a near one, the nearest, the one that was added first."""
        proposed = self._lsh.query(signature)
        if not proposed:
            return None
        similarities = _compare(key.hashes, list(map(self._instructions.__getitem__, proposed)))
        text, number, best = hash(key.text), self._context_numbers.get(hash(key.text[1])), None
        for at in np.flatnonzero(similarities >= self._threshold).tolist():
            place, similarity = proposed[at], float(similarities[at])
            if self._context_of[place] != number:
                similarity = min(similarity, float(_compare(np.sort(hash_all(key.context)), [self._contexts[self._context_of[place]]])[0]))
            if similarity >= self._threshold:
                found = (self._ranks[place], text != self._texts[place], -similarity, place)
                best = found if best is None else min(best, found)
        if best is None:
            return None
        return Match(self._ids[best[3]], self._origins[best[0]], similarity=-best[2], exact=not best[1])


def _compare(own: npt.NDArray[np.int64], others: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """The Jaccard similarity of a set to each of several, all given by their hashes, its own sorted; 1 for two empty sets."""
    lengths = np.fromiter(map(len, others), dtype=np.int64, count=len(others)) // 8
    if not len(own):
        return np.asarray(lengths == 0, dtype=np.float64)
    hashes = np.frombuffer(b"".join(others), dtype=np.int64)
    places = own.searchsorted(hashes)
    places[places == len(own)] = 0
    counts = np.zeros(len(hashes) + 1, dtype=np.int64)
    (own[places] == hashes).cumsum(out=counts[1:])
    ends = lengths.cumsum()
    shared = counts[ends] - counts[ends - lengths]
    similarities: npt.NDArray[np.float64] = shared / (len(own) + lengths - shared)
    return similarities
