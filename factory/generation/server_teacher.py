"""A teacher behind a server of chat completions in OpenAI's form: asked no harder than it bears, and again where a try fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from factory.faults import FactoryError
from factory.generation.bound import Bound
from factory.generation.chat import Completion, Message, Request, Role
from factory.generation.circuit import Circuit
from factory.generation.tokens import ChatTokenizer, estimate_prompt, estimate_tokens
from factory.generation.wire import CHAT, Answer, Form, Setback, Verdict, Wire
from factory.model_spec import ServerSpec
from factory.pico.models import model_revision

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 60.0
JITTER = 0.25
"""Most of a delay, as a part of it, that is drawn at random so that requests refused together do not come back together."""
SLOW = 0.5
"""Part of the deadline from which an answer is late: a little more load, and there would be none."""


class ServerTeacher:
    """Asks one model of one server (vLLM, NIM, TGI, Ollama, llama.cpp, a hosted API).

    Ask with up to twice as many coroutines as `in_flight`, so that one that waits for its next try leaves no slot empty.
    What it learns of the server, the bound and the circuit, lasts as long as the object; connections are opened in the event loop that
    asks, so one object serves one loop after the other, but never two threads.
    """

    def __init__(self, model: str, server: ServerSpec, revision: str | None = None, form: Form = CHAT) -> None:
        """Opens no connection. `form`: the kind of model. Raises FactoryError where an environment variable of `server` is missing."""
        self.name = model
        self.revision = revision or "served"
        self.server = server
        self.in_flight = server.in_flight
        self.context_tokens = server.context_tokens
        self.requests = 0
        self._wire = Wire(server, model, form)
        self._bound = Bound(server.in_flight)
        self._circuit = Circuit(server.base_url, server.park_seconds)
        self._answered = 0
        self._count_template = cache(self._count_roles)
        self._tokenizer = None if server.tokenizer is None else ChatTokenizer(Path(server.tokenizer).name, server.tokenizer)

    @property
    def identity(self) -> str:
        """`<model>@<revision>`, and `<model>@served` where the line gives no revision: where a server listens is no part of it."""
        return f"{self.name}@{self.revision}"

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt: exact with the line's `tokenizer`, else estimated (factory.generation.tokens)."""
        return estimate_prompt(messages) if self._tokenizer is None else len(self._tokenizer.encode([messages])[0])

    def _count_roles(self, roles: tuple[Role, ...]) -> int:
        """Tokens that the chat template adds to messages of these roles, at most."""
        return self.count_tokens([Message(role, ".") for role in roles])

    def describe_counting(self) -> list[Any]:
        """What decides, beside `identity`, how long prompts are taken to be, as JSON values."""
        return [self.context_tokens, self._tokenizer_revision]

    def find_overflow(self, request: Request) -> Completion | None:
        """The overflow of a prompt that the line's own settings say is too long: by the tokenizer, else by the estimate.

        It asks nobody and follows from `context_tokens` and `tokenizer` alone, so it is never stored, and found before `ask`.
        """
        if self.context_tokens is None:
            return None
        room = self.context_tokens - request.sampling.max_new_tokens
        # No byte is more than a token, so most prompts are known to fit without being counted.
        size = sum(len(message.content.encode(errors="replace")) for message in request.messages)
        if size + self._count_template(tuple(message.role for message in request.messages)) <= room:
            return None
        tokens = self.count_tokens(request.messages)
        return Completion("", "overflow", tokens, 0) if tokens > room else None

    async def ask(self, request: Request, begin: Callable[[], None] = lambda: None) -> Completion:
        """The answer of the server. Waits for a slot under the bound, and tries again what a later try may mend.

        `begin` is called when the first try has its slot, and may raise to leave the request unasked. A request that is given up while
        the server answers others is "failed", with the reason as its text. Raises ParkedError where the server answers nobody, and
        FactoryError where it would answer none: a wrong key or model.
        """
        answered_before = faults = attempt = 0
        first_setback: float | None = None

        def begin_first() -> None:
            nonlocal answered_before
            begin()
            answered_before = self._answered

        while True:
            outcome = await self._try(request, None if attempt else begin_first)
            if isinstance(outcome, Completion):
                return outcome
            attempt += 1
            faults += not outcome.waits
            delay = self._choose_delay(request, attempt, outcome)
            first_setback = time.monotonic() if first_setback is None else first_setback
            is_over = outcome.waits and time.monotonic() - first_setback + delay > self.server.patience_seconds
            # An error with Retry-After that comes again until patience ends may be of this request alone.
            if is_over and (outcome.later or delay > self.server.patience_seconds):
                self._circuit.open(outcome.reason, outcome.retry_after or 0.0)
                raise self._circuit.parked()
            if is_over or outcome.final or faults >= self.server.tries:
                # Where no other request has failed since the last answer, as at the end of a leaf, it is this one that is at fault.
                is_own = self._answered > answered_before or (
                    self._answered > 0 and (outcome.final or 0 < self._circuit.failures <= faults)
                )
                return self._give_up(request, outcome, attempt, is_own=is_own)
            await self._circuit.sleep(delay)

    async def close(self) -> None:
        """Closes the connections; a later `ask` opens new ones."""
        await self._wire.close()

    @cached_property
    def _tokenizer_revision(self) -> str | None:
        """Which tokenizer counts, wherever it lies; null where tokens are estimated."""
        source = self.server.tokenizer
        if source is None:
            return None
        return f"{Path(source).name if Path(source).is_dir() else source}@{model_revision(source, weights=False)}"

    async def _try(self, request: Request, begin: Callable[[], None] | None) -> Completion | Setback:
        """One try in a slot of the bound, the first where there is `begin`. Raises ParkedError where the circuit is open, or opens."""
        is_probe = await self._circuit.enter()
        try:
            epoch = await self._bound.enter(first=begin is None or is_probe)
            began, outcome = time.monotonic(), None
            try:
                if not (is_probe or self._circuit.closed):
                    raise self._circuit.parked()
                if begin is not None:
                    begin()
                self.requests += 1
                outcome = await self._wire.post(request)
            finally:
                if outcome is None or isinstance(outcome, Verdict):
                    self._bound.abandon()
            self._note(outcome, epoch, time.monotonic() - began)
            if is_probe and isinstance(outcome, Setback) and not outcome.final:
                if not outcome.later:
                    self._circuit.open(outcome.reason, outcome.retry_after or 0.0)
                    raise self._circuit.parked()
                self._circuit.note_answer()  # a server that says 'later' lives
        finally:
            if is_probe:
                self._circuit.end_probe()
        return outcome if isinstance(outcome, Setback) else self._complete(request, outcome)

    def _note(self, outcome: Answer | Setback | Verdict, epoch: int, seconds: float) -> None:
        """Tells the bound and the circuit what came of a try."""
        if isinstance(outcome, Setback):
            self._bound.leave(epoch, seconds, answered=False, strained=outcome.strained)
            if outcome.final:
                self._circuit.note_answer()
            elif not outcome.waits:
                self._circuit.note_failure(outcome.reason)
            return
        if isinstance(outcome, Answer):
            self._bound.leave(epoch, seconds, answered=True, strained=seconds > SLOW * self.server.deadline_seconds)
        self._answered += 1
        self._circuit.note_answer()

    def _complete(self, request: Request, outcome: Answer | Verdict) -> Completion:
        if isinstance(outcome, Verdict):
            if outcome.finish_reason == "overflow":
                return Completion("", "overflow", self.count_tokens(request.messages), 0)
            return Completion(outcome.reason, "failed", 0, 0)
        prompt, written = outcome.prompt_tokens, outcome.completion_tokens
        if prompt is None:
            prompt = self.count_tokens(request.messages)
        if written is None:
            written = estimate_tokens(outcome.text) if self._tokenizer is None else self._tokenizer.count(outcome.text)
        return Completion(outcome.text, outcome.finish_reason, prompt, written)

    def _choose_delay(self, request: Request, attempt: int, setback: Setback) -> float:
        """Seconds until the next try: what the server asks for, else twice as long each time, and a little more at random."""
        doubled = min(FIRST_DELAY_SECONDS * 2 ** min(attempt - 1, 10), LONGEST_DELAY_SECONDS)
        base = doubled if setback.retry_after is None else max(setback.retry_after, FIRST_DELAY_SECONDS)
        return base * (1 + JITTER * random.Random(request.seed + attempt).random())

    def _give_up(self, request: Request, setback: Setback, attempt: int, *, is_own: bool) -> Completion:
        if is_own:
            return Completion(f"{setback.reason} (tried {attempt} time{'' if attempt == 1 else 's'})", "failed", 0, 0)
        if setback.final:
            raise FactoryError(
                f"server {self.server.base_url}, model {self.name}, refuses what it is asked ({request.subject or 'the first request'}): "
                f"{setback.reason}. Mend {self._wire.form.section} in the line, or what is asked."
            )
        self._circuit.open(setback.reason, setback.retry_after or 0.0)
        raise self._circuit.parked()
