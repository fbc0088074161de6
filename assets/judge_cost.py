"""What the judge of a line's win rates will be asked of a new student, for `factory estimate`."""

import polars as pl

from assets.champion import CHAMPION, find_champion
from assets.layout import asset_key
from assets.shelf import open_store
from factory.line import Line
from factory.records import CANDIDATE, empty
from factory.reward.judges import open_comparer
from factory.training import make_problems
from factory.training.judge_cost import JudgeCost, foresee_judging
from resources.home import Home
from resources.models import Models


def foresee_matches(home: Home, line: Line, models: Models, seeds: pl.DataFrame) -> JudgeCost | None:
    """What it will be asked to compare the student with its base and the present champion; None where the line names no such judge."""
    evaluation = line.training.evaluation
    if evaluation.judge is None:
        return None
    judge = open_comparer(evaluation.judge, models.teacher(evaluation.judge))
    # Fresh problems are none of its: a verifier decides each.
    problems = make_problems(seeds, empty(CANDIDATE), 0, line.seed)
    history = open_store(home).read(asset_key(line, "champion"), None)
    has_champion = find_champion(empty(CHAMPION) if history is None else history) is not None
    return foresee_judging(problems, judge, 1 + has_champion, evaluation.max_new_tokens)


def tell_foreseen(line: Line, cost: JudgeCost) -> str:
    """The same in a few sentences for the terminal."""
    spec = line.training.evaluation
    assert spec.judge is not None
    if not cost.problems:
        return f"Not asked: {spec.judge.model}, the judge of the evaluation, as a verifier decides each of its problems."
    against = "the base" if cost.rivals == 1 else "the base and the champion"
    money = f", which would cost {cost.most_cost:,.3g}" if cost.most_cost else ""
    return (
        f"Not in it: {spec.judge.model}, the judge of the evaluation, who compares a new student's answers to {cost.problems:,} held-out "
        f"examples with those of {against}, in both orders: up to {cost.requests:,} requests, and again where an answer does not parse. "
        f"They read some {cost.prompt_tokens:,} tokens if answers are as long as the examples' own, at most {cost.most_prompt_tokens:,} "
        f"with answers of max_new_tokens {spec.max_new_tokens:,}, and write at most {cost.most_completion_tokens:,}{money}; that counts "
        "towards the budget."
    )
