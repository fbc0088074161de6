"""Final answers in the form of GSM8K (Cobbe et al. 2021, arXiv 2110.14168): the last line is `#### <number>`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from factory.reward.verifiers.check import Check, Task, cannot_tell, expect

# Digits in groups of three or in none, as English writes them; bounded, so that no text makes int() slow.
_NUMBER: Final = r"[-−]?\$?(?:[0-9]{1,3}(?:,[0-9]{3}){1,12}|[0-9]{1,40})(?:\.[0-9]{1,40})?"
_FINAL: Final = re.compile(rf"####[ \t]*(?P<number>{_NUMBER})\.?")
_MARK: Final = "####"


def verify(task: Task, response: str) -> Check:
    """Right: the last line is `#### n` and n is the number of the reference, a solution in that form or a number alone.

    Wrong without such a line. Cannot tell with several of them, without a reference, or where the reference has no number.
    """
    if response.count(_MARK) > 1:
        return cannot_tell(f"more than one {_MARK}: it is open which of them is the answer")
    given = read_final(response)
    if given is None:
        return expect(False, f"a last line in the form '{_MARK} 72'")
    if task.reference is None:
        return cannot_tell("no reference answer to compare with")
    reference = read_final(task.reference) if _MARK in task.reference else read_final(f"{_MARK} {task.reference.strip()}")
    if reference is None:
        return cannot_tell(f"the reference has no last line in the form '{_MARK} 72'")
    return expect(given == reference, f"{_MARK} {reference}")


def read_final(text: str) -> Fraction | None:
    """The number of the last line `#### n`; None where the text does not end in one."""
    found = _FINAL.fullmatch(text.strip().rpartition("\n")[2].strip())
    return Fraction(re.sub("[$,]", "", found["number"]).replace("−", "-")) if found else None
