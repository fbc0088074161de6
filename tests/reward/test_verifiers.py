from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.problems import WRITERS, Problem
from factory.reward.verifiers import VERIFIERS, verify

VERIFIER_OF = {
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
BY_INSTRUCTION = sorted(set(VERIFIER_OF.values()))
"""Verifiers that need instruction and response alone; the others have tests of their own."""
problems = st.builds(
    lambda name, seed: (VERIFIER_OF[name], WRITERS[name](random.Random(seed))), st.sampled_from(sorted(VERIFIER_OF)), st.integers(0, 10**6)
)


def test_every_verifier_is_tried_on_problems_of_its_own() -> None:
    others = {"exact", "gsm8k", "ifeval", "json_schema", "number", "pattern", "python_tests"}
    assert others.isdisjoint(BY_INSTRUCTION) and {*BY_INSTRUCTION, *others} == set(VERIFIERS)


@settings(max_examples=400, deadline=None)
@given(problems)
def test_right_answer_of_a_problem_writer_is_right(case: tuple[str, Problem]) -> None:
    name, problem = case
    assert verify(name, problem.instruction, problem.response).right is True
    assert verify(name, f" {problem.instruction}\n", f"\n{problem.response} ").right is True


def means_the_same(name: str, right: str, other: str) -> bool:
    """Whether `other` says what `right` says, by other means than the verifiers': only forms that verify() documents."""
    other = other.strip()
    if name == "json_fields":
        try:
            return json.dumps(json.loads(other), sort_keys=True) == json.dumps(json.loads(right), sort_keys=True)
        except ValueError:
            return False
    other = other.removesuffix(".")
    if name in ("arithmetic", "unit_conversion"):
        *_, result = right.split("=")
        bare = {right, result.strip(), result.split()[0]}
        return re.sub(r" ?= ?| ?([-+*]) ?", r"\1", other) in {re.sub(r" ?= ?| ?([-+*]) ?", r"\1", form) for form in bare}
    if name == "sorted_words" or "," in right:
        return re.split(" ?, ?", other) == right.split(", ")
    return other == right


@settings(max_examples=600, deadline=None)
@given(problems, st.data())
def test_a_response_changed_in_one_place_is_wrong(case: tuple[str, Problem], data: st.DataObject) -> None:
    name, problem = case
    right = problem.response
    start = data.draw(st.integers(0, len(right)))
    stop = data.draw(st.integers(start, min(len(right), start + 3)))
    spoilt = right[:start] + data.draw(st.text('0123456789 ,.=+-aeinrstu"{}:\nM', max_size=3)) + right[stop:]
    if not means_the_same(name, right, spoilt):
        check = verify(name, problem.instruction, spoilt)
        assert check.right is False, spoilt
        assert check.note.startswith("expected ")


@settings(max_examples=300, deadline=None)
@given(problems, problems)
def test_answer_to_another_problem_is_right_only_if_it_is_the_same_answer(case: tuple[str, Problem], other: tuple[str, Problem]) -> None:
    name, problem = case
    answer = other[1].response
    assert verify(name, problem.instruction, answer).right is means_the_same(name, problem.response, answer)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BY_INSTRUCTION), st.text(), st.text())
def test_garbage_is_no_guess_and_no_exception(name: str, instruction: str, response: str) -> None:
    assert verify(name, instruction, response).right is None


@settings(max_examples=300, deadline=None)
@given(problems, st.one_of(st.text(), st.text('0123456789.,=+-[]{}" \n', max_size=40)))
def test_garbage_response_never_raises(case: tuple[str, Problem], response: str) -> None:
    name, problem = case
    assert verify(name, problem.instruction, response).right is means_the_same(name, problem.response, response)


@settings(max_examples=300, deadline=None)
@given(problems, st.data())
def test_garbled_instruction_never_raises(case: tuple[str, Problem], data: st.DataObject) -> None:
    name, problem = case
    start = data.draw(st.integers(0, len(problem.instruction)))
    text = problem.instruction[:start] + data.draw(st.text(max_size=4)) + problem.instruction[start + data.draw(st.integers(0, 4)) :]
    assert verify(name, text, problem.response).right in (True, False, None)


