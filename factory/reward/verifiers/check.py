"""What a verifier says of a response, and how it says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """`right` is None where the verifier cannot tell. `note` is what it expected, or why it cannot tell; empty for a right response."""

    right: bool | None
    note: str = ""


Verifier = Callable[[str, str], Check]
"""Decides from instruction and response alone."""


def expect(right: bool, expected: str) -> Check:
    """Right, or wrong with what was expected."""
    return Check(True) if right else Check(False, f"expected {expected}")


def cannot_tell(why: str) -> Check:
    """The instruction is not of the verifier's form, or has no one right answer."""
    return Check(None, why)
