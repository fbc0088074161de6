"""What writers and drivers ask of a teacher or judge: the two kinds of model, and one with its place in the line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from factory.generation.chat import Completion, Message, Request
from factory.model_spec import TeacherSpec

MILLION = 1_000_000
"""Tokens that a price is for."""


class Windowed(Protocol):
    """A model in this process, whose answers depend on what is asked with them: requests are planned in windows."""

    @property
    def identity(self) -> str: ...

    @property
    def context_tokens(self) -> int | None: ...

    @property
    def window(self) -> int: ...

    def count_tokens(self, messages: Sequence[Message]) -> int: ...

    def describe_counting(self) -> list[Any]: ...

    def plan_batches(self, requests: Sequence[Request]) -> list[list[int]]: ...

    def complete(self, requests: Sequence[Request]) -> list[Completion]: ...


@runtime_checkable
class Served(Protocol):
    """A model behind a server: each request is answered by itself, at most `in_flight` at once."""

    @property
    def identity(self) -> str: ...

    @property
    def context_tokens(self) -> int | None: ...

    @property
    def in_flight(self) -> int: ...

    def count_tokens(self, messages: Sequence[Message]) -> int: ...

    def describe_counting(self) -> list[Any]: ...

    def find_overflow(self, request: Request) -> Completion | None: ...

    async def ask(self, request: Request, begin: Callable[[], None] = ...) -> Completion: ...

    async def close(self) -> None: ...


Teacher = Windowed | Served


@dataclass(frozen=True)
class Model:
    """A teacher or the judge, with its section of the line."""

    teacher: Teacher
    spec: TeacherSpec

    @cached_property
    def served(self) -> Served | None:
        """The teacher, where it answers each request by itself."""
        return self.teacher if isinstance(self.teacher, Served) else None

    def price(self, answer: Completion) -> float:
        """What an answer costs, in the currency of the line's price table."""
        return (answer.prompt_tokens * self.spec.price.prompt + answer.completion_tokens * self.spec.price.completion) / MILLION

    def tell_usage(self, step: str, answer: Completion) -> dict[str, Any]:
        """An item of records.USAGE: what one answer cost."""
        return {
            "step": step,
            "model": self.teacher.identity,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "cost": self.price(answer),
        }
