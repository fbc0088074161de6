"""A reward model behind a server, asked no harder than it bears, and never twice for the same dialogue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from factory.faults import FactoryError
from factory.generation.chat import Completion, Request
from factory.generation.ledger import Ledger
from factory.generation.loop import run_in_loop
from factory.generation.server_teacher import ServerTeacher
from factory.model_spec import Sampling, ServerSpec
from factory.records import digest
from factory.reward.nemotron import NEMOTRON, parse_rating
from factory.reward.rating import Dialogue, Rating
from factory.reward_spec import RewardSpec

UNSAMPLED = Sampling(temperature=0.0, max_new_tokens=1)
"""What is reckoned for the answer where a prompt is fitted to `context_tokens`; a reward model is not told how to sample."""
WAITING = 2
"""Dialogues under way for each request that may be in flight: one that waits for its next try leaves no slot empty."""
SHOWN = 80
"""Characters of a dialogue's beginning in an error."""


def check_keys(spec: RewardSpec) -> None:
    """Raises FactoryError where an environment variable that the reward model's server needs is missing."""
    if spec.server is not None and spec.model is not None:
        ServerTeacher(spec.model, spec.server, spec.revision, NEMOTRON)


class ServedRewardModel:
    """Asks one reward model of one server that answers as Nemotron's do (factory.reward.nemotron).

    Bound, retries, circuit, deadline and secrets are those of a served teacher. Each rating is stored in the ledger at `ledger` as soon as
    it is there, by the model's identity and the dialogue; what was too long or failed is not stored, so another run asks again.
    """

    def __init__(self, model: str, server: ServerSpec, ledger: Path, revision: str | None = None) -> None:
        """Opens no connection. Raises FactoryError where an environment variable that `server` names is missing."""
        self._asked = ServerTeacher(model, server, revision, NEMOTRON)
        self._ledger = ledger

    @property
    def identity(self) -> str:
        """`<model>@<revision>`, and `<model>@served` where the line gives no revision."""
        return self._asked.identity

    def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
        """The rating of each dialogue; None for one that is longer than the model reads.

        Raises FactoryError where the model is no reward model, an answer is no whole rating, or a request is given up; ParkedError where
        the server answers nobody. What was in flight is still answered and stored, so the next call goes on from there.
        """
        keys = [self._key(dialogue) for dialogue in dialogues]
        with Ledger(self._ledger) as ledger:
            answers = ledger.get([*dict.fromkeys(keys)])
            missing = {key: dialogue for key, dialogue in zip(keys, dialogues, strict=True) if key not in answers}
            if missing:
                answers |= run_in_loop(self._ask_all(missing, ledger))
        return [None if answers[key].finish_reason == "overflow" else parse_rating(answers[key].text) for key in keys]

    def _key(self, dialogue: Dialogue) -> str:
        return digest(["reward", self.identity, [[message.role, message.content] for message in dialogue]])

    async def _ask_all(self, missing: Mapping[str, Dialogue], ledger: Ledger) -> dict[str, Completion]:
        rest = iter(missing.items())
        answers: dict[str, Completion] = {}
        stopping = asyncio.Event()

        async def ask_on() -> None:
            try:
                while not stopping.is_set() and (todo := next(rest, None)) is not None:
                    key, dialogue = todo
                    answers[key] = await self._ask(key, dialogue, ledger)
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
            if error is not None:
                raise error
        return answers

    async def _ask(self, key: str, dialogue: Dialogue, ledger: Ledger) -> Completion:
        subject = " ".join(dialogue[0].content.split())[:SHOWN]
        request = Request(dialogue, seed=int(key[:12], 16), sampling=UNSAMPLED, subject=f"dialogue {subject!r}")
        answer = self._asked.find_overflow(request) or await self._asked.ask(request)
        if answer.finish_reason == "failed":
            raise FactoryError(
                f"reward model {self.identity} gave no rating for the dialogue that begins {subject!r}: {answer.text}. "
                "Nothing is scored without it; what was rated is kept, and another run asks again."
            )
        if answer.finish_reason != "overflow":
            ledger.put({key: answer})
        return answer
