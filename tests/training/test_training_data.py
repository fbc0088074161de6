"""Which tokens are trained on, what is left out, and in what order rows come."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_student import make_records
from transformers import AutoTokenizer

from factory.faults import FactoryError
from factory.records import TURNS
from factory.training.data import TokenRow, encode_dialogue, encode_records
from factory.tuning.order import plan_order

USER, RESPONSE = "What is 47 + 85?", "47 + 85 = 132"
EXCHANGE = [{"role": "user", "content": USER}, {"role": "assistant", "content": RESPONSE}]
DIALOGUE = [*EXCHANGE, {"role": "user", "content": "And half?"}, {"role": "assistant", "content": "66"}]
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
MARKED_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(scope="session")
def tokenizer(student: Path) -> Any:
    return AutoTokenizer.from_pretrained(student)


@pytest.fixture(scope="session")
def chatml(tokenizer: Any) -> Any:
    """The same vocabulary, with the control tokens and the template of ChatML, which marks nothing."""
    other = copy.deepcopy(tokenizer)
    other.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    other.chat_template = CHATML
    return other


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def expect(tokenizer: Any, *parts: tuple[str, bool]) -> list[tuple[str, bool]]:
    """Each token of each part, with whether it is trained on: written by hand from what the template should say."""
    return [(token, trained) for text, trained in parts for token in tokenizer.convert_ids_to_tokens(plain_ids(tokenizer, text))]


def seen(tokenizer: Any) -> list[tuple[str, bool]]:
    row = encode_dialogue(tokenizer, EXCHANGE)
    assert row is not None
    return list(zip(tokenizer.convert_ids_to_tokens(row.ids), row.trained, strict=True))


def test_pico_template_trains_answer_and_end_of_turn(tokenizer: Any) -> None:
    prompt = f"<|user|>{USER}<|end|><|assistant|>"
    assert seen(tokenizer) == expect(tokenizer, (prompt, False), (RESPONSE, True), ("<|end|>", True))


def test_template_without_markers_trains_what_follows_the_prompt(chatml: Any) -> None:
    prompt = f"<|im_start|>user\n{USER}<|im_end|>\n<|im_start|>assistant\n"
    assert seen(chatml) == expect(chatml, (prompt, False), (RESPONSE, True), ("<|im_end|>", True), ("\n", False))


def test_marked_template_trains_no_more_than_is_marked(chatml: Any) -> None:
    marked = copy.deepcopy(chatml)
    marked.chat_template = MARKED_CHATML
    prompt = f"<|im_start|>user\n{USER}<|im_end|>\n<|im_start|>assistant\n"
    assert seen(marked) == expect(marked, (prompt, False), (RESPONSE, True), ("<|im_end|>", True), ("\n", False))


def test_every_answer_of_a_dialogue_is_trained(tokenizer: Any, chatml: Any) -> None:
    for known, answer_end in ((tokenizer, "<|end|>"), (chatml, "<|im_end|>")):
        row = encode_dialogue(known, DIALOGUE)
        assert row is not None
        texts = ["".join(known.convert_ids_to_tokens(list(part))) for part in split_trained(row)]
        wanted = [known.convert_ids_to_tokens(plain_ids(known, text + answer_end)) for text in (RESPONSE, "66")]
        assert texts == ["".join(tokens) for tokens in wanted]
    marked = copy.deepcopy(chatml)
    marked.chat_template = MARKED_CHATML
    row = encode_dialogue(marked, DIALOGUE)
    assert row is not None
    assert [marked.decode(part) for part in split_trained(row)] == [f"{RESPONSE}<|im_end|>", "66<|im_end|>"]


def split_trained(row: TokenRow) -> list[tuple[int, ...]]:
    """The runs of tokens that are trained on."""
    pairs = groupby(zip(row.ids, row.trained, strict=True), key=lambda pair: pair[1])
    return [tuple(token for token, _ in run) for trained, run in pairs if trained]


def test_a_record_of_several_turns_is_encoded_whole_with_its_context_first(tokenizer: Any) -> None:
    records = make_records([(USER, "Two numbers.", "66")]).with_columns(pl.Series("turns", [DIALOGUE], dtype=TURNS))
    encoded = encode_records(tokenizer, records, 200)
    grounded = [{"role": "user", "content": f"Two numbers.\n\n{USER}"}, *DIALOGUE[1:]]
    assert encoded.rows == (encode_dialogue(tokenizer, grounded),)
    spoken = [*DIALOGUE[:1], {"role": "assistant", "content": "<|end|>"}, *DIALOGUE[2:]]
    assert encode_records(tokenizer, records.with_columns(pl.Series("turns", [spoken], dtype=TURNS)), 200).left_out == {"control_token": 1}


@pytest.mark.parametrize("kind", ["tokenizer", "chatml"])
def test_what_comes_before_the_answer_is_the_prompt_of_inference(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    row = encode_dialogue(tokenizer, EXCHANGE)
    assert row is not None
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": USER}], add_generation_prompt=True)["input_ids"]
    assert list(row.ids[: row.trained.index(True)]) == list(prompt)


def test_context_stands_before_the_instruction(tokenizer: Any) -> None:
    encoded = encode_records(tokenizer, make_records([("Sort: b, a", "Two letters.", "a, b")]), 128)
    assert tokenizer.decode(encoded.rows[0].ids) == "<|user|>Two letters.\n\nSort: b, a<|end|><|assistant|>a, b<|end|>"


def test_left_out_records_are_counted_by_reason(tokenizer: Any) -> None:
    whole = encode_dialogue(tokenizer, EXCHANGE)
    assert whole is not None
    records = make_records(
        [
            (USER, None, RESPONSE),
            (USER, None, RESPONSE + "1"),
            ("  ", None, RESPONSE),
            (USER, None, "\n"),
            (USER, None, "132<|end|>"),
            ("Say <|assistant|> twice", None, RESPONSE),
            (USER, "Read <|pad|> this.", RESPONSE),
        ]
    )
    encoded = encode_records(tokenizer, records, len(whole.ids))
    assert encoded.rows == (whole,)
    assert encoded.left_out == {"control_token": 3, "empty_instruction": 1, "empty_response": 1, "too_long": 1}


def test_prompt_that_the_answer_changes_is_left_out(tokenizer: Any) -> None:
    other = copy.deepcopy(tokenizer)
    other.chat_template = "{{ messages|length }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    assert encode_records(other, make_records([(USER, None, RESPONSE)]), 128).left_out == {"prompt_not_kept": 1}


@pytest.mark.parametrize("template", [CHATML, MARKED_CHATML])
def test_prompt_that_an_answer_does_not_follow_is_left_out_whether_marked_or_not(template: str, chatml: Any) -> None:
    """The model is asked with more than is written before what it learns."""
    other = copy.deepcopy(chatml)
    other.chat_template = template.replace("assistant\\n' }}{% endif", "assistant\\nPlan: ' }}{% endif")
    assert other.chat_template != template
    assert encode_records(other, make_records([(USER, None, RESPONSE)]), 128).left_out == {"prompt_not_kept": 1}


def test_template_that_marks_nothing_of_an_answer_is_counted(tokenizer: Any) -> None:
    other = copy.deepcopy(tokenizer)
    other.chat_template = (
        "{% for message in messages %}{% if message['role'] == 'tool' %}{% generation %}{{ message['content'] }}{% endgeneration %}"
        "{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
    )
    assert encode_records(other, make_records([(USER, None, RESPONSE)]), 128).left_out == {"no_trained_tokens": 1}


def test_template_that_refuses_names_the_record(tokenizer: Any) -> None:
    other = copy.deepcopy(tokenizer)
    other.chat_template = "{{ raise_exception('system turn first') }}"
    with pytest.raises(FactoryError, match=r"record r0000: .* system turn first"):
        encode_records(other, make_records([(USER, None, RESPONSE)]), 128)


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=70),
    epochs=st.floats(0.1, 4),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 2**31 - 1),
)
def test_each_epoch_meets_each_row_once(lengths: list[int], epochs: float, batch_size: int, seed: int) -> None:
    order = plan_order(lengths, epochs, batch_size, seed)
    assert len(order) == max(1, round(epochs * len(lengths)))
    times = Counter(order)
    assert set(times) <= set(range(len(lengths)))
    assert all(
        count in {len(order) // len(lengths), -(-len(order) // len(lengths))} for count in (times[row] for row in range(len(lengths)))
    )
    assert order == plan_order(lengths, epochs, batch_size, seed)


def test_no_batch_holds_a_row_twice_within_an_epoch() -> None:
    order = plan_order([5] * 64, 3, 8, seed=1)
    batches = [order[start : start + 8] for start in range(0, len(order), 8)]
    assert all(len(set(batch)) == 8 for batch in batches)


def test_batches_are_of_like_length_and_in_a_seeded_order() -> None:
    lengths = [10 + 7 * (index % 30) for index in range(480)]
    order = plan_order(lengths, 1, 16, seed=3)
    batches = [[lengths[row] for row in order[start : start + 16]] for start in range(0, 480, 16)]
    padded = sum(16 * max(batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    longest = [max(batch) for batch in batches]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)
    assert order != plan_order(lengths, 1, 16, seed=4)


def test_nothing_to_order_is_no_order() -> None:
    assert plan_order([], 4, 16, seed=0) == []
