"""The largest of a list of whole numbers."""

from __future__ import annotations

from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer, read_asked, read_numbers

_LARGEST: Final = r"(?:largest|biggest|greatest|highest)"
_LIST: Final = r"(?: (?:of|among|in)(?: these| this list))? ?: ?(?P<list>[^:]+?)"
_FORMS: Final = (
    rf"(?:Which|What)(?: number| one)? is (?:the )?{_LARGEST}(?: number)?{_LIST}",
    rf"(?:Find|Give|Name|Pick|Choose|Select|Write) (?:the )?{_LARGEST} number{_LIST}",
)


def read(instruction: str) -> Asked | None:
    """The numbers in their order."""
    return read_asked(_FORMS, instruction)


def verify(instruction: str, response: str) -> Check:
    """Right: that number and nothing else."""
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for the largest number of a list")
    numbers = read_numbers(found["list"])
    if numbers is None:
        return cannot_tell(f"not a list of two or more whole numbers: {found['list']!r}")
    return expect(read_answer(response) == str(max(numbers)), str(max(numbers)))
