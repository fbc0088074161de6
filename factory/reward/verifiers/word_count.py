"""How many words a list has."""

from __future__ import annotations

from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer, read_asked, read_words

_FORMS: Final = (
    r"How many words are(?: there)?(?: in (?:this|the(?: following)?) list)? ?: ?(?P<list>[^:]+?)",
    r"Count (?:the|these) words(?: in (?:this|the(?: following)?) list)? ?: ?(?P<list>[^:]+?)",
)


def read(instruction: str) -> Asked | None:
    """The words in their order."""
    return read_asked(_FORMS, instruction)


def verify(instruction: str, response: str) -> Check:
    """Right: the number in digits and nothing else."""
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask how many words a list has")
    listed = read_words(found["list"])
    if listed is None:
        return cannot_tell(f"not a list of words: {found['list']!r}")
    count = str(len(listed[0]))
    return expect(read_answer(response) == count, count)
