"""What an evaluation's judge will be asked is foreseen as it then is, where answers are as long as was taken for granted."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from factory.generation.chat import Message
from factory.generation.ledger import Ledger
from factory.generation.tokens import estimate_prompt
from factory.model_spec import Price
from factory.records import ANSWER
from factory.reward.judges import compare
from factory.training import Problem
from factory.training.judge_cost import foresee_judging
from factory.training.win_rate import play_matches

sys.path.append(str(Path(__file__).parents[1] / "reward"))
from judge_rows import open_pair_judge, serve

LONGEST = 64
PROBLEMS = [
    Problem(f"p{place}", "a/x", "en", "holdout", f"Write of {place}.", context, "word " * length, None)
    for place, (context, length) in enumerate([(None, 4), ("A long document. " * 9, 30), (None, 1)])
]
VERIFIED = Problem("v", "a/y", "en", "fresh", "What is 1 + 1?", None, "2", "arithmetic")


def answer(model: str, texts: list[str]) -> list[dict[str, Any]]:
    return [
        dict.fromkeys(ANSWER)
        | {"problem_id": problem.problem_id, "leaf": problem.leaf, "language": problem.language, "model": model, "response": text}
        | {"instruction": problem.instruction, "context": problem.context}
        for problem, text in zip(PROBLEMS, texts, strict=True)
    ]


def test_what_a_judge_will_be_asked_is_what_it_is_then_asked(tmp_path: Path) -> None:
    like = [problem.reference for problem in PROBLEMS]
    said = {"tuned": like, "base": [text.title() for text in like], "champion": [text.upper() for text in like]}
    answers = pl.DataFrame([row for model, texts in said.items() for row in answer(model, texts)], schema=ANSWER)
    with serve(lambda _: "[[A]]") as server, Ledger(tmp_path / "ledger.sqlite") as ledger:
        judge = open_pair_judge(server, price=Price(prompt=1.0, completion=2.0))
        foreseen = foresee_judging([*PROBLEMS, VERIFIED], judge, 2, LONGEST)
        assert not server.asked
        play_matches(
            answers, [each.problem_id for each in PROBLEMS], "tuned", ["base", "champion"], lambda pairs: compare(judge, pairs, ledger)
        )
        asked = [[Message(**message) for message in each.body["messages"]] for each in server.asked]
        written = sum(each.body["max_tokens"] for each in server.asked)
    assert (foreseen.problems, foreseen.rivals, foreseen.requests) == (3, 2, len(asked)) == (3, 2, 12)
    assert foreseen.prompt_tokens == sum(map(estimate_prompt, asked))
    assert foreseen.most_prompt_tokens > foreseen.prompt_tokens and foreseen.most_completion_tokens == written
    assert foreseen.most_cost == pytest.approx((foreseen.most_prompt_tokens + 2 * written) / 1e6)


def test_the_most_holds_for_answers_of_any_words_that_are_cut_at_the_longest() -> None:
    with serve(lambda _: "[[A]]") as server:
        judge = open_pair_judge(server)
        cut = [replace(problem, reference="x" * 3 * LONGEST) for problem in PROBLEMS]
        longer = [replace(problem, reference="x" * 9 * LONGEST) for problem in PROBLEMS]
        short, at_most = (foresee_judging(problems, judge, 1, LONGEST) for problems in (PROBLEMS, longer))
        assert short.most_prompt_tokens == at_most.most_prompt_tokens == at_most.prompt_tokens
        assert foresee_judging(cut, judge, 1, LONGEST).prompt_tokens <= at_most.prompt_tokens
        assert foresee_judging([VERIFIED], judge, 1, LONGEST).requests == 0
