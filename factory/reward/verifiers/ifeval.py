"""Constraints on a response in the manner of IFEval (Zhou et al. 2023, arXiv 2311.07911): length, format, keywords, language, case."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from factory.reward.verifiers.check import Check, Task, join_checks
from factory.reward.verifiers.constraints import CONSTRAINTS
from factory.seeds_spec import Text
from factory.spec import Spec
from factory.spec_faults import suggest


class Constraint(Spec):
    """One of `constraints.CONSTRAINTS`, with its arguments."""

    name: Text
    arguments: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _check_arguments(self) -> Self:
        if self.name not in CONSTRAINTS:
            raise ValueError(f"no constraint is called {self.name!r}; {suggest(self.name, CONSTRAINTS)}")
        try:
            CONSTRAINTS[self.name].arguments.model_validate(self.arguments)
        except ValidationError as error:
            told = [f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()]
            raise ValueError(f"the arguments of {self.name} do not hold: {'; '.join(told)}") from None
        return self


class Settings(Spec):
    """All of `constraints` must hold."""

    constraints: tuple[Constraint, ...] = Field(min_length=1)


def verify(task: Task, response: str) -> Check:
    """Right: every constraint holds. Wrong: one does not. Cannot tell: none is broken, and one cannot be decided for this response."""
    assert isinstance(task.settings, Settings)
    return join_checks([_check(constraint, response) for constraint in task.settings.constraints])


def _check(constraint: Constraint, response: str) -> Check:
    known = CONSTRAINTS[constraint.name]
    arguments = known.arguments.model_validate(constraint.arguments)
    held = known.holds(response, **{name: getattr(arguments, name) for name in type(arguments).model_fields})
    told = ", ".join([f"{name} {value}" for name, value in constraint.arguments.items()])
    said = f"{constraint.name} ({told})" if told else constraint.name
    if held is None:
        return Check(None, f"whether the response keeps {said} cannot be told: {known.open_where}")
    return Check(True) if held else Check(False, f"the response does not keep {said}")
