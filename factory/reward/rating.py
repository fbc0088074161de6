"""What a reward model says of a dialogue, and who may say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from factory.generation.chat import Message

Dialogue = tuple[Message, ...]
"""What is rated: messages that end with the assistant's."""


@dataclass(frozen=True)
class Rating:
    """`reward`: of a model that gives one score, higher is better, on a scale of its own. `attributes`: by each name of ATTRIBUTES.

    With neither, `note` says why this dialogue has none, though others have. `usage`: of a served model an item of records.USAGE; of equal
    dialogues the first has it.
    """

    reward: float | None = None
    attributes: Mapping[str, float] | None = None
    note: str | None = None
    usage: Mapping[str, Any] | None = field(default=None, compare=False)


class RewardModel(Protocol):
    """Anything that rates dialogues."""

    @property
    def identity(self) -> str:
        """`<name>@<revision>`."""
        ...

    def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
        """A rating for each, None for one that is longer than the model reads."""
        ...


def read_dialogue(row: Mapping[str, Any]) -> Dialogue:
    """The dialogue of a CANDIDATE row: its turns, or instruction and response; the context, if any, opens the first message."""
    turns = row["turns"] or [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["response"]}]
    first, *others = (Message(turn["role"], turn["content"]) for turn in turns)
    return (Message(first.role, user_text(first.content, row["context"])), *others)


def user_text(instruction: str, context: str | None) -> str:
    """The user's turn: the context, a blank line and the instruction; or the instruction alone."""
    return instruction if context is None else f"{context}\n\n{instruction}"
