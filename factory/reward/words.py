"""Splits texts of every script into words and signs, many texts at a time, each word with a 64-bit hash."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import regex

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

# Signs that change what is asked are tokens of their own (a hyphen beside a letter is none), other punctuation only parts words.
_SIGNS: Final = "-+*/%=<>^×÷±$£¥"
_SIGN: Final = r"[\-+*/%=<>\^×÷±$£¥]"
# Words are all but white space and punctuation, because \w lacks the vowel signs of Indic scripts.
_PUNCTUATION: Final = (
    r"[\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E\xA1-\xBF×÷\x{2010}-\x{206F}\x{3001}-\x{303F}・--" + _SIGN + "]+"  # "--" is set difference
)
_LETTER: Final = r"[\p{L}\p{Nl}\p{No}]"
_UNSPACED: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*"
_CHARACTER: Final = regex.compile(_UNSPACED)
_HASH_SEED: Final = 1


@dataclass(frozen=True)
class Tokens:
    """The words and signs of several texts, one text behind the other.

    `texts` are normalised. `pieces`, `hashes` and `signs` (which of them are signs) have an entry for each token; text n has those from
    `bounds[n]` to `bounds[n + 1]`.
    """

    texts: Sequence[str]
    pieces: pl.Series
    hashes: Hashes
    signs: npt.NDArray[np.bool_]
    bounds: Places

    def head(self, count: int) -> Tokens:
        """Those of the first texts."""
        end = int(self.bounds[count])
        return Tokens(self.texts[:count], self.pieces[:end], self.hashes[:end], self.signs[:end], self.bounds[: count + 1])

    @cached_property
    def words(self) -> tuple[Hashes, Places]:
        """The hashes of all that are no signs, and the bounds of each text in them."""
        before = np.concatenate(([0], np.cumsum(~self.signs)))
        return self.hashes[~self.signs], before[self.bounds]

    def list_words(self, text: int) -> list[str]:
        """The words of one text without signs. Of scripts that put no space between words, each character with its marks is one."""
        own = slice(int(self.bounds[text]), int(self.bounds[text + 1]))
        pieces: list[str] = self.pieces[own].to_list()
        return [piece for piece, sign in zip(pieces, self.signs[own].tolist(), strict=True) if not sign]


def read_tokens(texts: Sequence[str]) -> Tokens:
    """The tokens of texts, which are normalised first."""
    forms = [normalise(text) for text in texts]
    parted = pl.Series(forms, dtype=pl.String)
    parted = parted.str.replace_all("[−–]", "-")
    parted = parted.str.replace_all(f"({_LETTER})-", "${1} ").str.replace_all(f"-({_LETTER})", " ${1}")
    parted = parted.str.replace_all(_PUNCTUATION, " ").str.replace_all(_SIGN, " $0 ")
    if not all(map(str.isascii, forms)):
        parted = parted.str.replace_all(_UNSPACED, " $0 ")
    split = parted.str.split(" ")
    pieces = split.explode()
    full = pieces.str.len_bytes().to_numpy() > 0
    before = np.concatenate(([0], np.cumsum(full)))
    ends = np.cumsum(split.list.len().to_numpy(), dtype=np.int64)
    pieces = pieces.filter(pl.Series(full, dtype=pl.Boolean))
    hashes = hash_words(pieces)
    signs = np.isin(hashes, _hash_signs())
    return Tokens(forms, pieces, hashes, signs, before[np.concatenate(([0], ends))])


def normalise(text: str) -> str:
    """Unicode NFKC, casefolded, runs of white space as one space."""
    form = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(form.casefold().split())


def is_character(word: str) -> bool:
    """Whether a word is a character of a script that puts no space between words."""
    return _CHARACTER.match(word) is not None


def hash_words(words: Collection[str] | pl.Series) -> Hashes:
    """64-bit hashes, the same in every process; another version of Polars may have others, so they are never stored."""
    series = words if isinstance(words, pl.Series) else pl.Series(list(words), dtype=pl.String)
    hashes: Hashes = series.hash(_HASH_SEED).to_numpy()
    return hashes


def mix(numbers: Hashes) -> Hashes:
    """Spreads 64-bit numbers over all bits, so that those of any bits may be taken (the finaliser of MurmurHash3)."""
    numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return np.asarray(numbers ^ (numbers >> np.uint64(33)))


@lru_cache(maxsize=1)
def _hash_signs() -> Hashes:
    return hash_words(_SIGNS)
