"""What is asked of a model and what comes back: the terms that flows, teachers and the ledger share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from factory.faults import FactoryError
from factory.model_spec import Sampling

Role = Literal["system", "user", "assistant"]

FinishReason = Literal["stop", "length", "overflow", "special", "failed"]
"""`stop`: ended by itself. `length`: cut at max_new_tokens. `overflow`: not asked, as prompt and answer do not fit the model's context.
`special`: holds a control token of the tokenizer before its end. `failed`: given up after every try; the text is the reason, one line."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Request:
    """One question to a model: a conversation that ends with a user's message.

    The answer is sampled with the noise of `seed` (0 <= seed < 2**63). `schema` is the canonical JSON of a JSON schema: a server that has
    structured output holds the answer to it, any other model is only asked by the prompt. `subject` says in error texts what the request
    is for, such as "leaf X, unit 12, step response"; it is never part of a key.
    """

    messages: tuple[Message, ...]
    seed: int
    sampling: Sampling
    schema: str | None = None
    subject: str = ""


@dataclass(frozen=True)
class Completion:
    """One answer. `completion_tokens` counts the end token; `prompt_tokens` of an overflow is the prompt that was not sent."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


class ParkedError(FactoryError):
    """The circuit to a server is open: nothing more is asked of it for now. The text says which server, why, and when it is tried again.

    `retry_at` is that moment on the clock of time.monotonic.
    """

    def __init__(self, said: str, retry_at: float) -> None:
        super().__init__(said)
        self.retry_at = retry_at
