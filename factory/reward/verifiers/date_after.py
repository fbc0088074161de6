"""The date some days after another, in the form of ISO 8601."""

from __future__ import annotations

import calendar
import datetime
from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer, read_asked

_DATE: Final = r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_DAYS: Final = r"(?P<days>[0-9]{1,6}) days?"
_FORMS: Final = (rf"(?:What|Which) (?:date is|is the date|date comes) {_DAYS} after {_DATE}", rf"Add {_DAYS} to {_DATE}")


def read(instruction: str) -> Asked | None:
    """The date and the days."""
    return read_asked(_FORMS, instruction)


def verify(instruction: str, response: str) -> Check:
    """Right: the date as YYYY-MM-DD, alone or after its right working ("25 + 12 = 37. 37 - 31 = 6. 2024-04-06").

    Cannot tell where the calendar (Gregorian, years 1 to 9999) lacks a date.
    """
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for the date some days after another")
    try:
        start = datetime.date.fromisoformat(found["date"])
        after = start + datetime.timedelta(days=int(found["days"]))
    except (ValueError, OverflowError):
        return cannot_tell(f"no such date: {found['days']} days after {found['date']}")
    working, _, answer = read_answer(response).rpartition(". ")
    right = answer == after.isoformat() and (not working or working == _write_working(start, after))
    return expect(right, after.isoformat())


def _write_working(start: datetime.date, after: datetime.date) -> str:
    """The day of the month with the days added, then less each month that has passed."""
    day = start.day + (after - start).days
    lines = [f"{start.day} + {day - start.day} = {day}"]
    month = start.replace(day=1)
    while month < after.replace(day=1):
        length = calendar.monthrange(month.year, month.month)[1]
        lines.append(f"{day} - {length} = {day - length}")
        day, month = day - length, month + datetime.timedelta(days=length)
    return ". ".join(lines)
