"""Reads a text as a recogniser wants it: digits of any script as ASCII digits, and each place of it in the original."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from functools import cache

WIDE = range(0xFF01, 0xFF5F)
"""Full-width forms of ASCII's `!` to `~`."""

ASCII_LAG = 0xFF01 - ord("!")


@dataclass(frozen=True)
class Reading:
    """A text as it is read. `places` gives the place in the original of each character; null where they are the same."""

    text: str
    places: tuple[int, ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A span of the text, not empty, in the original."""
        return (start, end) if self.places is None else (self.places[start], self.places[end - 1] + 1)


def read(text: str) -> Reading:
    """`text` with digits of any script, full-width letters, dashes and spaces in their ASCII forms, and without invisible characters.

    Arabic writes its numbers with marks of direction inside, and web pages hold soft hyphens and zero-width spaces: a number is one all
    the same.
    """
    if text.isascii():
        return Reading(text)
    plain, invisible = _tables()
    if invisible.isdisjoint(text):
        return Reading(text.translate(plain))
    places = tuple(place for place, character in enumerate(text) if character not in invisible)
    return Reading("".join(text[place] for place in places).translate(plain), places)


@cache
def _tables() -> tuple[dict[int, str], frozenset[str]]:
    plain, invisible = {}, set()
    for code in range(0x80, sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category == "Nd":
            plain[code] = str(unicodedata.digit(chr(code)))
        elif category == "Pd" or code == 0x2212:  # the minus sign
            plain[code] = "-"
        elif category == "Zs":
            plain[code] = " "
        elif category == "Cf":
            invisible.add(chr(code))
        elif code in WIDE:
            plain[code] = chr(code - ASCII_LAG)
    return plain, frozenset(invisible)
