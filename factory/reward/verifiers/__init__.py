"""The registry of verifiers: code that says of a response right, wrong or cannot tell, and never guesses."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from factory.faults import FactoryError
from factory.reward.verifiers import (
    arithmetic,
    date_after,
    exact,
    gsm8k,
    ifeval,
    json_fields,
    json_schema,
    largest_number,
    next_number,
    number,
    number_words,
    pattern,
    python_tests,
    reversed_words,
    sorted_words,
    unit_conversion,
    weekday_after,
    word_count,
)
from factory.reward.verifiers.check import Asked, Check, Task, Verifier, from_instruction, join_checks
from factory.spec import Spec

__all__ = [
    "SETTINGS",
    "VERIFIERS",
    "Asked",
    "Check",
    "Verifier",
    "join_checks",
    "read_problem",
    "verify",
    "verify_constraint",
    "warn_of_references",
]

VERIFIERS: dict[str, Verifier] = {
    "arithmetic": from_instruction(arithmetic.verify, arithmetic.read),
    "date_after": from_instruction(date_after.verify, date_after.read),
    "exact": Verifier(exact.verify, exact.Settings),
    "gsm8k": Verifier(gsm8k.verify),
    "ifeval": Verifier(ifeval.verify, ifeval.Settings),
    "json_fields": from_instruction(json_fields.verify, json_fields.read),
    "json_schema": Verifier(json_schema.verify, json_schema.Settings),
    "largest_number": from_instruction(largest_number.verify, largest_number.read),
    "next_number": from_instruction(next_number.verify, next_number.read),
    "number": Verifier(number.verify, number.Settings),
    "number_words": from_instruction(number_words.verify, number_words.read),
    "pattern": Verifier(pattern.verify, pattern.Settings),
    "python_tests": Verifier(python_tests.verify, python_tests.Settings),
    "reversed_words": from_instruction(reversed_words.verify, reversed_words.read),
    "sorted_words": from_instruction(sorted_words.verify, sorted_words.read),
    "unit_conversion": from_instruction(unit_conversion.verify, unit_conversion.read),
    "weekday_after": from_instruction(weekday_after.verify, weekday_after.read),
    "word_count": from_instruction(word_count.verify, word_count.read),
}
"""By the name that a leaf's `factory.verifier` gives."""

NEED_REFERENCE = ("exact", "gsm8k", "number")
"""Those that compare with a right answer, which a generated record has not."""

SETTINGS: Mapping[str, type[Spec]] = {name: verifier.settings for name, verifier in VERIFIERS.items()}
"""What a leaf may set of each, for the door of the taxonomy."""


def verify(name: str, instruction: str, response: str, *, settings: str | None = None, reference: str | None = None) -> Check:
    """Whether `response` is right for `instruction`, as verifier `name` sees it.

    `settings`: canonical JSON, as in the column `verifier_settings`. `reference`: a right answer, where one is known. Raises FactoryError
    for an unknown name and for settings that the verifier does not have.
    """
    return _find(name).check(Task(instruction, reference, _read_settings(name, settings)), response)


def read_problem(name: str, instruction: str) -> Asked | None:
    """What `instruction` asks as verifier `name` reads it, the same for every phrasing that it knows; None for any other, and where the
    verifier reads no instructions. Raises FactoryError for an unknown name."""
    read = _find(name).read
    return read(instruction) if read else None


def _find(name: str) -> Verifier:
    if name not in VERIFIERS:
        near = difflib.get_close_matches(name, VERIFIERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "it may be misspelt."
        raise FactoryError(
            f"no verifier {name!r}; {hint} Known verifiers: {', '.join(VERIFIERS)}. Mend `factory.verifier` in the leaf's qna.yaml."
        )
    return VERIFIERS[name]


def warn_of_references(leaves: Mapping[str, str | None], is_decided: Callable[[str], bool]) -> tuple[str, ...]:
    """A notice for each leaf whose verifier needs a reference, so that no generated record of it can be accepted.

    `leaves`: the verifier of each; `is_decided`: whether the policy of a leaf leaves the verdict to its verifier.
    """
    return tuple(
        f"{leaf}: its verifier {name!r} compares with a right answer, which a generated record has not, so every one will be refused "
        "as undecidable; name a verifier that reads the instruction (docs/verifiers.md), or let other scores decide there: reward.leaves: "
        f"{{{leaf!r}: {{verifier: ignored}}}} with reward.scope: all"
        for leaf, name in leaves.items()
        if name in NEED_REFERENCE and is_decided(leaf)
    )


def verify_constraint(constraint: str, instruction: str, response: str) -> Check:
    """Whether `response` keeps the constraint that the column `constraint` holds: canonical JSON {"arguments", "name"}."""
    return verify("ifeval", instruction, response, settings=f'{{"constraints":[{constraint}]}}')


@functools.lru_cache(maxsize=1024)
def _read_settings(name: str, settings: str | None) -> Spec:
    try:
        return SETTINGS[name].model_validate(json.loads(settings or "{}"))
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors())
        raise FactoryError(f"the settings of verifier {name!r} are at fault: {told}. Mend `factory.verifier` of the leaf.") from None
