"""Verifiers that compare with a reference answer, or with a form that the leaf gives."""
# ruff: noqa: E501 - tables are read by rows

from __future__ import annotations

import json
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.reward.verifiers import Check, verify, warn_of_references
from factory.reward.verifiers.quantities import read_quantity


def check(name: str, response: str, reference: str | None = None, **set_: Any) -> Check:
    return verify(name, "An instruction.", response, reference=reference, settings=json.dumps(set_) if set_ else None)


# exact


@pytest.mark.parametrize("response", ["New  York", "new york.", " NEW YORK\n", "Ｎｅｗ Ｙｏｒｋ"])
def test_exact_by_default_leaves_aside_case_space_and_the_full_stop(response: str) -> None:
    assert check("exact", response, "New York").right is True
    assert check("exact", response, "New York", normalise=False).right is False


@pytest.mark.parametrize(("response", "reference"), [("105", "10⁵"), ("CO2", "CO₂"), ("1", "①")])
def test_exact_does_not_take_raised_digits_for_digits(response: str, reference: str) -> None:
    assert check("exact", response, reference).right is False


def test_exact_is_to_the_letter_where_the_leaf_wants_it() -> None:
    assert check("exact", " New York\n", "New York", normalise=False).right is True
    assert check("exact", "New York City", "New York") == Check(False, "expected New York")


@pytest.mark.parametrize("name", ["exact", "number", "gsm8k"])
def test_without_a_reference_nothing_is_guessed(name: str) -> None:
    assert check(name, "#### 5" if name == "gsm8k" else "5") == Check(None, "no reference answer to compare with")


def test_a_leaf_whose_generated_records_nobody_can_tell_is_named_before_anything_is_asked() -> None:
    leaves = {"knowledge/a": "exact", "knowledge/b": "gsm8k", "knowledge/c": "arithmetic", "knowledge/d": None}
    (notice,) = warn_of_references(leaves, lambda leaf: leaf != "knowledge/b")
    assert notice.startswith("knowledge/a: its verifier 'exact' compares with a right answer") and "undecidable" in notice


# number

RIGHT, WRONG, OPEN = True, False, None


