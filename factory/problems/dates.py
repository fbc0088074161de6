"""Days of the week and calendar dates."""

from __future__ import annotations

import datetime
import random

from factory.problems.registry import Problem, problem_writer

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@problem_writer("weekday_after")
def write_weekday_after(rng: random.Random) -> Problem:
    """The weekday 2 to 60 days after another."""
    start, days = rng.randrange(7), rng.randint(2, 60)
    day = WEEKDAYS[start]
    instruction = rng.choice((f"What day is {days} days after {day}?", f"Today is {day}. What day will it be in {days} days?"))
    return Problem(instruction, WEEKDAYS[(start + days) % 7], f"{day} + {days}")


@problem_writer("add_days")
def write_add_days(rng: random.Random) -> Problem:
    """The date 2 to 40 days after a date of 1990 to 2039."""
    start = datetime.date(1990, 1, 1) + datetime.timedelta(days=rng.randrange(50 * 365))
    days = rng.randint(2, 40)
    instruction = rng.choice((f"What date is {days} days after {start}?", f"Add {days} days to {start}."))
    return Problem(instruction, str(start + datetime.timedelta(days=days)), f"{start} + {days}")
