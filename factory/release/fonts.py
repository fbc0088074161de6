"""Which installed fonts show a text: the plots' own font has no Chinese, Japanese, Korean and many other scripts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.font_manager import FontEntry

OWN_FONT = "DejaVu Sans"
"""Comes with matplotlib, so what it shows looks the same on every machine."""
BOXES = "Last Resort"
"""Comes with matplotlib too, and has a box for every character there is; matplotlib draws by it what no other font has."""
REGULAR = 400


def choose_fonts(texts: Iterable[str]) -> list[str]:
    """OWN_FONT, and after it the fewest installed fonts that show what it lacks, sans-serif ones first.

    Where no installed font has a character, it is drawn as a box.
    """
    from matplotlib import font_manager

    lacking = {ord(character) for text in texts for character in text if not character.isspace()}
    lacking -= _read_characters(font_manager.findfont(OWN_FONT))
    families = [OWN_FONT]
    while lacking:
        found = max(_list_fonts(), key=lambda font: len(lacking & _read_characters(font.fname)), default=None)
        shown = lacking & _read_characters(found.fname) if found else set()
        if found is None or not shown:
            break
        families.append(found.name)
        lacking -= shown
    return families


@cache
def _list_fonts() -> list[FontEntry]:
    """Upright fonts of regular weight in a fixed order, those that are preferred first."""
    from matplotlib import font_manager

    upright = [font for font in font_manager.fontManager.ttflist if font.style == "normal" and font.weight == REGULAR]
    upright = [font for font in upright if not font.name.startswith(BOXES)]
    return sorted(upright, key=lambda font: ("Sans" not in font.name, font.name, font.fname))


@cache
def _read_characters(file: str) -> frozenset[int]:
    """Code points that a font has."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(file).get_charmap())
