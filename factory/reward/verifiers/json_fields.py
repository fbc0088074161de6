"""A JSON object from named fields."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_json

_FORMS: Final = (
    r"(?:Write|Make|Create|Give)(?: me)? (?:a |the )?JSON(?: object)? (?:with|from)"
    r"(?: (?:the|these)(?: following)? fields ?:)? (?P<fields>[^:]+?)",
)
_BETWEEN: Final = re.compile(r", and |, | and ")
# One word, a whole number, or a name of several capitalised words: "city New York" is one field, "name Ana age 31" lacks a comma.
_FIELD: Final = re.compile(
    r"(?P<key>[A-Za-z_]\w*) (?:(?P<number>-?[0-9]{1,15})|(?P<text>[A-Z][\w'’-]*(?: [A-Z][\w'’-]*)+|[^\W\d][\w'’-]*))"
)


def read(instruction: str) -> Asked | None:
    """The fields with their values, in their order."""
    found = match_form(_FORMS, instruction)
    fields = found and _read_fields(found["fields"])
    return tuple(f"{key} {value}" for key, value in fields.items()) if fields else None


def verify(instruction: str, response: str) -> Check:
    """Right: one valid JSON object with these fields and no other, in any order; whole numbers as numbers, the rest as text."""
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for a JSON object with named fields")
    expected = _read_fields(found["fields"])
    if expected is None:
        return cannot_tell(f"not a list of different fields and their values: {found['fields']!r}")
    given = read_json(response)
    return expect(isinstance(given, dict) and _same(given, expected), json.dumps(expected, ensure_ascii=False))


def _read_fields(text: str) -> dict[str, int | str] | None:
    fields: dict[str, int | str] = {}
    for part in _BETWEEN.split(text):
        found = _FIELD.fullmatch(part)
        if found is None or found["key"] in fields:
            return None
        fields[found["key"]] = found["text"] if found["number"] is None else int(found["number"])
    return fields


def _same(given: dict[str, Any], expected: dict[str, int | str]) -> bool:
    """Equal in value and in type: Python holds True, 1 and 1.0 for equal, JSON does not."""
    return given == expected and all(type(given[key]) is type(value) for key, value in expected.items())
