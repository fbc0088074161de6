"""Evaluation problems, and which answers to them are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.problems import WRITERS
from factory.records import ANSWER, CANDIDATE, SEED, empty
from factory.reward.verifiers import verify
from factory.training import Problem, evaluate_model, make_problems
from factory.training.evaluate import is_correct
from factory.training_spec import EvaluationSpec

RELEASED = empty(CANDIDATE)


def seed_row(leaf: str, question: str, answer: str | None, split: str, **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(SEED)
    return row | {"leaf": leaf, "language": "en", "question": question, "answer": answer, "split": split, "depth": 0} | more


def make_seeds() -> pl.DataFrame:
    sums = {"verifier": "arithmetic", "problems": "multiplication"}
    words = {"verifier": "sorted_words", "problems": "sort_words"}
    notes = {"problems": "thank_you_note"}
    rows = [
        seed_row("foundational_skills/multiplication", "What is 7 * 23?", "7 * 23 = 161", "seed", **sums),
        seed_row("foundational_skills/multiplication", "What is 3 * 31?", "3 * 31 = 93", "holdout", **sums),
        seed_row("compositional_skills/sort_words", "Sort: b, a", "a, b", "seed", **words),
        seed_row("compositional_skills/notes", "Thank Rina for the scarf.", "Dear Rina, thank you.", "holdout", **notes),
        seed_row("knowledge/trees", "Where do apples grow?", "Apples grow on trees.", "holdout", context="On trees grow apples."),
    ]
    return pl.DataFrame(rows, schema=SEED)


def fresh(problems: list[Problem], leaf: str = "multiplication") -> list[Problem]:
    return [problem for problem in problems if problem.origin == "fresh" and problem.leaf.endswith(leaf)]


def test_holdout_examples_are_problems_and_seed_examples_are_not() -> None:
    held = make_problems(make_seeds(), RELEASED, 0, 1)
    assert [(problem.leaf, problem.reference, problem.verifier, problem.context) for problem in held] == [
        ("compositional_skills/notes", "Dear Rina, thank you.", None, None),
        ("foundational_skills/multiplication", "3 * 31 = 93", "arithmetic", None),
        ("knowledge/trees", "Apples grow on trees.", None, "On trees grow apples."),
    ]
    assert {problem.origin for problem in held} == {"holdout"}


def test_fresh_problems_are_of_leaves_with_writer_and_verifier() -> None:
    problems = make_problems(make_seeds(), RELEASED, 12, 1)
    assert len(fresh(problems)) == len(fresh(problems, "sort_words")) == 12
    assert {problem.leaf for problem in problems if problem.origin == "fresh"} == {
        "compositional_skills/sort_words",
        "foundational_skills/multiplication",
    }
    assert len({problem.problem_id for problem in problems}) == len(problems)
    assert all(is_correct(problem, problem.reference) for problem in problems)
    assert all(verify(problem.verifier or "", problem.instruction, problem.reference).right for problem in fresh(problems))


def test_fresh_problems_follow_the_seed_number_alone() -> None:
    seeds = make_seeds()
    problems = make_problems(seeds, RELEASED, 12, 1)
    assert problems == make_problems(seeds.reverse(), RELEASED, 12, 1)
    assert fresh(problems) == fresh(make_problems(seeds.filter(pl.col("leaf").str.contains("multiplication")), RELEASED, 12, 1))
    assert fresh(problems) != fresh(make_problems(seeds, RELEASED, 12, 2))


def test_no_fresh_problem_is_in_the_release_or_the_seeds() -> None:
    seeds = make_seeds()
    first = {problem.instruction for problem in fresh(make_problems(seeds, RELEASED, 12, 1))}
    shown = sorted(first)
    released = pl.DataFrame({"instruction": [f"  {text.upper()} " for text in shown[:6]]})
    seen = pl.concat([seeds, pl.DataFrame([seed_row("knowledge/trees", text, "x", "seed") for text in shown[6:]], schema=SEED)])
    second = {problem.instruction for problem in fresh(make_problems(seen, released, 12, 1))}
    assert len(second) == 12
    assert not first & second


def test_no_fresh_problem_is_in_the_release_or_the_seeds_in_other_words() -> None:
    seeds = make_seeds()
    terms = [problem.reference.partition(" =")[0].split(" * ") for problem in fresh(make_problems(seeds, RELEASED, 12, 1))]
    reworded = [f"What is the product of {a} and {b}?" for a, b in terms]
    seen = pl.concat([seeds, pl.DataFrame([seed_row("knowledge/trees", text, "x", "seed") for text in reworded[6:]], schema=SEED)])
    second = fresh(make_problems(seen, pl.DataFrame({"instruction": reworded[:6]}), 12, 1))
    assert len(second) == 12
    assert not {" * ".join(factors) for factors in terms} & {problem.reference.partition(" =")[0] for problem in second}


def test_writer_that_runs_out_gives_fewer_problems_each_once() -> None:
    problems = fresh(make_problems(make_seeds(), RELEASED, 400, 1))
    assert 20 < len(problems) < 400
    assert len({problem.reference for problem in problems}) == len(problems)


def test_unknown_writer_is_named() -> None:
    seeds = pl.DataFrame([seed_row("a/b", "q", "a", "seed", verifier="arithmetic", problems="multiplicatoin")], schema=SEED)
    with pytest.raises(FactoryError, match="leaf a/b: no problem writer 'multiplicatoin'; did you mean 'multiplication'"):
        make_problems(seeds, RELEASED, 3, 1)


def problem(instruction: str, reference: str, verifier: str | None) -> Problem:
    return Problem("p", "leaf", "en", "holdout", instruction, None, reference, verifier)


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("Apples grow on trees.", True),
        ("  apples\n grow on TREES ", True),
        ("Ａｐｐｌｅｓ grow on trees .", True),
        ("Apples grow on trees..", False),
        ("Apples grow on a tree.", False),
        ("", False),
    ],
)
def test_words_decide_where_no_verifier_does(response: str, right: bool) -> None:
    assert is_correct(problem("Where do apples grow?", "Apples grow on trees.", None), response) is right


def test_verifier_decides_against_the_reference() -> None:
    addition = problem("What is 47 + 85?", "47 + 85 = 133", "arithmetic")
    assert is_correct(addition, "47 + 85 = 132")
    assert is_correct(addition, "132")
    assert not is_correct(addition, "47 + 85 = 133")


def test_the_reference_goes_to_a_verifier_that_compares() -> None:
    solved = problem("How many clips?", "48 / 2 = 24.\n#### 72", "gsm8k")
    assert is_correct(solved, "I add 24 and 48.\n#### 72")
    assert not is_correct(solved, "48 / 2 = 24.\n#### 73")
    assert not is_correct(solved, "72")


def test_the_settings_of_the_leaf_reach_the_evaluation() -> None:
    settings = {"verifier": "number", "verifier_settings": '{"tolerance":0.01,"unit":"km"}'}
    (held,) = make_problems(pl.DataFrame([seed_row("a/b", "How far?", "3.14", "holdout", **settings)], schema=SEED), RELEASED, 0, 1)
    assert held.verifier_settings == settings["verifier_settings"]
    assert is_correct(held, "3141 m") and not is_correct(held, "3.2")


def test_words_decide_where_the_verifier_cannot_tell() -> None:
    odd = problem("Say something nice about sums.", "Sums are nice.", "arithmetic")
    assert verify("arithmetic", odd.instruction, "Sums are nice.").right is None
    assert is_correct(odd, "sums are nice")
    assert not is_correct(odd, "sums are hard")


@given(st.text(max_size=30))
def test_reference_is_always_right_without_verifier(text: str) -> None:
    assert is_correct(problem("q", text, None), f" {text}\n")


def test_answers_of_a_model_are_a_frame_of_answers(student: Path) -> None:
    problems = make_problems(make_seeds(), RELEASED, 3, 1)
    answers = evaluate_model("base", student, problems, EvaluationSpec(max_new_tokens=6, batch_size=4))
    assert dict(answers.schema) == ANSWER
    assert answers["problem_id"].to_list() == [problem.problem_id for problem in problems]
    assert set(answers["model"]) == {"base"}
    assert not answers["correct"].any()
    assert answers["response"].null_count() == 0


def test_every_writer_of_a_verified_leaf_agrees_with_its_verifier() -> None:
    pairs = {
        "addition": "arithmetic",
        "addition_id": "arithmetic",
        "subtraction": "arithmetic",
        "multiplication": "arithmetic",
        "largest_number": "largest_number",
        "next_number": "next_number",
        "reverse_words": "reversed_words",
        "sort_words": "sorted_words",
        "sort_words_id": "sorted_words",
        "count_words": "word_count",
        "json_record": "json_fields",
        "convert_units": "unit_conversion",
        "weekday_after": "weekday_after",
        "add_days": "date_after",
        "number_words_id": "number_words",
    }
    assert set(pairs) <= set(WRITERS)
    rows = [seed_row(f"a/{writer}", f"q {writer}", "a", "seed", problems=writer, verifier=verifier) for writer, verifier in pairs.items()]
    problems = make_problems(pl.DataFrame(rows, schema=SEED), RELEASED, 10, 5)
    assert len(problems) == 10 * len(pairs)
    wrong = [
        (item.instruction, item.reference) for item in problems if not verify(item.verifier or "", item.instruction, item.reference).right
    ]
    assert wrong == []


def test_a_topic_is_no_problem_and_no_known_instruction() -> None:
    seeds = make_seeds()
    topics = [
        seed_row("foundational_skills/multiplication", "multiplication", None, "seed", kind="topic", problems="multiplication"),
        seed_row("knowledge/sea", "whales", None, "seed", kind="topic"),
    ]
    assert make_problems(pl.concat([seeds, pl.DataFrame(topics, schema=SEED)]), RELEASED, 3, 1) == make_problems(seeds, RELEASED, 3, 1)
