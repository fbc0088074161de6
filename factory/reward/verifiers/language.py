"""Tells whether a text is in a language, where that is beyond doubt."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, Final

LEAST_LETTERS: Final = 40
"""Shorter texts are told wrong too often. Scripts that need few signs for a word reach it later, never wrongly."""
SURE: Final = 0.95
UNLIKELY: Final = 0.01
NEAR: Final = {
    "id": ("ms",), "ms": ("id",), "en": ("pcm",), "zh": ("wuu", "yue"), "no": ("nb", "nn", "da"), "nb": ("no", "nn", "da"),
    "nn": ("no", "nb", "da"), "da": ("no", "nb", "nn"), "hr": ("bs", "sr"), "bs": ("hr", "sr"), "sr": ("hr", "bs"), "cs": ("sk",),
    "sk": ("cs",), "es": ("an", "ext", "gl", "ast"), "pt": ("gl",), "gl": ("pt", "es"), "hi": ("mr", "ne"), "ar": ("arz", "fa"),
}  # fmt: skip
"""Languages that the model takes for each other; a text of one is never called wrong for the other."""


def tell_language(text: str, language: str) -> bool | None:
    """Whether `text` is in `language` (BCP 47; its first part counts); None where it is short, mixed, or near another language.

    By py3langid, which needs no network: 4.6 MB, where lingua needs 96 MB, and it knows Malay from Indonesian, which langdetect does not.
    """
    base = language.split("-")[0].lower()
    whole = _tell(text, base)
    parts = {_tell(part, base) for part in _cut(text)}
    # The model reads a mixed text as the one language that it has most signs of.
    return None if whole is None or (not whole) in parts else whole


def _tell(text: str, base: str) -> bool | None:
    identifier = _load()
    if base not in identifier.labels or _count_letters(text) < LEAST_LETTERS:
        return None
    ranked = {name: float(share) for name, share in identifier.rank(text)}
    best = max(ranked, key=lambda name: ranked[name])
    asked, found = (sum(ranked.get(near, 0.0) for near in (name, *NEAR.get(name, ()))) for name in (base, best))
    if best == base and asked >= SURE:
        return True
    return False if asked <= UNLIKELY and found >= SURE else None


def _cut(text: str) -> Iterator[str]:
    """Parts of whole sentences and lines, each long enough to be told."""
    part: list[str] = []
    letters = 0
    for sentence in re.split(r"(?<=[.!?。！？\n])", text):
        part.append(sentence)
        letters += _count_letters(sentence)
        if letters >= LEAST_LETTERS:
            yield "".join(part)
            part, letters = [], 0


def _count_letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


@functools.cache
def _load() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
