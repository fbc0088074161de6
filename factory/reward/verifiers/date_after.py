"""The date some days after another, in the form of ISO 8601."""

from __future__ import annotations

import datetime
from typing import Final

from factory.reward.verifiers.check import Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer

_DATE: Final = r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_DAYS: Final = r"(?P<days>[0-9]{1,6}) days?"
_FORMS: Final = (rf"(?:What|Which) (?:date is|is the date|date comes) {_DAYS} after {_DATE}", rf"Add {_DAYS} to {_DATE}")


def verify(instruction: str, response: str) -> Check:
    """Right: the date as YYYY-MM-DD and nothing else. Cannot tell where the calendar (Gregorian, years 1 to 9999) lacks a date."""
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for the date some days after another")
    try:
        after = datetime.date.fromisoformat(found["date"]) + datetime.timedelta(days=int(found["days"]))
    except (ValueError, OverflowError):
        return cannot_tell(f"no such date: {found['days']} days after {found['date']}")
    return expect(read_answer(response) == after.isoformat(), after.isoformat())
