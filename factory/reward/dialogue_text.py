"""Dialogues as the public sets of preferences and ratings write them: messages, or one text with marks between the turns."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, get_args

from factory.generation.chat import Message, Role
from factory.spec_faults import name_kind

HH_TURN = re.compile(r"\n\n(Human|Assistant):")
"""Between the turns of Anthropic's hh-rlhf (arXiv 2204.05862)."""
STEER_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")
"""Between the turns of a prompt of HelpSteer2 (arXiv 2406.08673), whose first turn, the user's, has no mark."""
ROLES: dict[str, Role] = {"Human": "user", "User": "user", "Assistant": "assistant"}


class UnreadableError(ValueError):
    """A value that is no dialogue; the text says why, in a few words."""


def read_messages(value: Any) -> tuple[Message, ...]:
    """The messages of a cell: a list of {role, content}, or a text: of hh-rlhf, of HelpSteer2, or what a user says.

    Raises UnreadableError.
    """
    if isinstance(value, str):
        return tuple(_split_text(value))
    if isinstance(value, list) and value:
        return tuple(_read_message(message, number) for number, message in enumerate(value, 1))
    raise UnreadableError(f"expected a text or a list of messages, found {'an empty list' if value == [] else name_kind(value)}")


def read_prompt(value: Any) -> tuple[Message, ...]:
    """The messages before a response: as read_messages, and the "\\n\\nAssistant:" with which prompts of hh-rlhf end says nothing.

    Raises UnreadableError, also where they do not end with the user's.
    """
    messages = read_messages(value)
    if isinstance(value, str) and messages[-1] == Message("assistant", ""):
        messages = messages[:-1]
    check_prompt(messages)
    return messages


def read_response(value: Any) -> Message:
    """The one assistant's message of a cell: a text, or a list of one message. Raises UnreadableError."""
    if isinstance(value, str):
        return Message("assistant", value.strip())
    messages = read_messages(value)
    if len(messages) != 1 or messages[0].role != "assistant":
        raise UnreadableError("expected one message, the assistant's, as the prompt stands in a column of its own")
    return messages[0]


def check_prompt(messages: tuple[Message, ...]) -> None:
    """Raises UnreadableError where the messages before a response do not end with the user's."""
    if not messages or messages[-1].role != "user":
        raise UnreadableError("the message before the response is not the user's")
    if not messages[-1].content.strip():
        raise UnreadableError("the user's last message is empty")


def _split_text(text: str) -> Iterator[Message]:
    if HH_TURN.match(text):
        yield from _pair_up(HH_TURN.split(text)[1:])
    elif STEER_TURN.search(text):
        first, *rest = STEER_TURN.split(text)
        yield from _pair_up(["User", first, *rest])
    else:
        yield Message("user", text.strip())


def _pair_up(parts: list[str]) -> Iterator[Message]:
    """Messages of names and texts in turn; where one speaks twice in a row, as in a few rows of hh-rlhf, what they say is one message."""
    for name, turns in itertools.groupby(zip(parts[::2], parts[1::2], strict=True), key=itemgetter(0)):
        yield Message(ROLES[name], "\n\n".join(text.strip() for _, text in turns))


def _read_message(message: Any, number: int) -> Message:
    if not isinstance(message, dict):
        raise UnreadableError(f"message {number}: expected role and content, found {name_kind(message)}")
    content = message.get("content")
    role: Role | None = next((role for role in get_args(Role) if role == message.get("role")), None)
    if role is None:
        raise UnreadableError(f"message {number}: the role is {message.get('role')!r}; expected one of {', '.join(get_args(Role))}")
    if not isinstance(content, str):
        raise UnreadableError(f"message {number}: the content is {name_kind(content)}; expected a text")
    return Message(role, content)
