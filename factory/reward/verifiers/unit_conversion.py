"""Conversion between units of length, mass or time."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer

# Each unit in the smallest of its kind.
_SIZES: Final[dict[str, dict[str, int]]] = {
    "length": {"millimetre": 1, "centimetre": 10, "metre": 1_000, "kilometre": 1_000_000},
    "mass": {"milligram": 1, "gram": 1_000, "kilogram": 1_000_000},
    "time": {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800},
}
_AMOUNT: Final = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_UNIT: Final = "|".join(unit.replace("metre", "met(?:re|er)") for units in _SIZES.values() for unit in units)
_FORMS: Final = (
    rf"(?:Convert|Change) (?P<amount>{_AMOUNT}) (?P<given>(?:{_UNIT})s?) (?:to|into) (?P<wanted>(?:{_UNIT})s?)",
    rf"How many (?P<wanted>(?:{_UNIT})s?) are(?: there)?(?: in)? (?P<amount>{_AMOUNT}) (?P<given>(?:{_UNIT})s?)",
)
_EQUATION: Final = re.compile(
    rf"(?:(?P<amount>{_AMOUNT}) (?P<given>(?:{_UNIT})s?) ?= ?)?"
    rf"(?P<result>[0-9]{{1,24}}(?:\.[0-9]{{1,24}})?)(?: (?P<wanted>(?:{_UNIT})s?))?"
)


def read(instruction: str) -> Asked | None:
    """The amount and the two units."""
    found = match_form(_FORMS, instruction)
    return (str(Fraction(found["amount"])), _name(found["given"]), _name(found["wanted"])) if found else None


def verify(instruction: str, response: str) -> Check:
    """Right: "3000", "3000 metres" or "3 kilometres = 3000 metres"; metre or meter, singular for 1 and plural else, or as instructed.

    Cannot tell where the two units are the same, measure different things, or the result has no finite decimal form.
    """
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for a conversion between known units of length, mass or time")
    given, wanted = _name(found["given"]), _name(found["wanted"])
    sizes = next(units for units in _SIZES.values() if given in units)
    if wanted not in sizes or wanted == given:
        return cannot_tell(f"{found['given']} cannot be converted to {found['wanted']}")
    result = _write_decimal(Fraction(found["amount"]) * sizes[given] / sizes[wanted])
    if result is None:
        return cannot_tell(f"{found['amount']} {found['given']} are no finite decimal number of {found['wanted']}")
    expected = f"{found['amount']} {found['given']} = {result} {found['wanted']}"
    return expect(_states(read_answer(response), found, result), expected)


def _states(answer: str, task: dict[str, str], result: str) -> bool:
    """Whether the answer is the result, with its unit or without, or the whole equation with both units."""
    said = _EQUATION.fullmatch(answer)
    if said is None or said["result"] != result:
        return False
    if said["wanted"] is None:
        return said["given"] is None
    same_left_side = said["given"] is None or (said["amount"] == task["amount"] and _fits(said["given"], task["given"], task["amount"]))
    return _fits(said["wanted"], task["wanted"], result) and same_left_side


def _fits(unit: str, asked: str, amount: str) -> bool:
    """Whether `unit` is the one asked for, in the form that goes with `amount` or in the form of the instruction."""
    return _name(unit) == _name(asked) and (unit == asked or unit.endswith("s") == (amount != "1"))


def _name(unit: str) -> str:
    return unit.casefold().removesuffix("s").replace("meter", "metre")


def _write_decimal(value: Fraction) -> str | None:
    """`value` without trailing zeros, or None where it is no finite decimal: its denominator has a factor other than 2 and 5."""
    places, scaled = 0, value
    while scaled.denominator % 2 == 0 or scaled.denominator % 5 == 0:
        places, scaled = places + 1, scaled * 10
    if scaled.denominator != 1:
        return None
    digits = str(scaled.numerator).zfill(places + 1)
    return digits if places == 0 else f"{digits[:-places]}.{digits[-places:]}"
