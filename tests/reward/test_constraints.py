"""Constraints on a response: every one that is drawn is verified, right and wrong, and what is a matter of taste is left open."""
# ruff: noqa: E501 - tables are read by rows

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.generation.constraints import draw_constraint, read_constraints
from factory.reward.verifiers import Check, verify, verify_constraint
from factory.reward.verifiers.constraints import CONSTRAINTS

RIGHT, WRONG, OPEN = True, False, None
ENGLISH = "The old harbour lies below the town, and every morning the fishing boats come home with what they caught in the night."
INDONESIAN = "Setiap pagi nelayan pulang ke pelabuhan dengan ikan yang mereka tangkap pada malam hari, lalu istri mereka menjualnya di pasar dekat masjid karena harganya bagus."


def holds(name: str, response: str, **arguments: Any) -> bool | None:
    return verify_constraint(json.dumps({"name": name, "arguments": arguments}), "Write.", response).right


@pytest.mark.parametrize(
    ("name", "arguments", "response", "right"),
    [
        ("min_words", {"words": 3}, "one two three", RIGHT),
        ("min_words", {"words": 3}, "one two", WRONG),
        ("min_words", {"words": 3}, "well-known man", OPEN),
        ("min_words", {"words": 3}, "one - two", WRONG),
        ("max_words", {"words": 3}, "satu dua tiga", RIGHT),
        ("max_words", {"words": 3}, "satu dua tiga empat", WRONG),
        ("max_words", {"words": 3}, "don't go now", OPEN),
        ("max_words", {"words": 3}, "这是一个测试", OPEN),
        ("about_words", {"words": 10}, "word " * 11, RIGHT),
        ("about_words", {"words": 10}, "word " * 12, WRONG),
        ("min_characters", {"characters": 3}, " ab\n", WRONG),
        ("max_characters", {"characters": 3}, "abc\n", RIGHT),
        ("max_characters", {"characters": 3}, "abcd", WRONG),
        ("min_sentences", {"sentences": 2}, "It rains. We stay here.", RIGHT),
        ("min_sentences", {"sentences": 3}, "It rains. We stay here.", WRONG),
        ("min_sentences", {"sentences": 2}, "I saw Dr. Smith.", OPEN),
        ("max_sentences", {"sentences": 2}, "It rains. We stay here!", RIGHT),
        ("max_sentences", {"sentences": 1}, "It rains. We stay here!", WRONG),
        ("max_sentences", {"sentences": 1}, "I saw Dr. Smith.", OPEN),
        ("max_sentences", {"sentences": 1}, "It is 3.5 km.", RIGHT),
        ("max_sentences", {"sentences": 1}, "下雨了。我们在家。", WRONG),
        ("paragraphs", {"paragraphs": 2}, "One.\nStill one.\n\n \nTwo.\n", RIGHT),
        ("paragraphs", {"paragraphs": 2}, "One.\nTwo.", WRONG),
        ("bullets", {"bullets": 2}, "See:\n- a\n- b\n", RIGHT),
        ("bullets", {"bullets": 2}, "* a\n* b", WRONG),
        ("bullets", {"bullets": 2}, "- a\n- b\n- c", WRONG),
        ("sections", {"sections": 2, "word": "Part"}, "Part 1\na\n**Part 2**\nb", RIGHT),
        ("sections", {"sections": 2, "word": "Part"}, "Part 1\na\nPart 3\nb", WRONG),
        ("title", {}, "<<On rain>>\nIt rains.", RIGHT),
        ("title", {}, "<< >>\nIt rains.", WRONG),
        ("json_object", {}, '{"a": 1}', RIGHT),
        ("json_object", {}, '```json\n{"a": 1}\n```', WRONG),
        ("json_object", {}, "[1]", WRONG),
        ("json_object", {}, f'{{"a": {"1" * 5000}}}', None),
        ("quoted", {}, '"It rains."', RIGHT),
        ("quoted", {}, "“It rains.”", RIGHT),
        ("quoted", {}, '"It" rains.', WRONG),
        ("quoted", {}, "«It rains.»", OPEN),
        ("keyword", {"word": "rain", "times": 2}, "Rain, rain!", RIGHT),
        ("keyword", {"word": "rain", "times": 2}, "Rain and rainbow", WRONG),
        ("keyword", {"word": "雨"}, "下雨了", RIGHT),
        ("forbidden_word", {"word": "is"}, "This isle", RIGHT),
        ("forbidden_word", {"word": "is"}, "So it IS.", WRONG),
        ("letter", {"letter": "k", "times": 2}, "Kick", RIGHT),
        ("letter", {"letter": "k", "times": 3}, "Kick", WRONG),
        ("lower_case", {}, "it rains.", RIGHT),
        ("lower_case", {}, "It rains.", WRONG),
        ("lower_case", {}, "下雨了", OPEN),
        ("upper_case", {}, "IT RAINS: 5.", RIGHT),
        ("upper_case", {}, "IT RAINs.", WRONG),
        ("starts_with", {"phrase": "In short,"}, "In short, it rains.", RIGHT),
        ("starts_with", {"phrase": "In short,"}, "in short, it rains.", WRONG),
        ("ends_with_mark", {"mark": "END"}, "It rains. END\n", RIGHT),
        ("ends_with_mark", {"mark": "END"}, "It rains. END.", WRONG),
        ("no_commas", {}, "It rains.", RIGHT),
        ("no_commas", {}, "It rains, again.", WRONG),
        ("no_commas", {}, "雨が、降る", WRONG),
        ("no_commas", {}, "雨、雪", OPEN),
        ("no_commas", {}, "مطر، ثلج", WRONG),
        ("language", {"language": "en"}, ENGLISH, RIGHT),
        ("language", {"language": "id"}, ENGLISH, WRONG),
        ("language", {"language": "en"}, INDONESIAN, WRONG),
        ("language", {"language": "id"}, INDONESIAN, RIGHT),
        ("language", {"language": "ms"}, INDONESIAN, OPEN),
        ("language", {"language": "en"}, "Rendang.", OPEN),
        ("language", {"language": "en"}, f"{ENGLISH} {INDONESIAN}", OPEN),
        ("language", {"language": "tlh"}, ENGLISH, OPEN),
    ],
)
def test_constraints(name: str, arguments: dict[str, Any], response: str, right: bool | None) -> None:
    assert holds(name, response, **arguments) is right


