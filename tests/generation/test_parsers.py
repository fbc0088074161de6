"""Parsers: what they take out of an answer, and that no answer whatever does more than be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from factory.generation.filters import Filter, Limits, RefusedError, select_patterns, strip_patterns
from factory.generation.fit import cut_sentences
from factory.generation.flow_spec import Step
from factory.generation.parsers import ParseError, Parser

SCHEMA = {"type": "object", "properties": {"tasks": {"type": "array", "items": {"type": "string"}}}, "required": ["tasks"]}
WHOLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(lambda text: " ".join(text.split())).filter(bool)
UNTAGGED = WHOLE.filter(lambda text: "[" not in text)
PARSERS = [
    {"kind": "text"},
    {"kind": "tagged", "tags": {"a": "A", "b": "B"}},
    {"kind": "regex", "pattern": r"(?P<a>\w+): (?P<b>.*)"},
    {"kind": "json", "schema": SCHEMA, "items": "tasks"},
    {"kind": "list"},
    {"kind": "score", "values": {"yes": 1, "no": 0}, "opening": "[S]", "closing": "[/S]"},
]


def make(**settings: Any) -> Any:
    return TypeAdapter(Parser).validate_python(settings)


@pytest.mark.parametrize("settings", PARSERS, ids=lambda settings: settings["kind"])
@given(st.text(), st.sampled_from(["", "[A]", "[/A]", "1. ", "- ", "{", '{"tasks": [', "[S]", "yes"]))
def test_any_answer_parses_or_is_refused(settings: dict[str, Any], answer: str, start: str) -> None:
    step = Step(name="step", prompt="p", parser=settings, many=3 if settings["kind"] != "text" else None)
    try:
        items = step.parse(start + answer, "en")
    except ParseError as error:
        assert str(error)
    else:
        assert len(items) == (step.many or 1)
        for item in items:
            assert isinstance(item, ParseError) or all(isinstance(v, float) or v.strip() == v != "" for v in item.values())


@given(st.lists(WHOLE.filter(lambda text: text[0].isalnum() and not text[0].isdigit()), min_size=1, max_size=6), st.sampled_from("1-*•"))
def test_the_items_of_a_list_come_back(items: list[str], mark: str) -> None:
    written = "\n".join(f"{n + 1}. {item}" if mark == "1" else f"{mark} {item}" for n, item in enumerate(items))
    assert make(kind="list").parse(f"Here they are:\n\n{written}\n\nI hope this helps.", "x") == [{"x": item} for item in items]


@pytest.mark.parametrize(
    ("answer", "items"),
    [
        ("1) one\n2) two\n   goes on", ["one", "two\n   goes on"]),
        ("١. واحد\n٢. اثنان", ["واحد", "اثنان"]),
        ("1、一\n2、二", ["一", "二"]),
        ("(1) one\n(2) two", ["one", "two"]),
        ("- 3.5 litres\n- -5 °C", ["3.5 litres", "-5 °C"]),
        ("1. How much is\n3.5 litres?", ["How much is\n3.5 litres?"]),
        ("1. **Bold** one", ["**Bold** one"]),
    ],
)
def test_lists_of_every_script(answer: str, items: list[str]) -> None:
    assert [item["x"] for item in make(kind="list").parse(answer, "x")] == items


@given(
    st.lists(st.tuples(WHOLE, WHOLE), min_size=1, max_size=4).filter(lambda pairs: not any("[" in part for pair in pairs for part in pair))
)
def test_tagged_pairs_come_back(pairs: list[tuple[str, str]]) -> None:
    parser = make(kind="tagged", tags={"q": "Question", "a": "Answer"})
    text = "\n".join(f"[Question] {q} [/Question] so [Answer]\n{a}[/Answer]" for q, a in pairs)
    assert parser.parse(text, "x") == [{"q": q, "a": a} for q, a in pairs]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("[Q]one[/Q]", r"no \[A\]"),
        ("[Q]one[/Q][A]two", r"no \[A\]"),
        ("[Q]one[/Q][A] [/A]", r"\[A\] is empty"),
        ("[A]two[/A][Q]one[/Q]", "do not follow each other"),
        ("[Q]1[/Q][A]2[/A][Q]3[/Q]", r"the last \[Q\] lacks its \[A\]"),
        ("[Q]1[/Q][Q]3[/Q][A]2[/A]", "do not follow each other"),
    ],
)
def test_broken_tags_are_named(answer: str, fault: str) -> None:
    with pytest.raises(ParseError, match=fault):
        make(kind="tagged", tags={"q": "Q", "a": "A"}).parse(answer, "x")


@given(st.lists(WHOLE, max_size=5))
def test_json_comes_back_in_a_fence_or_without(tasks: list[str]) -> None:
    parser = make(kind="json", schema=SCHEMA, items="tasks")
    for form in ("{}", "```json\n{}\n```", "\n```\n{}```\n"):
        assert parser.parse(form.replace("{}", json.dumps({"tasks": tasks})), "x") == [{"x": task} for task in tasks]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("tasks: [a]", "not JSON"),
        ('{"tasks": ["a"', "not JSON"),
        ('{"tasks": "a"}', r"\$.tasks: 'a' is not of type 'array'"),
        ("{}", "'tasks' is a required property"),
        ('{"tasks": [NaN]}', "NaN is no value of JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_broken_json_is_named(answer: str, fault: str) -> None:
    with pytest.raises(ParseError, match=fault):
        make(kind="json", schema=SCHEMA, items="tasks").parse(answer, "x")


def test_half_a_surrogate_pair_is_no_text() -> None:
    step = Step(name="step", prompt="p", parser={"kind": "json", "schema": SCHEMA, "items": "tasks"})
    with pytest.raises(ParseError, match="surrogate"):
        step.parse('{"tasks": ["\\ud800"]}', "en")


def test_a_score_is_one_of_the_known_words_and_nothing_else() -> None:
    parser = make(kind="score", values={"yes": 1, "no": 0}, opening="[S]", closing="[/S]")
    assert parser.parse("Reasons. [S] Yes. [/S]", "x") == [{"x": 1.0}]
    assert parser.parse("[S]no[/S] … so [S]no[/S]", "x") == [{"x": 0.0}]
    for answer in ("yes", "[S]maybe[/S]", "[S]yes[/S] [S]no[/S]", "[S][/S]", ""):
        with pytest.raises(ParseError, match="expected one of yes, no"):
            parser.parse(answer, "x")
    assert make(kind="score", values={"1": 1, "2": 2}).parse(" 2\n", "x") == [{"x": 2.0}]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"kind": "regex", "pattern": "("}, "not a regular expression"),
        ({"kind": "regex", "pattern": "a"}, "no named group"),
        ({"kind": "json", "schema": {"type": "array"}}, "of an object with properties"),
        ({"kind": "json", "schema": {"type": "object", "properties": {"a": {"type": "nothing"}}}}, "not a JSON schema"),
        ({"kind": "json", "schema": SCHEMA, "items": "other"}, "no list 'other'"),
        ({"kind": "score", "values": {"yes": 1, "no": 0}, "opening": "["}, "both opening and closing"),
    ],
)
def test_a_parser_that_could_never_work_is_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        make(**settings)


def test_items_are_held_against_what_was_written() -> None:
    step = Step(name="step", prompt="p", parser="list", many=3, held_against="text")
    items = step.parse("1. pear  tree\n2. plum", "en", "A pear\ntree stands here.")
    assert items[0] == {"step": "pear  tree"}
    assert str(items[1]) == "'plum' does not stand in what the model wrote"
    assert str(items[2]) == "2 items, 3 were asked for"


def test_patterns_are_of_a_language_and_its_forms() -> None:
    patterns = {"any": ("a",), "id": ("b",), "zh-Hant": ("c",)}
    for language, chosen in (("id", "ab"), ("id-ID", "ab"), ("ido", "a"), ("zh", "a"), ("zh-hant-TW", "ac")):
        assert "".join(select_patterns(patterns, language)) == chosen


def test_filters_refuse_by_pattern_and_score() -> None:
    chosen = Filter.model_validate({"refuse": {"en": [r"\bsorry\b"]}, "require": {"any": [r"\d"]}, "min_score": 2})
    chosen.check_text("Take 2.", "en")
    chosen.check_text("Sorry 2.", "de")
    for text, fault in (("Sorry 2.", "holds 'Sorry'"), ("Take two.", "holds nothing of what")):
        with pytest.raises(RefusedError, match=fault):
            chosen.check_text(text, "en")
    with pytest.raises(RefusedError, match="score 1 is below 2"):
        chosen.check_score(1.0)


@given(st.text(), st.integers(0, 3))
def test_what_is_stripped_is_gone(text: str, times: int) -> None:
    polite = {"en": (r"^thanks[,. ]+",)}
    assert strip_patterns("Thanks, " * times + "next" + text, polite, "en") == ("next" + text).strip()
    assert strip_patterns("Thanks, next", polite, "id") == "Thanks, next"


@given(st.lists(st.sampled_from(["One is. ", "دو است؟ ", "三です。", "four\n"]), min_size=2, max_size=9), st.floats(0, 1))
def test_cutting_leaves_whole_sentences_and_gets_shorter(sentences: list[str], share: float) -> None:
    text = "".join(sentences)
    cut = cut_sentences(text, share)
    assert text.startswith(cut)
    assert 0 < len(cut) < len(text.rstrip()) or len(sentences) == 1
    assert cut.strip()


def test_one_sentence_is_not_cut() -> None:
    assert cut_sentences("One is here. ", 0.1) == "One is here. "


def test_limits_are_of_characters_and_lines() -> None:
    for limits, text in ((Limits(max_chars=2), "abc"), (Limits(max_lines=1), "a\nb"), (Limits(single_line=True), "a\nb")):
        limits.check("ab")
        with pytest.raises(ParseError):
            limits.check(text)
