"""The day of the week some days after another."""

from __future__ import annotations

from typing import Final

from factory.reward.verifiers.check import Asked, Check, cannot_tell, expect
from factory.reward.verifiers.reading import match_form, read_answer, read_asked

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY: Final = rf"(?P<day>{'|'.join(WEEKDAYS)})"
_DAYS: Final = r"(?P<days>[0-9]{1,15}) days?"
_FORMS: Final = (
    rf"(?:What|Which) day(?: of the week)? (?:is|is it|will it be|comes) {_DAYS} after {_DAY}",
    rf"(?:If )?today is {_DAY}[.,] ?(?:What|Which) day(?: of the week)? (?:will it be|is it) in {_DAYS}",
)


def read(instruction: str) -> Asked | None:
    """The day and the days."""
    return read_asked(_FORMS, instruction)


def verify(instruction: str, response: str) -> Check:
    """Right: the day's English name, with its capital, alone or after its right working, in which Monday is 1.

    "60 = 8 * 7 + 4. 6 + 4 = 10. 10 - 7 = 3. Wednesday" is right for 60 days after Saturday.
    """
    found = match_form(_FORMS, instruction)
    if found is None:
        return cannot_tell("does not ask for the weekday some days after another")
    start, days = WEEKDAYS.index(found["day"].casefold().capitalize()) + 1, int(found["days"])
    rest = days % 7
    number = start + rest
    lines = [f"{days} = {days // 7} * 7 + {rest}", f"{start} + {rest} = {number}"]
    if number > 7:
        lines.append(f"{number} - 7 = {number - 7}")
    day = WEEKDAYS[(number - 1) % 7]
    working, _, answer = read_answer(response).rpartition(". ")
    return expect(answer == day and working in ("", ". ".join(lines)), day)
