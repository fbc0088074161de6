"""The reference answer itself, in its own words."""

from __future__ import annotations

from factory.reward.verifiers.check import Check, Task, cannot_tell, expect
from factory.reward.verifiers.reading import unify_form
from factory.spec import Spec


class Settings(Spec):
    """`normalise`: case, white space, the form of characters (Unicode NFKC) and a final full stop make no difference."""

    normalise: bool = True


def verify(task: Task, response: str) -> Check:
    """Right: the reference, normalised or to the letter (white space around it aside). Cannot tell without one."""
    assert isinstance(task.settings, Settings)
    if task.reference is None:
        return cannot_tell("no reference answer to compare with")
    plain = _normalise if task.settings.normalise else str.strip
    return expect(plain(response) == plain(task.reference), task.reference)


def _normalise(text: str) -> str:
    return " ".join(unify_form(text).casefold().split()).removesuffix(".").rstrip()
