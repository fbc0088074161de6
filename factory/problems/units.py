"""Conversion of a larger unit to a smaller one."""

from __future__ import annotations

import random

from factory.problems.registry import Problem, problem_writer

FACTORS = (
    ("kilometres", "metres", 1000),
    ("metres", "centimetres", 100),
    ("centimetres", "millimetres", 10),
    ("kilograms", "grams", 1000),
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("days", "hours", 24),
    ("weeks", "days", 7),
)


@problem_writer("convert_units")
def write_convert_units(rng: random.Random) -> Problem:
    """2 to 60 of the larger unit."""
    large, small, factor = rng.choice(FACTORS)
    amount = rng.randint(2, 60)
    instruction = rng.choice((f"Convert {amount} {large} to {small}.", f"How many {small} are {amount} {large}?"))
    return Problem(instruction, f"{amount} {large} = {amount * factor} {small}", f"{amount} {large} {small}")
