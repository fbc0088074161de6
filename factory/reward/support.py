"""Whether an answer about a text stands in that text: the share of its words that the text holds."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")


def measure_support(response: str, context: str) -> float | None:
    """Share (0 to 1) of the response's words that occur in the context; None for a response without a word.

    1 says that every word was read, 0 that none was. Case and the form of characters (NFKC) make no difference. It is unigram coverage,
    after the extractive fragment coverage of Grusky et al. 2018 (Newsroom, arXiv 1804.11283) without its demand that words stand
    together. A paraphrase scores lower than a quotation, a negated quotation as high as a true one: it tells invention, not truth.
    """
    written = _split_words(response)
    if not written:
        return None
    read = set(_split_words(context))
    return sum(word in read for word in written) / len(written)


def _split_words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