def test_each_constraint_is_tried_right_and_wrong() -> None:
    marks = test_constraints.pytestmark[0].args[1]  # type: ignore[attr-defined]
    for name in CONSTRAINTS:
        assert {RIGHT, WRONG} <= {right for tried, _, _, right in marks if tried == name} or name in ("about_words", "min_characters"), name


def test_all_that_is_drawn_can_be_verified() -> None:
    for name, constraint in read_constraints().items():
        for language in constraint["texts"]:
            lists = [values[language] if isinstance(values, dict) else values for values in constraint["arguments"].values()]
            for chosen in itertools.product(*lists):
                arguments = dict(zip(constraint["arguments"], chosen, strict=True))
                assert holds(name, "", **arguments) in (True, False, None)


@pytest.mark.parametrize("language", ["en", "id", "ar", "zh", "ja"])
def test_a_drawn_constraint_is_verified_by_what_the_column_holds(language: str) -> None:
    names = set()
    for place in range(200):
        drawn = draw_constraint([place], language)
        names.add(drawn.name)
        assert all(str(value) in drawn.text for value in drawn.arguments.values())
        assert isinstance(verify_constraint(drawn.canonical, "Write.", "Hello."), Check)
    assert names == {name for name, constraint in read_constraints().items() if language in constraint["texts"]}


def test_several_constraints_of_a_leaf_must_all_hold() -> None:
    both = json.dumps({"constraints": [{"name": "no_commas"}, {"name": "language", "arguments": {"language": "en"}}]})
    assert verify("ifeval", "q", ENGLISH, settings=both) == Check(False, "the response does not keep no_commas")
    assert verify("ifeval", "q", ENGLISH.replace(",", ""), settings=both) == Check(True)
    assert verify("ifeval", "q", "Hello.", settings=both).right is None


@given(st.text(), st.integers(1, 8))
def test_more_of_anything_never_breaks_a_least_and_never_mends_a_most(text: str, count: int) -> None:
    for unit, more in (("words", " and then some"), ("sentences", " And then some."), ("characters", " and")):
        if holds(f"min_{unit}", text, **{unit: count}):
            assert holds(f"min_{unit}", f"{text.rstrip()}{more}", **{unit: count}) is not False
        if holds(f"max_{unit}", text, **{unit: count}) is False:
            assert holds(f"max_{unit}", f"{text.rstrip()}{more}", **{unit: count}) is not True


@given(st.sampled_from(sorted(CONSTRAINTS)), st.text())
def test_no_response_raises(name: str, response: str) -> None:
    tried = {
        "sections": 2,
        "word": "Part",
        "letter": "k",
        "times": 2,
        "language": "en",
        "phrase": "So",
        "mark": "END",
        "words": 3,
        "characters": 3,
        "sentences": 2,
        "paragraphs": 2,
        "bullets": 2,
    }
    arguments = {key: value for key, value in tried.items() if key in CONSTRAINTS[name].arguments.model_fields}
    assert holds(name, response, **arguments) in (True, False, None)


@pytest.mark.parametrize("name", ["sections", "language", "min_sentences"])
@pytest.mark.parametrize("text", ["\n", " \n", ". "])
def test_a_very_long_response_takes_no_time_that_grows_by_its_square(name: str, text: str) -> None:
    arguments = {"sections": {"sections": 2, "word": "Part"}, "language": {"language": "en"}, "min_sentences": {"sentences": 3}}[name]
    response = text * 300_000  # hours where each place is looked at from each other, and then the test's time is over
    assert holds(name, response, **arguments) in ((False,) if name == "sections" else (False, None))
