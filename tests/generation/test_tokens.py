"""Counting tokens without a tokenizer: by script, and never less for more text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factory.generation.chat import Message
from factory.generation.tokens import estimate_prompt, estimate_tokens


def test_each_script_has_its_own_measure() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("abc" * 10) == 10
    assert estimate_tokens("где" * 10) == estimate_tokens("كتب" * 10) == 20
    assert {estimate_tokens(text * 10) for text in ("東京都", "한국어", "हिन", "éàü")} == {30}
    assert estimate_tokens("abc東京") == 3


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one: str, more: str) -> None:
    both = estimate_tokens(one + more)
    assert max(estimate_tokens(one), estimate_tokens(more)) <= both <= estimate_tokens(one) + estimate_tokens(more)
    assert both <= len(one + more)


def test_a_message_costs_more_than_its_text() -> None:
    short = (Message("user", "Add 1 and 2."),)
    assert estimate_prompt(short) > estimate_tokens("Add 1 and 2.")
    assert estimate_prompt((Message("system", ""), *short)) > estimate_prompt(short)
