"""Sums, differences and products of two whole numbers, asked in English or Indonesian."""

from __future__ import annotations

import re
from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import NUMBER, match_form, read_answer

_A, _B = rf"(?P<a>{NUMBER})", rf"(?P<b>{NUMBER})"
_PLUS, _MINUS, _TIMES = r"(?:\+|plus|ditambah|tambah)", r"(?:-|minus|dikurangi|kurang)", r"(?:[*×x·]|times|dikalikan|dikali|kali)"
_ASK: Final = r"(?:What is|What's|Calculate|Compute|Work out|Berapa(?:kah)?(?: hasil(?: dari)?)?|Hitung(?:lah)?)"

_FORMS: Final = {
    "+": (
        rf"{_ASK} {_A} ?{_PLUS} ?{_B}(?: ?=)?",
        rf"Add {_A} (?:and|to|plus) {_B}",
        rf"What is the sum of {_A} and {_B}",
        rf"Jumlahkan(?:lah)? {_A} (?:dan|dengan) {_B}",
        rf"Tambahkan(?:lah)? {_A} (?:dan|dengan) {_B}",
    ),
    "-": (
        rf"{_ASK} {_A} ?{_MINUS} ?{_B}(?: ?=)?",
        rf"Subtract {_B} from {_A}",
        rf"Kurangi {_A} dengan {_B}",
        rf"Kurangkan {_B} dari {_A}",
    ),
    "*": (
        rf"{_ASK} {_A} ?{_TIMES} ?{_B}(?: ?=)?",
        rf"Multiply {_A} (?:by|and|with) {_B}",
        rf"What is the product of {_A} and {_B}",
        rf"Kalikan(?:lah)? {_A} (?:dan|dengan) {_B}",
    ),
}
_RESULTS: Final = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
_EQUATION: Final = re.compile(rf"(?:(?P<a>{NUMBER}) ?(?P<sign>[-+*×x·]) ?(?P<b>{NUMBER}) ?= ?)?(?P<result>-?[0-9]{{1,31}})")


def read(instruction: str) -> Asked | None:
    """The sign and the two numbers, in their order."""
    for sign, forms in _FORMS.items():
        if found := match_form(forms, instruction):
            return sign, str(int(found["a"])), str(int(found["b"]))
    return None


def verify(instruction: str, response: str) -> Check:
    """Right: the result alone ("132"), or the task's own equation ("47 + 85 = 132"; terms and factors may be swapped)."""
    asked = read(instruction)
    if asked is None:
        return cannot_tell("not a sum, difference or product of two whole numbers")
    sign, a, b = asked
    return _check(int(a), sign, int(b), read_answer(response))


def _check(a: int, sign: str, b: int, answer: str) -> Check:
    result = str(_RESULTS[sign](a, b))
    found = _EQUATION.fullmatch(answer)
    if found is None or found["result"] != result:
        return expect(False, result)
    if found["sign"] is None:
        return expect(True, result)
    terms, given = (str(a), str(b)), (found["a"], found["b"])
    same_sign = found["sign"] == sign or (sign == "*" and found["sign"] in "×x·")
    same_terms = given == terms or (sign != "-" and given == terms[::-1])
    return expect(same_sign and same_terms, f"{a} {sign} {b} = {result}")