@pytest.mark.parametrize("name", BY_INSTRUCTION)
@pytest.mark.parametrize("response", ["[" * 100_000, "9" * 10_000, '{"a": ' * 50_000, "", ".", "\x00"])
def test_hostile_response_is_wrong_and_nothing_more(name: str, response: str) -> None:
    writer = next(writer for writer, verifier in VERIFIER_OF.items() if verifier == name)
    assert verify(name, WRITERS[writer](random.Random(1)).instruction, response).right is False


@pytest.mark.parametrize(
    ("name", "instruction", "response"),
    [
        ("arithmetic", "What is 47 + 85?", "132"),
        ("arithmetic", "What is 47 + 85?", "132."),
        ("arithmetic", "What is 47 + 85?", "85 + 47 = 132"),
        ("arithmetic", "what is 47+85", "47+85=132"),
        ("arithmetic", "Subtract 47 from 85.", "85 - 47 = 38"),
        ("arithmetic", "Subtract 85 from 47.", "-38"),
        ("arithmetic", "Multiply 7 by 23.", "7 × 23 = 161"),
        ("arithmetic", "Berapakah 47 ditambah 85?", "132"),
        ("arithmetic", "Kurangkan 47 dari 85.", "85 - 47 = 38"),
        ("arithmetic", "Calculate 85 − 47.", "85 − 47 = 38"),
        ("largest_number", "What is the largest number in this list: -5 -12 -30", "-5"),
        ("next_number", "What is the next number in the sequence: 30, 20, 10, ...", "0"),
        ("reversed_words", "Reverse the order of these words: apple, tree, house", "house, tree, apple"),
        ("reversed_words", "Put the following words in reverse order: don't look", "look don't"),
        ("sorted_words", "Arrange the following words in alphabetical order: pear Apple fig", "Apple fig pear"),
        ("sorted_words", "Urutkan kata-kata berikut menurut abjad: kupu-kupu, kura, apel", "apel, kupu-kupu, kura"),
        ("word_count", "Count the words: pear", "1"),
        ("json_fields", "Write a JSON object with name Ana, age 31 and city Bogor.", '{"city": "Bogor", "age": 31, "name": "Ana"}'),
        ("json_fields", "Make JSON from these fields: city New York, price -5.", '{"city": "New York", "price": -5}'),
        ("unit_conversion", "Convert 3 kilometers to meters.", "3000 metres"),
        ("unit_conversion", "Convert 2.5 kilograms into grams.", "2.5 kilograms = 2500 grams"),
        ("unit_conversion", "How many hours are 90 minutes?", "1.5"),
        ("unit_conversion", "Convert 1 week to days.", "1 week = 7 days"),
        ("unit_conversion", "Convert 24 hours to days.", "24 hours = 1 day"),
        ("unit_conversion", "Convert 1 weeks to days.", "1 weeks = 7 days."),
        ("weekday_after", "If today is Sunday, what day is it in 1 day?", "Monday"),
        ("weekday_after", "What day of the week will it be 700 days after monday?", "Monday"),
        ("weekday_after", "What day is 3 days after Tueſday?", "Friday"),
        ("date_after", "What date is 1 day after 2024-02-28?", "2024-02-29"),
        ("date_after", "What is the date 1 days after 2023-02-28?", "2023-03-01"),
        ("weekday_after", "What day is 45 days after Monday?", "Thursday."),
        ("weekday_after", "What day is 45 days after Monday?", "45 = 6 * 7 + 3. 1 + 3 = 4. Thursday."),
        ("weekday_after", "What day is 60 days after Saturday?", "60 = 8 * 7 + 4. 6 + 4 = 10. 10 - 7 = 3. Wednesday"),
        ("date_after", "Add 5 days to 2001-06-10.", "10 + 5 = 15. 2001-06-15"),
        ("date_after", "Add 40 days to 2023-01-30.", "30 + 40 = 70. 70 - 31 = 39. 39 - 28 = 11. 2023-03-11."),
        ("date_after", "Add 30 days to 1999-12-15.", "15 + 30 = 45. 45 - 31 = 14. 2000-01-14"),
        ("number_words", "Tuliskan angka 1.000 dalam kata-kata.", "seribu"),
    ],
)
def test_other_phrasings_and_forms_are_right(name: str, instruction: str, response: str) -> None:
    assert verify(name, instruction, response).right is True


