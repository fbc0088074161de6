"""Days of the week and calendar dates, each answer after its working."""

from __future__ import annotations

import calendar
import datetime
import random

from factory.problems.registry import Problem, problem_writer

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@problem_writer("weekday_after")
def write_weekday_after(rng: random.Random) -> Problem:
    """The weekday 2 to 60 days after another, Monday being 1: `60 = 8 * 7 + 4. 6 + 4 = 10. 10 - 7 = 3. Wednesday`."""
    start, days = rng.randrange(7), rng.randint(2, 60)
    day, (weeks, rest) = WEEKDAYS[start], divmod(days, 7)
    instruction = rng.choice((f"What day is {days} days after {day}?", f"Today is {day}. What day will it be in {days} days?"))
    number = start + 1 + rest
    working = f"{days} = {weeks} * 7 + {rest}. {start + 1} + {rest} = {number}."
    if number > 7:
        working += f" {number} - 7 = {number - 7}."
    return Problem(instruction, f"{working} {WEEKDAYS[(start + rest) % 7]}", f"{day} + {days}")


@problem_writer("add_days")
def write_add_days(rng: random.Random) -> Problem:
    """The date 2 to 40 days after a date of 1990 to 2039: `25 + 12 = 37. 37 - 31 = 6. 2024-04-06`."""
    start = datetime.date(1990, 1, 1) + datetime.timedelta(days=rng.randrange(50 * 365))
    days = rng.randint(2, 40)
    instruction = rng.choice((f"What date is {days} days after {start}?", f"Add {days} days to {start}."))
    year, month, day = start.year, start.month, start.day + days
    working = f"{start.day} + {days} = {day}. "
    while day > (length := calendar.monthrange(year, month)[1]):
        working += f"{day} - {length} = {day - length}. "
        day, year, month = day - length, year + month // 12, month % 12 + 1
    return Problem(instruction, f"{working}{year}-{month:02}-{day:02}", f"{start} + {days}")