@pytest.mark.parametrize(
    ("response", "reference", "set_", "right"),
    [
        ("0.75", "3/4", {}, RIGHT),
        ("0,75", "3/4", {}, RIGHT),
        ("75%", "3/4", {}, RIGHT),
        ("75 persen", "75%", {}, RIGHT),
        ("1 1/2", "1.5", {}, RIGHT),
        ("1½", "3/2", {}, RIGHT),
        ("10⁵", "105", {}, OPEN),
        ("25", "5²", {}, OPEN),
        ("52", "5²", {}, OPEN),
        ("3 × 10⁵", "300000", {}, RIGHT),
        ("3×10⁻²", "0.03", {}, RIGHT),
        ("3x105", "300000", {}, OPEN),
        ("5 Mg", "5 mg", {}, OPEN),
        ("5 MB", "5 Mb", {}, OPEN),
        ("5 Kg", "5 kg", {}, RIGHT),
        ("30 days", "1 month", {}, OPEN),
        ("12 months", "1 year", {}, RIGHT),
        ("-2", "−2", {}, RIGHT),
        ("1.5e3", "1500", {}, RIGHT),
        ("1.5 × 10^3", "1500", {}, RIGHT),
        ("1,234,567", "1.234.567", {}, RIGHT),
        ("1 234 567", "1234567", {}, RIGHT),
        ("1.234,5", "1,234.5", {}, RIGHT),
        ("3000 m", "3 km", {}, RIGHT),
        ("3000 meter", "3 kilometres", {}, RIGHT),
        ("1,5 jam", "90 minutes", {}, RIGHT),
        ("68 °F", "20 °C", {}, RIGHT),
        ("36 km/h", "10 m/s", {}, RIGHT),
        ("5 apples", "5 Apple", {}, RIGHT),
        ("$5", "$5.00", {}, RIGHT),
        ("3000", "3 km", {"unit": "m"}, RIGHT),
        ("3.14", "3.14159", {"tolerance": 0.01}, RIGHT),
        ("99", "100", {"relative": 0.01}, RIGHT),
        ("1.234", "1234", {"decimal": ","}, RIGHT),
        ("1.234", "1.234", {}, RIGHT),
        (r"Half of it, so \boxed{5}.", "5", {}, RIGHT),
        ("0.74", "3/4", {}, WRONG),
        ("3.1", "3.14159", {"tolerance": 0.01}, WRONG),
        ("98", "100", {"relative": 0.01}, WRONG),
        ("3 kg", "3 km", {}, WRONG),
        ("3 km", "3 m", {}, WRONG),
        ("-5", "5", {}, WRONG),
        ("76%", "0.75", {}, WRONG),
        ("1.234", "1235", {}, WRONG),
        ("1.234", "1234", {"decimal": "."}, WRONG),
        ("five", "5", {}, WRONG),
        ("", "5", {}, WRONG),
        ("1.234", "1234", {}, OPEN),
        ("1,234", "1.234", {}, OPEN),
        ("75", "75%", {}, OPEN),
        ("5", "5 km", {}, OPEN),
        ("5 pears", "5 apples", {}, OPEN),
        ("The answer is 5.", "5", {}, OPEN),
        ("5 or 6", "5", {}, OPEN),
        ("1/0", "5", {}, OPEN),
        ("5", "five", {}, OPEN),
    ],
)
def test_numbers(response: str, reference: str, set_: dict[str, Any], right: bool | None) -> None:
    assert check("number", response, reference, **set_).right is right


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_a_number_in_english_or_indonesian_style_is_never_read_as_another(number: int, places: int) -> None:
    value = Fraction(number, 10**places)
    english = f"{Decimal(number).scaleb(-places):,f}"
    indonesian = english.translate(str.maketrans(",.", ".,"))
    for text, mark in ((english, "."), (indonesian, ",")):
        assert [quantity.value for quantity in read_quantity(text, mark)] == [value]
        assert value in [quantity.value for quantity in read_quantity(text)]
        assert check("number", text, str(value)).right in (True, None)


@settings(max_examples=300, deadline=None)
@given(st.text(), st.text())
def test_any_two_texts_are_compared_without_an_exception(response: str, reference: str) -> None:
    for name in ("exact", "number", "gsm8k"):
        assert check(name, response, reference).right in (True, False, None)


# gsm8k

SOLUTION = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nThat is 48+24 = <<48+24=72>>72 clips altogether.\n#### 72"


@pytest.mark.parametrize(
    ("response", "right"),
    [
        (SOLUTION, RIGHT),
        ("#### 72", RIGHT),
        ("So it is 72.\n####72.0\n", RIGHT),
        ("#### $72", RIGHT),
        ("#### 72.", RIGHT),
        ("#### 73", WRONG),
        ("#### -72", WRONG),
        ("#### 7,2", WRONG),
        ("#### 72 clips", WRONG),
        ("#### 72\nor 73", WRONG),
        ("72", WRONG),
        ("The answer is 72.", WRONG),
        ("", WRONG),
        ("#### 71\n#### 72", OPEN),
        ("#### " + "9" * 100_000, WRONG),
    ],
)
def test_gsm8k_reads_the_last_line_alone(response: str, right: bool | None) -> None:
    assert check("gsm8k", response, SOLUTION).right is right
    assert check("gsm8k", response, "72").right is right


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_gsm8k_tells_numbers_apart(one: int, other: int) -> None:
    assert check("gsm8k", f"so\n#### {one:,}", f"#### {other}").right is (one == other)


# pattern


def test_the_pattern_holds_for_the_whole_response() -> None:
    for response, right in ((" 2024-05-01\n", True), ("2024-05-01 or so", False), ("2024-5-1", False)):
        assert check("pattern", response, pattern=r"\d{4}-\d{2}-\d{2}").right is right
    assert check("pattern", "YES", pattern="(?i)yes|no").right is True


def test_a_pattern_that_never_ends_is_given_up() -> None:
    started = time.monotonic()
    said = check("pattern", "ab" * 40 + "!", pattern=r"(?:(?:a|b|ab)*)*c")
    assert said.right in (None, False) and time.monotonic() - started < 30


