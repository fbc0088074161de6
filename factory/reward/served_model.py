"""A reward model behind a server, asked no harder than it bears, and never twice for the same dialogue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from factory.generation.chat import Completion, Request
from factory.generation.ledger import Ledger
from factory.generation.loop import run_in_loop
from factory.generation.models import Model
from factory.generation.server_teacher import ServerTeacher
from factory.generation.spending import BudgetSpentError, Spending
from factory.generation.wire import UnreadableAnswerError
from factory.model_spec import Price, Sampling, ServerSpec, TeacherSpec
from factory.records import digest
from factory.reward.nemotron import NEMOTRON, parse_rating
from factory.reward.rating import Dialogue, Rating
from factory.reward_spec import RewardSpec

UNSAMPLED = Sampling(temperature=0.0, max_new_tokens=1)
"""What is reckoned for the answer where a prompt is fitted to `context_tokens`; a reward model is not told how to sample."""
WAITING = 2
"""Dialogues under way for each request that may be in flight: one that waits for its next try leaves no slot empty."""
MOST_UNREADABLE = 5
"""Answers that are no ratings, before any that is one, after which nothing more is asked: then it is no reward model."""
SHOWN = 80
"""Characters of a dialogue's beginning in an error."""


def check_keys(spec: RewardSpec) -> None:
    """Raises FactoryError where an environment variable that the reward model's server needs is missing."""
    if spec.server is not None and spec.model is not None:
        ServerTeacher(spec.model, spec.server, spec.revision, NEMOTRON)


class ServedRewardModel:
    """Asks one reward model of one server that answers as Nemotron's do (factory.reward.nemotron).

    Bound, retries, circuit, deadline and secrets are those of a served teacher. Each rating is stored in the ledger at `ledger` as soon as
    it is there, by the model's identity and the dialogue, and what failed once all are asked; what was too long is not stored.
    """

    def __init__(
        self,
        model: str,
        server: ServerSpec,
        ledger: Path,
        revision: str | None = None,
        price: Price | None = None,
        spending: Spending | None = None,
    ) -> None:
        """Opens no connection. `spending` counts what is newly asked, at `price`.

        Raises FactoryError where an environment variable that `server` names is missing.
        """
        self._asked = ServerTeacher(model, server, revision, NEMOTRON)
        self._model = Model(self._asked, TeacherSpec(model=model, revision=revision, server=server, price=price or Price()))
        self._ledger = ledger
        self._spending = Spending() if spending is None else spending

    @property
    def identity(self) -> str:
        """`<model>@<revision>`, and `<model>@served` where the line gives no revision."""
        return self._asked.identity

    def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
        """The rating of each dialogue; None for one that is longer than the model reads, one with a note where no rating could be had: the
        request was given up while others were answered, or the answer is no whole rating while others are.

        Raises FactoryError where no answer is a rating, ParkedError where the server answers nobody, BudgetSpentError where the budget is
        reached. What was in flight is still answered and stored, so the next call goes on from there.
        """
        keys = [self._key(dialogue) for dialogue in dialogues]
        with Ledger(self._ledger) as ledger:
            answers = ledger.get([*dict.fromkeys(keys)])
            missing = {key: dialogue for key, dialogue in zip(keys, dialogues, strict=True) if key not in answers}
            if missing:
                is_known = any(answer.finish_reason != "failed" for answer in answers.values())
                answers |= run_in_loop(self._ask_all(missing, ledger, is_known=is_known))
        ratings = [_read(answers[key]) for key in keys]
        for place in {key: place for place, key in reversed([*enumerate(keys)])}.values():
            if (rating := ratings[place]) is not None:
                ratings[place] = replace(rating, usage=self._model.tell_usage("reward model", answers[keys[place]]))
        return ratings

    def _key(self, dialogue: Dialogue) -> str:
        return digest(["reward", self.identity, [[message.role, message.content] for message in dialogue]])

    async def _ask_all(self, missing: Mapping[str, Dialogue], ledger: Ledger, *, is_known: bool) -> dict[str, Completion]:
        """The answers to all that is missing. `is_known`: whether the model is known to rate. Raises what `rate` raises."""
        rest = iter(missing.items())
        answers: dict[str, Completion] = {}
        unreadable: dict[str, UnreadableAnswerError] = {}
        stopping = asyncio.Event()

        def rates() -> bool:
            return is_known or any(answer.finish_reason not in {"failed", "overflow"} for answer in answers.values())

        async def ask_on() -> None:
            try:
                while not stopping.is_set() and (todo := next(rest, None)) is not None:
                    key, dialogue = todo
                    try:
                        answers[key] = await self._ask(key, dialogue, ledger)
                    except UnreadableAnswerError as error:
                        unreadable[key] = error
                        if len(unreadable) >= MOST_UNREADABLE and not rates():
                            return
            finally:
                stopping.set()  # at the end there is nothing left to begin, and after an error there must not be

        workers = min(WAITING * self._asked.in_flight, len(missing))
        try:
            ended = await asyncio.gather(*(ask_on() for _ in range(workers)), return_exceptions=True)
        finally:
            await self._asked.close()
        read = sum(answer.prompt_tokens for answer in answers.values() if answer.finish_reason != "overflow")
        logging.getLogger("factory").info("%s: %s of %s dialogues rated, %s tokens read", self.identity, len(answers), len(missing), read)
        for error in ended:
            if isinstance(error, BudgetSpentError):
                raise BudgetSpentError(self._spending.describe(), f"{len(answers):,} of {len(missing):,} dialogues rated")
            if error is not None:
                raise error
        if unreadable and not rates():
            raise next(unreadable[key] for key in missing if key in unreadable)
        answers |= {key: Completion(str(error), "failed", 0, 0) for key, error in unreadable.items()}
        ledger.put({key: answer for key, answer in answers.items() if answer.finish_reason == "failed"})
        return answers

    async def _ask(self, key: str, dialogue: Dialogue, ledger: Ledger) -> Completion:
        subject = " ".join(dialogue[0].content.split())[:SHOWN]
        request = Request(dialogue, seed=int(key[:12], 16), sampling=UNSAMPLED, subject=f"dialogue {subject!r}")
        began = time.perf_counter()
        answer = self._asked.find_overflow(request) or await self._asked.ask(request, self._spending.admit)
        self._spending.note(self._model, [answer], time.perf_counter() - began)
        if answer.finish_reason not in {"overflow", "failed"}:
            ledger.put({key: answer})
        return answer


def _read(answer: Completion) -> Rating | None:
    if answer.finish_reason == "overflow":
        return None
    return Rating(note=answer.text) if answer.finish_reason == "failed" else parse_rating(answer.text)
