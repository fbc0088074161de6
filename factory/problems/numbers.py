"""Lists and sequences of whole numbers."""

from __future__ import annotations

import random

from factory.problems.arithmetic import draw_number
from factory.problems.registry import Problem, problem_writer


@problem_writer("largest_number")
def write_largest_number(rng: random.Random) -> Problem:
    """The largest of 3 to 6 distinct numbers."""
    count = rng.randint(3, 6)
    numbers: list[int] = []
    while len(numbers) < count:
        if (number := draw_number(rng, 1, 999)) not in numbers:
            numbers.append(number)
    listed = ", ".join(map(str, numbers))
    instruction = rng.choice((f"Which number is the largest: {listed}?", f"Find the largest number: {listed}"))
    return Problem(instruction, str(max(numbers)), f"largest {listed}")


@problem_writer("next_number")
def write_next_number(rng: random.Random) -> Problem:
    """The fifth term of an arithmetic progression: start 1 to 99, step 2 to 12."""
    start, step = rng.randint(1, 99), rng.randint(2, 12)
    listed = ", ".join(str(start + step * i) for i in range(4))
    instruction = rng.choice((f"What number comes next: {listed}?", f"Continue the sequence: {listed}"))
    return Problem(instruction, str(start + step * 4), f"next {listed}")
