"""Whole numbers from 0 to 999,999 in Indonesian words."""

from __future__ import annotations

from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer

_UNITS: Final = ("", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan")
_NUMBER: Final = r"(?P<number>0|[1-9][0-9]{0,5}|[1-9][0-9]{0,2}\.[0-9]{3})"
_IN_WORDS: Final = r"(?:dengan|dalam) (?:huruf|kata(?:-kata)?)"
_FORMS: Final = (
    rf"Tulis(?:kan|lah)? (?:angka |bilangan )?{_NUMBER} {_IN_WORDS}",
    rf"Bagaimana (?:cara )?menulis(?:kan)? (?:angka |bilangan )?{_NUMBER} {_IN_WORDS}",
)


def read(instruction: str) -> Asked | None:
    """The number in digits."""
    found = match_form(_FORMS, instruction)
    return (found["number"].replace(".", ""),) if found else None


def verify(instruction: str, response: str) -> Check:
    """Right: the number's words in small letters, one space between them, and nothing else."""
    asked = read(instruction)
    if asked is None:
        return cannot_tell("does not ask for a whole number of up to 999,999 in Indonesian words")
    words = _spell(int(asked[0])) or "nol"
    return expect(read_answer(response) == words, words)


def _spell(number: int) -> str:
    """The words of 1 to 999,999; nothing for 0."""
    thousands, rest = divmod(number, 1000)
    parts = ["seribu" if thousands == 1 else f"{_spell(thousands)} ribu"] if thousands else []
    hundreds, rest = divmod(rest, 100)
    if hundreds:
        parts.append("seratus" if hundreds == 1 else f"{_UNITS[hundreds]} ratus")
    tens, units = divmod(rest, 10)
    if rest in (10, 11):
        parts.append("sepuluh" if rest == 10 else "sebelas")
    elif tens == 1:
        parts.append(f"{_UNITS[units]} belas")
    else:
        parts += [f"{_UNITS[tens]} puluh"] if tens else []
        parts += [_UNITS[units]] if units else []
    return " ".join(parts)
