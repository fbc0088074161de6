"""Problem writers: their answers are right by verifiers that never saw how they were made, and their splits never meet."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.problems import WRITERS, split_of, write_problem
from factory.reward.verifiers import VERIFIERS, read_problem, verify

VERIFIED_BY = {
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


def test_every_writer_but_the_freeform_one_has_a_verifier():
    assert set(WRITERS) == set(VERIFIED_BY) | {"thank_you_note"}


@pytest.mark.parametrize("name", VERIFIED_BY)
def test_a_written_answer_is_right_and_another_problems_answer_is_wrong(name):
    rng = random.Random(f"{name}")
    for _ in range(200):
        problem, other = write_problem(name, rng), write_problem(name, rng)
        assert verify(VERIFIED_BY[name], problem.instruction, problem.response).right is True, problem
        if other.response != problem.response:
            assert verify(VERIFIED_BY[name], problem.instruction, other.response).right is False, (problem, other)


@given(st.sampled_from(sorted(WRITERS)), st.integers(0, 2**32))
def test_a_seed_gives_the_same_problem_on_the_side_that_was_asked_for(name, seed):
    for split in ("pretraining", "evaluation"):
        problem = write_problem(name, random.Random(seed), split)
        assert problem == write_problem(name, random.Random(seed), split)
        assert split_of(problem.key) == split


def test_phrasings_of_one_sum_fall_on_one_side():
    rng = random.Random(0)
    sides = {}
    for _ in range(20_000):
        for name in ("addition", "addition_id"):
            problem = write_problem(name, rng, "pretraining")
            sides.setdefault(problem.key, set()).add(problem.instruction)
    assert any(len(phrasings) > 1 for phrasings in sides.values())
    assert all(split_of(key) == "pretraining" for key in sides)


@pytest.mark.parametrize("name", VERIFIED_BY)
def test_a_verifier_reads_all_phrasings_of_a_problem_as_one_and_other_problems_as_others(name):
    rng, read = random.Random(f"read/{name}"), {}
    for _ in range(600):
        problem = write_problem(name, rng, "pretraining")
        read.setdefault(problem.key, {})[problem.instruction] = read_problem(VERIFIED_BY[name], problem.instruction)
    assert all(len(set(asked.values())) == 1 and None not in asked.values() for asked in read.values())
    assert len({next(iter(asked.values())) for asked in read.values()}) == len(read)


def test_what_separates_and_how_numbers_are_written_is_phrasing():
    for name, one, other in (
        ("arithmetic", "Jumlahkan 47 dan +085!", "What is 47 plus 85?"),
        ("sorted_words", "Sort these words alphabetically: Tea, hat", "Urutkan kata-kata ini menurut abjad: tea hat"),
        ("unit_conversion", "How many meters are 3.0 kilometers?", "Convert 3 kilometres to metres."),
        ("json_fields", "Make JSON from these fields: name Ana, age 07.", "Write a JSON object with name Ana and age 7."),
        ("number_words", "Tulis 12.345 dengan huruf.", "Bagaimana menulis 12345 dengan kata?"),
    ):
        assert read_problem(name, one) == read_problem(name, other) is not None
    assert read_problem("arithmetic", "What is 85 + 47?") != read_problem("arithmetic", "What is 47 + 85?")
    assert {read_problem(name, "Why is the sea salt?") for name in VERIFIERS} == {None}


def test_about_a_tenth_of_the_keys_are_for_evaluation():
    keys = [f"{a}+{b}" for a in range(100) for b in range(100)]
    share = sum(split_of(key) == "evaluation" for key in keys) / len(keys)
    assert 0.09 < share < 0.11
