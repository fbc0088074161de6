"""The next term of an arithmetic progression."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer, read_asked, read_numbers

_END: Final = r"(?: ?,? ?(?:\.\.\.|…|_+|\?))?"
_FORMS: Final = (
    rf"(?:What|Which)(?: number)? comes next(?: in (?:the|this) sequence)? ?: ?(?P<list>[^:]+?){_END}",
    rf"What is the next number(?: (?:in|of) (?:the|this) sequence)? ?: ?(?P<list>[^:]+?){_END}",
    rf"Continue (?:the|this) sequence ?: ?(?P<list>[^:]+?){_END}",
)
LEAST_TERMS: Final = 3


def read(instruction: str) -> Asked | None:
    """The terms."""
    return read_asked(_FORMS, instruction)


def verify(instruction: str, response: str) -> Check:
    """Right: that one number and nothing else. Cannot tell where the terms have no one common difference, or it is 0."""
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for the next number of a sequence")
    terms = read_numbers(found["list"])
    if terms is None or len(terms) < LEAST_TERMS:
        return cannot_tell(f"not a sequence of {LEAST_TERMS} or more whole numbers: {found['list']!r}")
    steps = {after - before for before, after in pairwise(terms)}
    if len(steps) != 1 or steps == {0}:
        return cannot_tell(f"no arithmetic progression: {found['list']}")
    following = str(terms[-1] + steps.pop())
    return expect(read_answer(response) == following, following)
