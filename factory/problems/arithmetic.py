"""Sums, differences and products of whole numbers."""

from __future__ import annotations

import random

from factory.problems.registry import Problem, problem_writer


def draw_number(rng: random.Random, low: int, high: int) -> int:
    """A number whose count of digits is drawn first, so that short numbers are as common as long ones."""
    digits = rng.randint(len(str(low)), len(str(high)))
    return rng.randint(max(low, 10 ** (digits - 1)), min(high, 10**digits - 1))


@problem_writer("addition")
def write_addition(rng: random.Random) -> Problem:
    """`What is 47 + 85?` and its phrasings; terms of 10 to 999."""
    a, b = draw_number(rng, 10, 999), draw_number(rng, 10, 999)
    instruction = rng.choice((f"What is {a} + {b}?", f"Add {a} and {b}.", f"Calculate {a} + {b}."))
    return Problem(instruction, f"{a} + {b} = {a + b}", f"{a}+{b}")


@problem_writer("addition_id")
def write_addition_id(rng: random.Random) -> Problem:
    """Indonesian phrasings of a sum."""
    a, b = draw_number(rng, 10, 999), draw_number(rng, 10, 999)
    instruction = rng.choice((f"Berapa {a} + {b}?", f"Hitung {a} + {b}.", f"Jumlahkan {a} dan {b}."))
    return Problem(instruction, f"{a} + {b} = {a + b}", f"{a}+{b}")


@problem_writer("subtraction")
def write_subtraction(rng: random.Random) -> Problem:
    """`What is 85 - 47?` and its phrasings; the result is not negative."""
    b, a = sorted((draw_number(rng, 10, 999), draw_number(rng, 10, 999)))
    instruction = rng.choice((f"What is {a} - {b}?", f"Subtract {b} from {a}.", f"Calculate {a} - {b}."))
    return Problem(instruction, f"{a} - {b} = {a - b}", f"{a}-{b}")


@problem_writer("multiplication")
def write_multiplication(rng: random.Random) -> Problem:
    """`What is 7 * 23?` and its phrasings; 2 to 9 by 11 to 99."""
    a, b = rng.randint(2, 9), rng.randint(11, 99)
    instruction = rng.choice((f"What is {a} * {b}?", f"Multiply {a} by {b}."))
    return Problem(instruction, f"{a} * {b} = {a * b}", f"{a}*{b}")