# json_schema

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"$ref": "#/$defs/age"}},
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ('{"name": "Ana", "age": 31}', RIGHT),
        ('{"name": "Ana"}', RIGHT),
        ('{"age": 31}', WRONG),
        ('{"name": "ana"}', WRONG),
        ('{"name": "Ana", "age": -1}', WRONG),
        ('{"name": "Ana", "town": "Bogor"}', WRONG),
        ('{"name": "Ana", "name": "Budi"}', WRONG),
        ('{"name": "Ana", "age": NaN}', WRONG),
        ('Here it is: {"name": "Ana"}', WRONG),
        ("[" * 100_000, WRONG),
        ("", WRONG),
    ],
)
def test_json_against_a_schema(response: str, right: bool | None) -> None:
    assert check("json_schema", response, schema=PERSON).right is right


@pytest.mark.parametrize(
    ("response", "step", "right"),
    [("19.99", 0.01, RIGHT), ("0.3", 0.1, RIGHT), ("0.35", 0.1, WRONG), ("7", 2, WRONG), ('"x"', 2, RIGHT), ("1e5000", 0.1, OPEN)],
)
def test_multiples_are_those_of_the_numbers_as_they_are_written(response: str, step: float, right: bool | None) -> None:
    assert check("json_schema", response, schema={"multipleOf": step}).right is right


DEEP, LONG = "[" * 20_000 + "]" * 20_000, "1" * 5_000


@pytest.mark.parametrize(
    ("response", "right"),
    [(LONG, OPEN), (f"[-{LONG}]", OPEN), (DEEP, OPEN), (f'{{"a": {LONG}', WRONG), (f"[{LONG}, NaN]", WRONG), (f"{LONG}.5", RIGHT)],
)
def test_json_beyond_what_is_read_is_open_and_what_is_none_is_wrong(response: str, right: bool | None) -> None:
    assert check("json_schema", response, schema={}).right is right


def test_what_is_wrong_with_json_is_told_with_its_place() -> None:
    assert check("json_schema", '{"name": "Ana", "age": -1}', schema=PERSON).note == "not valid at age: -1 is less than the minimum of 0"


_VALUES = st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3), max_leaves=6)  # fmt: skip


@given(
    _VALUES,
    st.sampled_from([PERSON, {"type": "array", "maxItems": 2}, {"enum": [1, "a", None]}, {"patternProperties": {"^a": {"type": "null"}}}]),
)
def test_a_schema_holds_as_jsonschema_says(value: Any, schema: dict[str, Any]) -> None:
    assert check("json_schema", json.dumps(value), schema=schema).right is jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("name", "set_", "told"),
    [
        ("json_schema", {"schema": {"type": "objekt"}}, "no JSON Schema at type"),
        ("json_schema", {"schema": {"$ref": "https://example.org/person.json"}}, "nothing is fetched"),
        ("json_schema", {"schema": {"pattern": "("}}, "no JSON Schema at pattern"),
        ("json_schema", {}, "schema: Field required"),
        ("pattern", {"pattern": "("}, "no regular expression"),
        ("number", {"tolerance": -1}, "tolerance"),
        ("number", {"decimal": ";"}, "decimal"),
        ("exact", {"normalize": True}, "normalize"),
        ("gsm8k", {"tolerance": 1}, "tolerance"),
        ("ifeval", {"constraints": []}, "constraints"),
        ("ifeval", {"constraints": [{"name": "max_word", "arguments": {"words": 5}}]}, "did you mean 'max_words'?"),
        ("ifeval", {"constraints": [{"name": "max_words", "arguments": {"word": 5}}]}, "the arguments of max_words"),
        ("python_tests", {"entry": "not a name"}, "the name of a function"),
        ("python_tests", {"tests": ["f(2) is four"]}, "holds no test"),
        ("arithmetic", {"tolerance": 1}, "tolerance"),
    ],
)
def test_settings_at_fault_are_told(name: str, set_: dict[str, Any], told: str) -> None:
    with pytest.raises(FactoryError, match="Mend `factory") as error:
        verify(name, "q", "a", settings=json.dumps(set_))
    assert told in str(error.value)
