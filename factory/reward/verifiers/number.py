"""A number against the reference: units, tolerance, fractions, percentages, separators in English and Indonesian style."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from factory.reward.verifiers.check import Check, Task, cannot_tell, expect
from factory.reward.verifiers.quantities import read_quantity, same_quantity
from factory.seeds_spec import Text
from factory.spec import Spec

_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


class Settings(Spec):
    """`tolerance`, in the reference's unit, or `relative`, a share of the reference, whichever is more. `unit`: of numbers without one.

    `decimal`: the sign before decimals; without it "1.234" may be 1234 too.
    """

    tolerance: Annotated[float, Field(ge=0)] = 0.0
    relative: Annotated[float, Field(ge=0)] = 0.0
    unit: Text | None = None
    decimal: Literal[".", ","] | None = None


def verify(task: Task, response: str) -> Check:
    r"""Right: the response is one number, with its unit or without (or has one in \boxed{}), and is the reference in value.

    "3/4", "0.75", "0,75", "75%" and "3 km" for "3000 m" are read. Wrong: no number at all, or another value in every reading. Cannot tell:
    words around the number, a number that may be 1.234 or 1234, a unit on one side alone or one that is not known, no reference.
    """
    assert isinstance(task.settings, Settings)
    settings = task.settings
    if task.reference is None:
        return cannot_tell("no reference answer to compare with")
    wanted = read_quantity(task.reference, settings.decimal)
    if not wanted:
        return cannot_tell(f"the reference is no number alone: {task.reference!r}")
    boxed = _BOXED.findall(response)
    answer = boxed[0] if len(boxed) == 1 else response
    given = read_quantity(answer, settings.decimal)
    if not given:
        if any(character.isnumeric() for character in response):
            return cannot_tell("the response is not one number alone")
        return expect(False, task.reference)
    if answer.strip() == task.reference.strip():
        return Check(True)
    within = Fraction(str(settings.tolerance)), Fraction(str(settings.relative))
    said = {same_quantity(one, other, settings.unit or "", *within) for one in given for other in wanted}
    if said == {True} or said == {False}:
        return expect(said == {True}, task.reference)
    if len(given) > 1 or len(wanted) > 1:
        return cannot_tell("a number may be read with decimals or with thousands; set `decimal` in the leaf")
    return cannot_tell("one number has a unit and the other none, or one unit is not known in the other; set `unit` in the leaf")
