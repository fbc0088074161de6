"""A list of words in alphabetical order, asked in English or Indonesian."""

from __future__ import annotations

import re
from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer, read_asked, read_words, write_words

_FORMS: Final = (
    r"(?:Sort|Arrange|Order|List|Put|Write) (?:these|the(?: following)?) words "
    r"(?:alphabetically|(?:in|into) alphabetical order|in alphabetic order) ?: ?(?P<list>[^:]+?)",
    r"(?:Urutkan|Susun)(?:lah)? kata(?:-kata)?(?: (?:ini|berikut(?: ini)?|tersebut))? "
    r"(?:menurut|sesuai|berdasarkan|secara) (?:urutan )?(?:abjad|alfabet|alfabetis) ?: ?(?P<list>[^:]+?)",
)
_LATIN_WORD: Final = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")


def read(instruction: str) -> Asked | None:
    """The words in their order."""
    return read_asked(_FORMS, instruction)


def verify(instruction: str, response: str) -> Check:
    """Right: the same words, spelled the same, in order whatever their case, separated as in the instruction (by commas or by spaces).

    Cannot tell where a word has other letters than a to z: where those stand depends on the language.
    """
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for words in alphabetical order")
    listed = read_words(found["list"])
    if listed is None or len(listed[0]) < 2:
        return cannot_tell(f"not a list of two or more words: {found['list']!r}")
    words, separator = listed
    if not all(_LATIN_WORD.fullmatch(word) for word in words):
        return cannot_tell("a word has other letters than a to z")
    in_order = sorted(words, key=_order)
    given, given_separator = read_words(read_answer(response)) or ([], separator)
    ordered = list(map(_order, given)) == list(map(_order, in_order))
    return expect(ordered and sorted(given) == sorted(words) and given_separator == separator, write_words(in_order, separator))


def _order(word: str) -> str:
    return word.casefold().replace("-", "")
