"""Filters: which of a step's values are kept. Patterns are data, by language; no filter knows a language by itself."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from factory.generation.parsers import ParseError, Part, Pattern

ANY = "any"
"""The key of patterns that hold in every language."""
Patterns = dict[Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")], tuple[Pattern, ...]]
"""Regular expressions, matched without regard to case, by language (BCP 47) or `any`. Those of `id` also serve `id-ID`."""


class RefusedError(Exception):
    """A value that a filter refuses: it parsed, and is not wanted; the text says why."""


class Limits(Part):
    """The form that a text must have; another form is a parse fault."""

    max_chars: int | None = Field(default=None, ge=1)
    max_lines: int | None = Field(default=None, ge=1)
    single_line: bool = False

    def check(self, value: str) -> None:
        """Raises ParseError where `value` is outside the limits."""
        if self.max_chars is not None and len(value) > self.max_chars:
            raise ParseError(f"{len(value)} characters long, at most {self.max_chars} are allowed")
        lines = len(value.splitlines())
        if self.single_line and lines > 1:
            raise ParseError("more than one line")
        if self.max_lines is not None and lines > self.max_lines:
            raise ParseError(f"{lines} lines, at most {self.max_lines} are allowed")


class Filter(Part):
    """What is refused: a judge's score below `min_score`, a text that a pattern of `refuse` is found in, or none of `require`."""

    min_score: float | None = None
    refuse: Patterns = Field(default={}, description="Patterns of which none may be found in the text.")
    require: Patterns = Field(default={}, description="Patterns of which one must be found.")

    def check_text(self, value: str, language: str) -> None:
        """Raises RefusedError."""
        for pattern in select_patterns(self.refuse, language):
            if found := compile_pattern(pattern).search(value):
                raise RefusedError(f"holds {found[0].strip()[:60]!r}, which the flow refuses")
        wanted = [*select_patterns(self.require, language)]
        if wanted and not any(compile_pattern(pattern).search(value) for pattern in wanted):
            raise RefusedError(f"holds nothing of what the flow requires ({', '.join(wanted)})")

    def check_score(self, score: float) -> None:
        """Raises RefusedError."""
        if self.min_score is not None and score < self.min_score:
            raise RefusedError(f"score {score:g} is below {self.min_score:g}")


def strip_patterns(value: str, patterns: Patterns, language: str) -> str:
    """`value` without what the patterns match, again until none does, and without the white space that is left around it."""
    chosen = [compile_pattern(pattern) for pattern in select_patterns(patterns, language)]
    before = None
    while before != value:
        before = value
        for pattern in chosen:
            value = pattern.sub("", value).strip()
    return value


def select_patterns(patterns: Patterns, language: str) -> Iterator[str]:
    """The patterns that serve `language` (BCP 47): those of `any`, and of the language or one that it is a form of."""
    for key, chosen in patterns.items():
        if key == ANY or language.casefold() == key.casefold() or language.casefold().startswith(f"{key.casefold()}-"):
            yield from chosen


@functools.cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, without regard to case, its ^ and $ at lines."""
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
