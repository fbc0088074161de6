"""A list of words in reverse order."""

from __future__ import annotations

from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer, read_asked, read_words, write_words

_THESE: Final = r"(?:these|the(?: following)?) words"
_FORMS: Final = (
    rf"Reverse the order of {_THESE} ?: ?(?P<list>[^:]+?)",
    rf"(?:Write|Put|List|Give) {_THESE} in reverse(?:d)?(?: order)? ?: ?(?P<list>[^:]+?)",
)


def read(instruction: str) -> Asked | None:
    """The words in their order."""
    return read_asked(_FORMS, instruction)


def verify(instruction: str, response: str) -> Check:
    """Right: the same words, spelled the same, last first, separated as in the instruction (by spaces or by commas)."""
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for words in reverse order")
    listed = read_words(found["list"])
    if listed is None or len(listed[0]) < 2:
        return cannot_tell(f"not a list of two or more words: {found['list']!r}")
    words, separator = listed
    turned = words[::-1]
    return expect(read_words(read_answer(response)) == (turned, separator), write_words(turned, separator))