@pytest.mark.parametrize(
    ("name", "instruction", "response", "expected"),
    [
        ("arithmetic", "What is 47 + 85?", "131", "132"),
        ("arithmetic", "What is 47 + 85?", "47 + 85 = 132 = 4", "132"),
        ("arithmetic", "What is 47 + 85?", "47 + 86 = 132", "47 + 85 = 132"),
        ("arithmetic", "What is 47 + 85?", "60 + 72 = 132", "47 + 85 = 132"),
        ("arithmetic", "Subtract 47 from 85.", "47 - 85 = 38", "85 - 47 = 38"),
        ("arithmetic", "What is 47 + 85?", "0132", "132"),
        ("arithmetic", "What is 2 * 2?", "2 + 2 = 4", "2 * 2 = 4"),
        ("largest_number", "Find the largest number: 12, 45, 9", "The largest is 45", "45"),
        ("next_number", "Continue the sequence: 5, 9, 13, 17", "21, 25", "21"),
        ("reversed_words", "Reverse the order of these words: apple tree house", "house, tree, apple", "house tree apple"),
        ("reversed_words", "Reverse the order of these words: apple tree house", "House tree apple", "house tree apple"),
        ("sorted_words", "Sort these words alphabetically: pear, apple, fig", "apple fig pear", "apple, fig, pear"),
        ("sorted_words", "Sort these words alphabetically: pear, apple, apple", "apple, pear, pear", "apple, apple, pear"),
        ("word_count", "Count the words: pear apple fig", "three", "3"),
        ("json_fields", "Write a JSON object with age 1 and name Ana.", '{"age": true, "name": "Ana"}', '{"age": 1, "name": "Ana"}'),
        ("json_fields", "Write a JSON object with age 1 and name Ana.", '{"age": "1", "name": "Ana"}', '{"age": 1, "name": "Ana"}'),
        ("json_fields", "Write a JSON object with age 1 and name Ana.", '{"age": 1.0, "name": "Ana"}', '{"age": 1, "name": "Ana"}'),
        ("json_fields", "Write a JSON object with age 1.", '{"age": 2, "age": 1}', '{"age": 1}'),
        ("json_fields", "Write a JSON object with age 1.", '{"age": 1, "name": "Ana"}', '{"age": 1}'),
        ("json_fields", "Write a JSON object with age 1.", '{"age": NaN}', '{"age": 1}'),
        ("unit_conversion", "Convert 3 kilometres to metres.", "3000 grams", "3 kilometres = 3000 metres"),
        ("unit_conversion", "Convert 3 kilometres to metres.", "2 kilometres = 3000 metres", "3 kilometres = 3000 metres"),
        ("unit_conversion", "Convert 3 kilometres to metres.", "3 kilometres = 3000", "3 kilometres = 3000 metres"),
        ("unit_conversion", "Convert 3 kilometres to metres.", "3000 metre", "3 kilometres = 3000 metres"),
        ("unit_conversion", "Convert 24 hours to days.", "24 hours = 1 weeks", "24 hours = 1 days"),
        ("weekday_after", "What day is 3 days after Monday?", "It is Thursday", "Thursday"),
        ("weekday_after", "What day is 45 days after Monday?", "45 = 5 * 7 + 3. 1 + 3 = 4. Thursday", "Thursday"),
        ("weekday_after", "What day is 45 days after Monday?", "45 = 6 * 7 + 3. 1 + 3 = 4. Friday", "Thursday"),
        ("date_after", "Add 12 days to 2024-03-25.", "06-04-2024", "2024-04-06"),
        ("date_after", "Add 12 days to 2024-03-25.", "25 + 12 = 37. 2024-04-06", "2024-04-06"),
        ("date_after", "Add 12 days to 2024-03-25.", "25 + 12 = 36. 36 - 31 = 6. 2024-04-06", "2024-04-06"),
        ("number_words", "Tulis 100 dengan huruf.", "satu ratus", "seratus"),
    ],
)
def test_wrong_response_says_what_was_expected(name: str, instruction: str, response: str, expected: str) -> None:
    check = verify(name, instruction, response)
    assert (check.right, check.note) == (False, f"expected {expected}")


