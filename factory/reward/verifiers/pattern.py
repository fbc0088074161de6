"""Regular form: the whole response matches a regular expression that the leaf gives."""

from __future__ import annotations

from typing import Annotated, Final

import regex
from pydantic import AfterValidator

from factory.reward.verifiers.check import Check, Task, cannot_tell, expect
from factory.seeds_spec import Text
from factory.spec import Spec

SECONDS: Final = 1.0
"""A pattern such as (a+)+$ would try for years."""


def compile_pattern(text: str) -> str:
    """The pattern; ValueError where it is none."""
    try:
        regex.compile(text)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


Pattern = Annotated[Text, AfterValidator(compile_pattern)]


class Settings(Spec):
    """`pattern`: in the syntax of Python's `re` or of the library `regex`; flags stand in it, such as `(?i)`."""

    pattern: Pattern


def verify(task: Task, response: str) -> Check:
    """Right: the response, without white space around it, matches from its first character to its last.

    Cannot tell where that takes longer than a second.
    """
    assert isinstance(task.settings, Settings)
    try:
        matched = regex.fullmatch(task.settings.pattern, response.strip(), timeout=SECONDS)
    except TimeoutError:
        return cannot_tell(f"the pattern was not done with it after {SECONDS:g} s; write it without repeats inside repeats")
    return expect(matched is not None, f"the form {task.settings.pattern}")
