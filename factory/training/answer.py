"""Answers of a model to evaluation problems: greedy, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from factory.generation.chat import Message, Request
from factory.generation.local_teacher import LocalTeacher
from factory.model_spec import Sampling
from factory.reward.rating import user_text
from factory.training.data import find_turn_end

Origin = Literal["holdout", "fresh"]
OnAnswers = Callable[[int, int], None]
"""Called with how many problems are answered, and how many there are."""


@dataclass(frozen=True)
class Problem:
    """One problem with its reference answer; `verifier`, where there is one, decides instead of the reference."""

    problem_id: str
    leaf: str
    language: str
    origin: Origin
    instruction: str
    context: str | None
    reference: str
    verifier: str | None
    verifier_settings: str | None = None


def answer_problems(
    model: str | Path | LocalTeacher, problems: Sequence[Problem], max_new_tokens: int, batch_size: int, progress: OnAnswers | None = None
) -> list[str]:
    """The answers of `model` (a bundled name, a folder, a hub id, or one with an adapter), in the order of `problems`.

    An answer ends where the model says, and where its chat template ends a turn: the student learns to stop there, and its base, which may
    name another end, is not to be worse for writing on. An adapted model brings its ends along. An answer is cut at `max_new_tokens`. A
    problem that leaves no room for so many tokens in the model's context gets the empty answer: the model cannot do it. Raises FactoryError
    where the model cannot be opened.
    """
    if not problems:
        return []
    sampling = Sampling(temperature=0, max_new_tokens=max_new_tokens)
    requests = [Request((Message("user", user_text(problem.instruction, problem.context)),), 0, sampling) for problem in problems]
    opened = model if isinstance(model, LocalTeacher) else LocalTeacher(str(model), batch_size=batch_size, find_end=find_turn_end)
    # One window, so that the same problems get the same answers.
    return [answer.text for answer in opened.complete(requests, progress)]