@pytest.mark.parametrize(
    ("name", "instruction"),
    [
        ("arithmetic", "What is 47 + 85 + 3?"),
        ("arithmetic", "What is 47 +?"),
        ("arithmetic", "Add 47 and."),
        ("arithmetic", "What is 47 + 85? Add 3."),
        ("arithmetic", "Berapa 1.000 + 2?"),
        ("arithmetic", f"What is {'9' * 5000} + 1?"),
        ("largest_number", "Find the largest number: 12"),
        ("largest_number", "Find the largest number: 12, 45, apple"),
        ("largest_number", "Find the largest number: 12, 45, , 9"),
        ("largest_number", "Find the smallest number: 12, 45"),
        ("next_number", "Continue the sequence: 2, 4, 8, 16"),
        ("next_number", "Continue the sequence: 5, 5, 5, 5"),
        ("next_number", "Continue the sequence: 5, 9"),
        ("reversed_words", "Reverse the order of these words:"),
        ("reversed_words", "Reverse the order of these words: apple"),
        ("reversed_words", "Reverse the order of these words: apple tree: house"),
        ("sorted_words", "Sort these words alphabetically:"),
        ("sorted_words", "Sort these words alphabetically: pear, apple fig"),
        ("sorted_words", "Sort these words alphabetically: pear, , fig"),
        ("sorted_words", "Sort these words by length: pear, apple, fig"),
        ("sorted_words", "Sort these words alphabetically: éclair, zebra"),
        ("word_count", "Count the words:"),
        ("word_count", "Count the letters: pear"),
        ("json_fields", "Write a JSON object with name Ana age 31 and city Bogor."),
        ("json_fields", "Write a JSON object with name Ana, name Budi."),
        ("json_fields", "Write a JSON object with name, age 31."),
        ("unit_conversion", "Convert 3 kilometres to grams."),
        ("unit_conversion", "Convert 3 days to days."),
        ("unit_conversion", "Convert 3 parsecs to metres."),
        ("unit_conversion", "Convert 10 minutes to hours."),
        ("weekday_after", "What day is 3 days after Mon?"),
        ("weekday_after", "What day is 3 days before Monday?"),
        ("date_after", "Add 1 days to 2023-02-30."),
        ("date_after", "Add 999999 days to 9999-12-31."),
        ("number_words", "Tulis 047 dengan huruf."),
        ("number_words", "Tulis 1000000 dengan huruf."),
    ],
)
def test_instruction_of_another_form_is_no_guess(name: str, instruction: str) -> None:
    check = verify(name, instruction, "132")
    assert check.right is None
    assert check.note


def read_indonesian(words: str) -> int:
    """The number that Indonesian words say: a reader, where the verifier has a writer."""
    names = ["nol", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan", "sepuluh", "sebelas"]
    steps: dict[str, Callable[[int], int]] = {"belas": lambda n: n + 10, "puluh": lambda n: n * 10, "ratus": lambda n: n * 100}
    total = hundreds = last = 0
    for word in words.replace("seribu", "satu ribu").replace("seratus", "satu ratus").split():
        if word == "ribu":
            total, hundreds, last = (hundreds + last) * 1000, 0, 0
        elif word in steps:
            hundreds, last = hundreds + steps[word](last), 0
        else:
            last = names.index(word)
    return total + hundreds + last


@settings(deadline=None)
@given(st.integers(0, 999_999))
def test_number_words_say_the_number(number: int) -> None:
    words = verify("number_words", f"Tulis {number} dengan huruf.", "?").note.removeprefix("expected ")
    assert read_indonesian(words) == number
    assert "satu ratus" not in words
    assert not words.startswith("satu ribu")
    assert verify("number_words", f"Bagaimana menulis {number} dengan kata?", words).right is True


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "nol"),
        (10, "sepuluh"),
        (11, "sebelas"),
        (12, "dua belas"),
        (20, "dua puluh"),
        (110, "seratus sepuluh"),
        (999, "sembilan ratus sembilan puluh sembilan"),
        (1_000, "seribu"),
        (1_111, "seribu seratus sebelas"),
        (9_019, "sembilan ribu sembilan belas"),
        (100_001, "seratus ribu satu"),
    ],
)
def test_number_words_by_hand(number: int, words: str) -> None:
    assert verify("number_words", f"Tulis {number} dengan huruf.", words).right is True


def test_unknown_verifier_names_the_nearest() -> None:
    with pytest.raises(FactoryError, match="did you mean 'sorted_words'"):
        verify("sort_words", "Sort these words alphabetically: b, a", "a, b")
