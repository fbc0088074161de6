"""Redaction: placeholders that are the same for the same value in a record, nothing left to find, and no type that another policy has."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from factory.personal_data.find import find
from factory.personal_data.records import list_types, redact, redact_record
from factory.personal_data.spec import PersonalDataSpec

PIECES = (
    "Call +62 812 3456 7890 now.",
    "NIK 3174096112900001",
    "SSN 460-89-9847,",
    "ana@mail.com",
    "card 4111 1111 1111 1111",
    "IBAN GB82WEST12345698765432",
    "nothing here",
    "47 + 85 = 132",
    "<EMAIL_ADDRESS_1>",
    "\n",
)


def redacting(**spec: Any) -> PersonalDataSpec:
    return PersonalDataSpec.model_validate({"policy": "redact"} | spec)


def test_the_same_value_is_the_same_placeholder_in_all_fields_however_it_is_written() -> None:
    record = {
        "instruction": "Is 4111 1111 1111 1111 a card of ana@mail.com?",
        "context": None,
        "response": "Card 4111-1111-1111-1111 is eva@mail.com's, and not of ana@mail.com.",
        "turns": None,
        "seed": 7,
    }
    redacted, counts = redact_record(record, "en", redacting())
    assert redacted["instruction"] == "Is <CREDIT_CARD_1> a card of <EMAIL_ADDRESS_1>?"
    assert redacted["response"] == "Card <CREDIT_CARD_1> is <EMAIL_ADDRESS_2>'s, and not of <EMAIL_ADDRESS_1>."
    assert counts == {"CREDIT_CARD": 2, "EMAIL_ADDRESS": 3}
    assert (redacted["context"], redacted["turns"], redacted["seed"]) == (None, None, 7)
    plain, _ = redact_record(record, "en", redacting(placeholder="type"))
    assert plain["instruction"] == "Is <CREDIT_CARD> a card of <EMAIL_ADDRESS>?"


def test_the_messages_of_a_dialogue_are_redacted_as_its_instruction_and_response_are() -> None:
    said = ["My mail is ana@mail.com.", "And your phone?", "+62 812 3456 7890", "Thanks, ana@mail.com."]
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    record = {"instruction": said[0], "response": said[-1], "turns": turns}
    redacted, _ = redact_record(record, None, redacting())
    contents = [turn["content"] for turn in redacted["turns"]]
    assert contents == ["My mail is <EMAIL_ADDRESS_1>.", "And your phone?", "<PHONE_NUMBER_1>", "Thanks, <EMAIL_ADDRESS_1>."]
    assert (redacted["instruction"], redacted["response"]) == (contents[0], contents[-1])
    assert [turn["role"] for turn in redacted["turns"]] == ["user", "assistant", "user", "assistant"]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
@settings(max_examples=40, deadline=None)
def test_after_redaction_nothing_is_found_and_redacting_again_changes_nothing(pieces: list[str]) -> None:
    text = " ".join(pieces)
    redacted = redact(text)
    assert find(redacted) == ()
    assert redact(redacted) == redacted
    assert not any(value in redacted for value in ("ana@", "9847", "4111", "WEST", "7890", "317409"))


def test_each_type_may_have_its_own_policy() -> None:
    spec = redacting(policies={"EMAIL_ADDRESS": "refuse", "PHONE_NUMBER": "report"})
    record = {"record_id": "a", "instruction": "ana@mail.com, +62 812 3456 7890, SSN 460-89-9847", "context": None, "response": None}
    redacted, counts = redact_record(record, "en", spec)
    assert redacted["instruction"] == "ana@mail.com, +62 812 3456 7890, SSN <US_SSN_1>"
    assert counts == {"US_SSN": 1}
    assert list_types(pl.DataFrame([record]), spec, ("instruction",)) == {"a": ["EMAIL_ADDRESS"]}
    assert list_types(pl.DataFrame([record]), PersonalDataSpec(), ("instruction",)) == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"types": {"EMAIL": 0.5}}, "no type 'EMAIL'; nearest: EMAIL_ADDRESS"),
        ({"policies": {"PESEL": "redact"}}, "no type 'PESEL'; nearest: PL_PESEL"),
        ({"types": {"PERSON": 0.5}}, "only a model finds PERSON: give names"),
        ({"types": {"US_SSN": 1.5}}, "less than or equal to 1"),
        ({"policy": "hide"}, "'report', 'refuse' or 'redact'"),
        ({"names": [{"model": "a/b", "labels": {"X": "NAME"}}]}, "no type 'NAME'"),
    ],
)
def test_a_wrong_section_is_refused_with_what_is_right(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PersonalDataSpec.model_validate(given)
