"""Indonesian words and number words."""

from __future__ import annotations

import random

from factory.problems.arithmetic import draw_number
from factory.problems.registry import Problem, problem_writer
from factory.problems.vocabulary import INDONESIAN_WORDS

DIGITS = ("nol", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan")


def spell_number(number: int) -> str:
    """`number` (0 to 999) in Indonesian words."""
    if number < 10:
        return DIGITS[number]
    if number < 20:
        return {10: "sepuluh", 11: "sebelas"}.get(number, f"{DIGITS[number - 10]} belas")
    size, name, one = (100, "ratus", "seratus") if number >= 100 else (10, "puluh", "")
    head = one if number // size == 1 else f"{DIGITS[number // size]} {name}"
    return head if number % size == 0 else f"{head} {spell_number(number % size)}"


@problem_writer("sort_words_id")
def write_sort_words_id(rng: random.Random) -> Problem:
    """3 to 5 Indonesian words in alphabetical order."""
    words = rng.sample(INDONESIAN_WORDS, rng.randint(3, 5))
    listed = ", ".join(words)
    instruction = rng.choice((f"Urutkan kata-kata ini menurut abjad: {listed}", f"Susun kata berikut sesuai abjad: {listed}"))
    return Problem(instruction, ", ".join(sorted(words)), f"sort {listed}")


@problem_writer("number_words_id")
def write_number_words_id(rng: random.Random) -> Problem:
    """A number of 11 to 999 in words."""
    number = draw_number(rng, 11, 999)
    instruction = rng.choice((f"Tulis {number} dengan huruf.", f"Bagaimana menulis {number} dengan kata?"))
    return Problem(instruction, spell_number(number), f"spell {number}")
