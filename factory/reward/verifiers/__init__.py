"""The registry of verifiers: code that decides from instruction and response alone whether the response is right."""

from __future__ import annotations

import difflib

from factory.faults import FactoryError
from factory.reward.verifiers import (
    arithmetic,
    date_after,
    json_fields,
    largest_number,
    next_number,
    number_words,
    reversed_words,
    sorted_words,
    unit_conversion,
    weekday_after,
    word_count,
)
from factory.reward.verifiers.check import Check, Verifier

__all__ = ["VERIFIERS", "Check", "Verifier", "verify"]

VERIFIERS: dict[str, Verifier] = {
    "arithmetic": arithmetic.verify,
    "date_after": date_after.verify,
    "json_fields": json_fields.verify,
    "largest_number": largest_number.verify,
    "next_number": next_number.verify,
    "number_words": number_words.verify,
    "reversed_words": reversed_words.verify,
    "sorted_words": sorted_words.verify,
    "unit_conversion": unit_conversion.verify,
    "weekday_after": weekday_after.verify,
    "word_count": word_count.verify,
}
"""By the name that a leaf's `factory.verifier` gives."""


def verify(name: str, instruction: str, response: str) -> Check:
    """Whether `response` is right for `instruction`, as verifier `name` sees it. Raises FactoryError for an unknown name."""
    if name not in VERIFIERS:
        near = difflib.get_close_matches(name, VERIFIERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "it may be misspelt."
        raise FactoryError(
            f"no verifier {name!r}; {hint} Known verifiers: {', '.join(VERIFIERS)}. Mend `factory.verifier` in the leaf's qna.yaml."
        )
    return VERIFIERS[name](instruction, response)
