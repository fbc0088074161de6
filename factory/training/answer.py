"""Answers of a model to evaluation problems: greedy, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from factory.generation.teacher import Completion, LocalTeacher, Request
from factory.line import Sampling
from factory.reward.model import user_text

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


def answer_problems(
    model: str | Path, problems: Sequence[Problem], max_new_tokens: int, batch_size: int, progress: OnAnswers | None = None
) -> list[str]:
    """The answers of `model` (a bundled name, a folder or a hub id), in the order of `problems`.

    An answer is cut at `max_new_tokens`. A problem that leaves no room for so many tokens in the model's context gets the empty answer:
    the model cannot do it. Raises FactoryError where the model cannot be opened.
    """
    if not problems:
        return []
    requests = [Request(user_text(problem.instruction, problem.context), seed=0) for problem in problems]
    by_length = sorted(range(len(problems)), key=lambda index: (len(requests[index].prompt), problems[index].problem_id))
    done = 0

    def count(batch: list[Completion]) -> None:
        nonlocal done
        done += len(batch)
        if progress is not None:
            progress(done, len(problems))

    # Batches as planned depend on the problems alone, so the same problems get the same answers.
    teacher = LocalTeacher(str(model), batch_size=batch_size)
    completions = teacher.complete([requests[index] for index in by_length], Sampling(temperature=0, max_new_tokens=max_new_tokens), count)
    answers = dict(zip(by_length, completions, strict=True))
    return [answers[index].text for index in range(len(problems))]
