"""Words, n-grams and the statistics of text that several metrics share."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[{UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+"
"""A word is a run of letters, marks and digits; in scripts that write no spaces, one character."""

HASH_BASE = 6364136223846793005
"""Odd, as any digit's weight must be told from 0 in 64 bits: the multiplier of Knuth's MMIX."""

Gram = tuple[str, ...]


def words(column: str) -> pl.Expr:
    """The lower-cased words of a text column, as a list; an absent text has none."""
    return extract_words(pl.col(column).fill_null(""))


def extract_words(text: pl.Expr) -> pl.Expr:
    """The lower-cased words of a text, as a list."""
    return text.str.to_lowercase().str.extract_all(WORD)


def shape_numbers(column: str) -> pl.Expr:
    """The words of a list column with each run of digits as one 0: 47 and 85 are the same kind of word, not two words."""
    return pl.col(column).list.eval(pl.element().str.replace_all(r"\p{Nd}+", "0"))


def plain(column: str) -> pl.Expr:
    """A text column without differences of case and white space, for finding copies."""
    return pl.col(column).fill_null("").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def ngrams(tokens: Sequence[str], n: int) -> Iterator[Gram]:
    """Every run of n words."""
    return (tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1))


def hash_runs(tokens: Sequence[str], n: int) -> NDArray[np.uint64]:
    """Every run of n words as 64 bits: the words' own hashes as digits of a number. Runs that differ share one by chance, 1 in 10^19."""
    if len(tokens) < n:
        return np.empty(0, np.uint64)
    hashes = pl.Series(tokens, dtype=pl.String).hash().to_numpy()
    digits = np.cumprod(np.full(n, HASH_BASE, np.uint64))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(hashes, n) @ digits)


def distinct(texts: Iterable[Sequence[str]], n: int) -> float:
    """Distinct n-grams over all n-grams of the texts, 0 to 1; 1 is no repetition (Li et al. 2016, arXiv:1510.03055)."""
    grams = [gram for tokens in texts for gram in ngrams(tokens, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def incompressible(texts: Iterable[str]) -> float:
    """Compressed over plain bytes of the texts, one a line; low is repetitive (the inverse of Shaib et al. 2024, arXiv:2403.00553)."""
    raw = "\n".join(texts).encode()
    return len(zlib.compress(raw, 9)) / len(raw) if raw else 0.0


def count_matrix(texts: Sequence[Iterable[str] | Iterable[Gram]]) -> Any:
    """Sparse (texts, terms) counts of words or n-grams, terms in ascending order."""
    from scipy.sparse import csr_array

    rows = [(at, term) for at, terms in enumerate(texts) for term in terms]
    vocabulary = {term: column for column, term in enumerate(sorted({term for _, term in rows}))}  # type: ignore[type-var]
    places = ([at for at, _ in rows], [vocabulary[term] for _, term in rows])
    return csr_array((np.ones(len(rows)), places), shape=(len(texts), max(1, len(vocabulary))))


def overlaps(texts: Sequence[Sequence[str]], n: int) -> NDArray[np.float64]:
    """(texts, texts) Jaccard similarity of the sets of n-grams; 1 for two texts that both have none (Broder 1997)."""
    matrix = count_matrix([sorted(set(ngrams(tokens, n))) for tokens in texts])
    shared = (matrix @ matrix.T).toarray()
    sizes = matrix.sum(axis=1)
    united = sizes[:, None] + sizes[None, :] - shared
    return np.where(united > 0, shared / np.maximum(united, 1), 1.0)
