"""Evaluation problems that training read are found, whatever form the copy has, and those that only look like it are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.records import MIXED, PREFERENCE
from factory.reward_spec import RewardSpec
from factory.training import CONTAMINATED, Problem, find_contaminated, find_emptied, leave_out, list_trained

SPEC = RewardSpec()
PASSAGE = "The kiwi is a bird of New Zealand that cannot fly and lives in burrows in the forest."
RIDDLE = "Which animal of the island walks on four legs in the morning and sleeps on a warm stone all afternoon?"


def ask(problem_id: str, instruction: str, context: str | None = None, leaf: str = "a/b") -> Problem:
    return Problem(problem_id, leaf, "en", "holdout", instruction, context, "no matter", None)


def mix(*rows: dict[str, Any]) -> pl.DataFrame:
    known = dict.fromkeys(MIXED) | {"language": "en", "instruction": "Say hello.", "response": "Hello."}
    return pl.DataFrame([known | {"record_id": f"r{at}"} | row for at, row in enumerate(rows)], schema=MIXED)


def find(problems: list[Problem], *rows: dict[str, Any], pairs: pl.DataFrame | None = None) -> list[tuple[str, str, str, str]]:
    found = find_contaminated(problems, list_trained(mix(*rows), pairs), SPEC)
    assert dict(found.schema) == CONTAMINATED
    return found.select("problem_id", "reason", "matched_id", "matched_by").rows()


def test_a_record_that_asks_the_same_or_nearly_is_a_copy() -> None:
    problems = [ask("p0", "What is 47 + 85?"), ask("p1", RIDDLE), ask("p2", "What is 47 + 86?")]
    nearly = RIDDLE.replace("a warm stone", "the warm stone")
    assert find(problems, {}, {"instruction": "  what is 47 + 85 ?"}, {"instruction": nearly}) == [
        ("p0", "asked", "r1", "near 1.00"),
        ("p1", "asked", "r2", "near 1.00"),
    ]
    assert find(problems[:1], {"instruction": "What is  47 + 85?"}) == [("p0", "asked", "r0", "exact")]


def test_the_same_problem_in_other_words_is_a_copy_where_its_verifier_reads_both() -> None:
    verified = replace(ask("p0", "What is 47 + 85?"), verifier="arithmetic")
    reworded = ({}, {"instruction": "What is the sum of 47 and 85?"}, {"instruction": "Add 47 and 85."}, {"instruction": "Add 85 and 47."})
    assert find([ask("p1", "What is 47 + 85?"), verified], *reworded) == [("p0", "asked", "r1", "same problem")]
    assert find([verified], {}, reworded[3], {"instruction": "Why is the sea salt?"}) == []


def test_the_same_question_about_another_passage_is_no_copy() -> None:
    asked = ask("p0", "In which part of the country does the animal of this text live?", PASSAGE)
    other = PASSAGE.replace("kiwi", "tortoise").replace("bird of New Zealand", "slow animal of Aldabra").replace("forest", "dry hills")
    assert find([asked], {"instruction": asked.instruction, "context": other}) == []
    assert find([asked], {"instruction": asked.instruction, "context": PASSAGE}) == [("p0", "asked", "r0", "exact")]


@pytest.mark.parametrize(
    "row",
    [
        {"response": f"Here is a riddle. {RIDDLE} Can you tell?"},
        {"context": RIDDLE.upper()},
        {"turns": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": f"A riddle: {RIDDLE}"}]},
    ],
)
def test_a_problem_that_stands_in_any_text_of_a_record_is_held(row: dict[str, Any]) -> None:
    ((problem_id, reason, matched_id, words),) = find([ask("p0", RIDDLE)], {}, row)
    assert (problem_id, reason, matched_id) == ("p0", "held", "r1")
    assert words == RIDDLE.removesuffix("?").lower()


def test_both_sides_of_a_pair_are_read() -> None:
    turns = {"prompt": "Tell me a riddle.", "chosen": "No.", "rejected": f"{RIDDLE} That is it."}
    messages = {name: [{"role": "user", "content": text}] for name, text in turns.items()}
    pairs = pl.DataFrame([dict.fromkeys(PREFERENCE) | messages | {"record_id": "pair", "language": "en"}], schema=PREFERENCE)
    problems = [ask("p0", RIDDLE), ask("p1", "Tell me a riddle.")]
    assert find(problems, {}, pairs=pairs) == [("p0", "held", "pair", RIDDLE.removesuffix("?").lower()), ("p1", "asked", "pair", "exact")]
    assert find(problems, {}) == []


def test_thirteen_words_in_a_row_are_a_copy_and_twelve_are_not() -> None:
    words = RIDDLE.split()
    assert [reason for _, reason, *_ in find([ask("p0", RIDDLE)], {"response": " ".join(words[2:15])})] == ["words"]
    assert find([ask("p0", RIDDLE)], {"response": " ".join(words[2:14])}) == []


def test_words_of_the_task_are_no_copy_unless_the_whole_problem_stands_there() -> None:
    """A template of more words than are looked for in a row, in many records: only the planted copy is one."""
    task = "Read the two numbers that follow with care and then write down their sum as digits, nothing else: {} and {}."
    records = [{"instruction": f"Please. {task.format(number, number + 3)} Thank you, and take your time with it."} for number in range(12)]
    problems = [ask(f"p{number}", task.format(number, 40 + number)) for number in range(3)]
    assert find(problems, *records) == []
    planted = {"response": f"I was once asked this: {problems[1].instruction} I said I did not know."}
    assert [found[:3] for found in find(problems, *records, planted)] == [("p1", "held", "r12")]


def test_words_of_the_task_stay_that_where_some_of_its_problems_are_left_out() -> None:
    task = "Read the names of these two islands with care and then say which of them is the larger one: {} and Java."
    problems = [ask(f"p{number}", task.format(number)) for number in range(12)]
    copies = [{"instruction": problem.instruction} for problem in problems[:2]]
    planted = {"response": f"I was once asked this: {problems[2].instruction} I said I did not know."}
    found = find(problems, *copies, planted, {"instruction": task.format("Borneo")})
    assert [(problem_id, reason) for problem_id, reason, *_ in found] == [("p0", "asked"), ("p1", "asked"), ("p2", "held")]


def test_a_record_that_holds_two_problems_holds_both() -> None:
    other = "Which bird of the forest digs its burrow at night and lays one very large egg?"
    found = find([ask("p0", RIDDLE), ask("p1", other)], {"response": f"{other} And then: {RIDDLE}"})
    assert [(problem_id, reason) for problem_id, reason, *_ in found] == [("p0", "held"), ("p1", "held")]


@settings(max_examples=12)
@given(st.permutations(range(6)))
def test_order_of_records_changes_no_finding(order: list[int]) -> None:
    problems = [ask("p0", RIDDLE), ask("p1", "What is 47 + 85?"), ask("p2", "What is 9 + 9?")]
    texts = ["Say hello.", RIDDLE, f"So: {RIDDLE} Well?", "What is 47 + 85?", "What is 47 - 85?", "Name a bird."]
    found = find(problems, *({"instruction": texts[at]} for at in order))
    assert [(problem_id, reason) for problem_id, reason, *_ in found] == [("p0", "asked"), ("p1", "asked")]


def test_nothing_asked_and_nothing_trained_on_is_nothing_found() -> None:
    assert find([], {}) == find([ask("p0", RIDDLE)]) == []


def test_a_leaf_that_loses_all_is_told_and_a_line_that_does_is_refused() -> None:
    problems = [ask("p0", RIDDLE, leaf="a/riddles"), ask("p1", "What is 9 + 9?", leaf="a/sums"), ask("p2", "What is 8 + 8?", leaf="a/sums")]
    records = [{"instruction": problem.instruction} for problem in problems]
    some, all_of_them = (find_contaminated(problems, list_trained(mix(*rows)), SPEC) for rows in (records[:2], records))
    clean = leave_out(problems, some)
    assert [problem.problem_id for problem in clean] == ["p2"] and find_emptied(problems, clean) == ["a/riddles"]
    with pytest.raises(FactoryError, match=r"All 3 evaluation problems stand in what is trained on.*a/riddles, in record r0: exact"):
        leave_out(problems, all_of_them)
    assert leave_out([], some) == []
