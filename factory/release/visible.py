"""Untrusted text made fit to be shown: what a record says must not steer the page or the terminal that shows it."""

from __future__ import annotations

import re

# Control characters, escape sequences among them, and those that turn the direction of the text around them.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def make_visible(text: str) -> str:
    """`text` with every character that acts instead of showing replaced by U+FFFD; tabs and line ends stay."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
