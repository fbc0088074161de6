"""What the judge of an evaluation will be asked, before there is a student whose answers it could be put."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from factory.generation.chat import Completion
from factory.reward.judges import foresee_question
from factory.reward.judging import Judge
from factory.training.answer import Problem
from factory.training.win_rate import show_answer


@dataclass(frozen=True)
class JudgeCost:
    """Of one evaluation whose answers nobody has judged. All are upper bounds but `prompt_tokens`, which takes each answer to be as long as
    the problem's reference; what is asked in the stricter form is not in them. Costs are in the currency of the judge's price."""

    problems: int
    rivals: int
    requests: int
    prompt_tokens: int
    most_prompt_tokens: int
    most_completion_tokens: int
    most_cost: float


def foresee_judging(problems: Sequence[Problem], judge: Judge, rivals: int, longest: int) -> JudgeCost:
    """What `play_matches` against so many rivals asks of `judge`, where answers have up to `longest` tokens.

    Both orders of a pair are as long as each other. The prompt of a rubric's first question is counted, and stands for that of each later
    one. Nobody is asked; raises what counting tokens raises.
    """
    unverified = [problem for problem in problems if problem.verifier is None]
    asked = 2 * rivals * len(judge.rubric.steps)
    most = [_count(judge, problem, "") + 2 * longest for problem in unverified]
    usual = [min(bound, _count(judge, problem, problem.reference)) for problem, bound in zip(unverified, most, strict=True)]
    written = asked * len(unverified) * judge.sampling.max_new_tokens
    return JudgeCost(
        problems=len(unverified),
        rivals=rivals,
        requests=asked * len(unverified),
        prompt_tokens=asked * sum(usual),
        most_prompt_tokens=asked * sum(most),
        most_completion_tokens=written,
        most_cost=judge.model.price(Completion("", "stop", asked * sum(most), written)),
    )


def _count(judge: Judge, problem: Problem, answer: str) -> int:
    row: dict[str, Any] = show_answer(vars(problem), answer)
    return judge.model.teacher.count_tokens(foresee_question(judge, (row, row)).messages)
