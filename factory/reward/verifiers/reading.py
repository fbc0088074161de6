"""How verifiers read text: white space, lists of words and numbers, the final full stop of a response, JSON.

Everything here is strict on purpose. An instruction that is nearly of a known form, such as a list with a comma missing, was garbled by
whoever wrote it, and a guess at what was meant would let wrong responses through.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import unicodedata
from typing import Any, Final, Literal

# Fifteen digits keep int() far from its limit on the length of text, so that no input can make a verifier raise.
NUMBER: Final = r"[-+]?[0-9]{1,15}"
MOST_DIGITS: Final = 4_000
"""Characters of an integer that is read; Python's own limit, where nobody changed it, is 4,300 digits."""
_JSON_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_NUMBERS: Final = re.compile(rf"{NUMBER}(?:, ?{NUMBER})+|{NUMBER}(?: {NUMBER})+")
_WORD: Final = r"\w+(?:[-'’]\w+)*"
_SPACED_WORDS: Final = re.compile(rf"{_WORD}(?: {_WORD})*")
_COMMA_WORDS: Final = re.compile(rf"{_WORD}(?: ?, ?{_WORD})+")
_BETWEEN_ITEMS: Final = re.compile(r"[ ,]+")
_MINUS_SIGNS: Final = str.maketrans({"−": "-", "–": "-"})

NO_JSON: Final = object()
"""Stands for the value of a text that is not JSON; JSON's own null is None."""

BEYOND_JSON: Final = object()
"""Stands for the value of a text that may be JSON, but is nested deeper than can be read, or holds an integer of more digits than Python
converts."""

Separator = Literal[",", " "]


def read_instruction(instruction: str) -> str:
    """The instruction on one line: runs of white space are one space, every minus sign is ASCII."""
    return " ".join(instruction.translate(_MINUS_SIGNS).split())


def read_answer(response: str) -> str:
    """The response without white space around it and without one final full stop; every minus sign is ASCII."""
    return response.translate(_MINUS_SIGNS).strip().removesuffix(".")


def match_form(forms: tuple[str, ...], instruction: str) -> dict[str, str] | None:
    """The named groups of the first of `forms` that is the whole instruction, case and a final `.`, `?` or `!` aside."""
    text = read_instruction(instruction)
    for form in _compile_forms(forms):
        if found := form.fullmatch(text):
            return {name: value for name, value in found.groupdict().items() if value is not None}
    return None


@functools.cache
def _compile_forms(forms: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"(?:{form}) ?[.?!]?", re.IGNORECASE) for form in forms)


def read_asked(forms: tuple[str, ...], instruction: str) -> tuple[str, ...] | None:
    """The named groups of the form that the instruction is of, by name: numbers in their shortest form, and what separates the items of a
    list left out, as it is phrasing. None for any other instruction."""
    found = match_form(forms, instruction)
    if found is None:
        return None
    items = {name: [item for item in _BETWEEN_ITEMS.split(value.casefold()) if item] for name, value in found.items()}
    return tuple(" ".join(str(int(item)) if re.fullmatch(NUMBER, item) else item for item in items[name]) for name in sorted(items))


def read_numbers(text: str) -> list[int] | None:
    """Two or more whole numbers, all separated by commas or all by spaces; None for anything else."""
    if not _NUMBERS.fullmatch(text):
        return None
    return [int(number) for number in re.split(r"[, ]+", text)]


def read_words(text: str) -> tuple[list[str], Separator] | None:
    """Words and what separates them, commas or spaces throughout; None for anything else, such as two words with a comma missing."""
    if _COMMA_WORDS.fullmatch(text):
        return re.split(r" ?, ?", text), ","
    if _SPACED_WORDS.fullmatch(text):
        return text.split(" "), " "
    return None


def write_words(words: list[str], separator: Separator) -> str:
    """The words as a response lists them."""
    return (", " if separator == "," else " ").join(words)


def unify_form(text: str) -> str:
    """The text in NFKC, but with raised, lowered and circled digits as they are: 10⁵ is not 105."""
    parts = itertools.groupby(text, lambda character: character.isdigit() and not character.isdecimal())
    return "".join("".join(part) if is_marked else unicodedata.normalize("NFKC", "".join(part)) for is_marked, part in parts)


def read_json(text: str) -> Any:
    """The value, NO_JSON where the text is not JSON (RFC 8259) alone, or an object in it names a field twice, or BEYOND_JSON."""
    beyond: list[str] = []

    def refuse_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a field twice")
        return dict(pairs)

    def read_integer(digits: str) -> int:
        if len(digits) > MOST_DIGITS:
            beyond.append(digits)
            return 0
        return int(digits)

    try:
        value = json.loads(text, object_pairs_hook=refuse_repeats, parse_constant=refuse_constant, parse_int=read_integer)
    except ValueError:
        return NO_JSON
    except RecursionError:
        outside = _JSON_TEXT.sub("", text)
        return BEYOND_JSON if all(outside.count(one) == outside.count(other) for one, other in ("[]", "{}")) else NO_JSON
    return BEYOND_JSON if beyond else value
