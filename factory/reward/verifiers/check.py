"""What a verifier is asked, what it says of a response, and how it says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from factory.spec import Spec


@dataclass(frozen=True)
class Check:
    """`right` is None where the verifier cannot tell. `note` is what it expected, or why it cannot tell; empty for a right response."""

    right: bool | None
    note: str = ""


Asked = tuple[str, ...]
"""What an instruction asks, however it is phrased: of one verifier, two instructions are the same problem where these are equal."""


class NoSettings(Spec):
    """Of a verifier that has none."""


@dataclass(frozen=True)
class Task:
    """What a response answers. `reference` is a right answer, where one is known: that of a seed example, never of a generated record.

    `settings` are of the class that the verifier is registered with.
    """

    instruction: str
    reference: str | None = None
    settings: Spec = field(default_factory=NoSettings)


@dataclass(frozen=True)
class Verifier:
    """Decides whether a response is right; `settings` is the spec of what a leaf may set.

    `read` gives what an instruction asks, None where it is of no form that is known; a verifier that reads no instructions has none.
    """

    check: Callable[[Task, str], Check]
    settings: type[Spec] = NoSettings
    read: Callable[[str], Asked | None] | None = None


def from_instruction(check: Callable[[str, str], Check], read: Callable[[str], Asked | None]) -> Verifier:
    """A verifier that needs instruction and response alone."""
    return Verifier(lambda task, response: check(task.instruction, response), read=read)


def expect(right: bool, expected: str) -> Check:
    """Right, or wrong with what was expected."""
    return Check(True) if right else Check(False, f"expected {expected}")


def cannot_tell(why: str) -> Check:
    """The instruction is not of the verifier's form, or has no one right answer."""
    return Check(None, why)


def join_checks(checks: list[Check]) -> Check:
    """Of several checks of one response: wrong if one is wrong, else undecided if one is, else right."""
    for right in (False, None):
        if found := next((check for check in checks if check.right is right), None):
            return found
    return Check(True)
