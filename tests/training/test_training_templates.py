"""The mask of ChatML, Llama 3 and Mistral, token by token, against one found in the rendered text by the places of characters."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from chat_families import FAMILIES, build_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_student import make_records, write_records
from transformers import AutoTokenizer

from factory.faults import FactoryError
from factory.records import TURNS
from factory.training import train_phase
from factory.training.data import encode_dialogue, encode_records
from factory.training.pairs import encode_pairs
from factory.training_spec import PhaseSpec

USER, RESPONSE = "What is 47 + 85?", "47 + 85 = 132"
EXCHANGE = [{"role": "user", "content": USER}, {"role": "assistant", "content": RESPONSE}]
DIALOGUE = [
    *EXCHANGE,
    {"role": "user", "content": "And half?\nIn words."},
    {"role": "assistant", "content": "Sixty-six:\n\n- six tens\n- six (6)"},
    {"role": "user", "content": "Thanks"},
    {"role": "assistant", "content": "É com prazer. 乐意"},
]
SYSTEM = {"role": "system", "content": "Answer with care."}
BY_FAMILY = pytest.mark.parametrize("name", FAMILIES)


def check(name: str, messages: list[dict[str, str]]) -> None:
    """Tokens and mask of a dialogue are those of the reference."""
    family, tokenizer = FAMILIES[name], build_tokenizer(name)
    row = encode_dialogue(tokenizer, messages)
    assert row is not None
    ids, inside = family.expect(tokenizer, messages)
    words = tokenizer.convert_ids_to_tokens(list(ids))
    assert tokenizer.convert_ids_to_tokens(list(row.ids)) == words
    assert list(zip(words, row.trained, strict=True)) == list(zip(words, inside, strict=True))


@BY_FAMILY
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_mask_is_each_answer_with_the_end_of_its_turn(name: str, turns: int) -> None:
    messages = DIALOGUE[: 2 * turns]
    check(name, messages)
    row = encode_dialogue(build_tokenizer(name), messages)
    assert row is not None
    end = build_tokenizer(name).eos_token_id
    assert sum(token == end and trained for token, trained in zip(row.ids, row.trained, strict=True)) == turns


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.takes_system])
@pytest.mark.parametrize("turns", [1, 2])
def test_a_system_message_is_read_and_not_trained(name: str, turns: int) -> None:
    check(name, [SYSTEM, *DIALOGUE[: 2 * turns]])


@BY_FAMILY
def test_a_dialogue_begins_with_one_bos_though_the_tokenizer_writes_one_by_itself(name: str) -> None:
    tokenizer = build_tokenizer(name)
    row = encode_dialogue(tokenizer, DIALOGUE)
    assert row is not None
    if tokenizer.bos_token is None:
        return
    assert tokenizer("text")["input_ids"][0] == tokenizer.bos_token_id
    assert row.ids[0] == tokenizer.bos_token_id and row.ids.count(tokenizer.bos_token_id) == 1 and not row.trained[0]


@BY_FAMILY
def test_what_is_not_trained_before_an_answer_is_what_the_model_is_asked(name: str) -> None:
    tokenizer = build_tokenizer(name)
    row = encode_dialogue(tokenizer, DIALOGUE)
    assert row is not None
    starts = [place for place in range(1, len(row.ids)) if row.trained[place] and not row.trained[place - 1]]
    for start, turns in zip(starts, (1, 3, 5), strict=True):
        prompt = tokenizer.apply_chat_template(DIALOGUE[:turns], add_generation_prompt=True)["input_ids"]
        assert row.ids[:start] == tuple(prompt)


@settings(max_examples=40)
@given(responses=st.lists(st.text("aZ7é語 .,()[]<>/|'\n\t-", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=3))
@BY_FAMILY
def test_any_answer_is_masked_right_or_left_out(name: str, responses: list[str]) -> None:
    messages = [
        message for response in responses for message in ({"role": "user", "content": USER}, {"role": "assistant", "content": response})
    ]
    if encode_dialogue(build_tokenizer(name), messages) is not None:
        check(name, messages)


def test_answers_that_melt_into_the_prompt_are_counted() -> None:
    """Mistral 7B v0.1 writes nothing between `[/INST]` and the answer, and `](` is one token."""
    tokenizer = build_tokenizer("mistral_1")
    assert "](" in tokenizer.get_vocab()
    encoded = encode_records(tokenizer, make_records([(USER, None, "(132)"), (USER, None, RESPONSE)]), 128)
    assert (len(encoded.rows), encoded.left_out) == (1, {"prompt_not_kept": 1})


def test_an_answer_that_the_template_writes_otherwise_once_it_is_past_is_counted() -> None:
    """As templates do that take out an earlier turn's thoughts."""
    tokenizer = copy.deepcopy(build_tokenizer("chatml"))
    shortened = "message['content'][: none if loop.last or message['role'] == 'user' else 9]"
    tokenizer.chat_template = tokenizer.chat_template.replace("message['content']", shortened)
    records = make_records([(USER, None, RESPONSE)] * 2).with_columns(pl.Series("turns", [DIALOGUE[:2], DIALOGUE[:4]], dtype=TURNS))
    assert encode_records(tokenizer, records, 200).left_out == {"prompt_not_kept": 1}


def test_spaces_around_an_answer_are_trained_as_the_template_writes_them() -> None:
    padded = [{"role": "user", "content": USER}, {"role": "assistant", "content": "  132  "}]
    bare = [padded[0], {"role": "assistant", "content": "132"}]
    for name in ("llama_3", "mistral_3"):
        assert encode_dialogue(build_tokenizer(name), padded) == encode_dialogue(build_tokenizer(name), bare)
    check("chatml", padded)


def test_a_system_message_that_a_template_refuses_or_drops_is_never_trained_without() -> None:
    records = make_records([(USER, None, RESPONSE)]).with_columns(pl.Series("turns", [[SYSTEM, *EXCHANGE]], dtype=TURNS))
    with pytest.raises(FactoryError, match="record r0000: the student's chat template refuses it: Conversation roles must alternate"):
        encode_records(build_tokenizer("mistral_1"), records, 128)
    # Version 3 writes it only before a user's message that is the last, so what would be trained is not what is asked.
    assert encode_records(build_tokenizer("mistral_3"), records, 128).left_out == {"prompt_not_kept": 1}


@BY_FAMILY
def test_a_pair_is_cut_where_a_record_is(name: str) -> None:
    sides = {side: [{"role": "assistant", "content": content}] for side, content in (("chosen", RESPONSE), ("rejected", "132 it is"))}
    pairs = pl.DataFrame([{"record_id": "p0", "prompt": DIALOGUE[:3], "margin": 1.0, **sides}], schema_overrides={"prompt": TURNS})
    (pair,), left_out = encode_pairs(build_tokenizer(name), pairs, 200)
    assert left_out == {}
    for side in ("chosen", "rejected"):
        ids, inside = FAMILIES[name].expect(build_tokenizer(name), [*DIALOGUE[:3], *sides[side]])
        start = len(pair.prompt)
        assert pair.prompt + getattr(pair, side) == ids[: start + len(getattr(pair, side))]
        assert getattr(pair, side) == tuple(token for token, trained in zip(ids[start:], inside[start:], strict=True) if trained)


@pytest.mark.parametrize("written", ["{{ m.content }}\n", "{% generation %}{{ m.content }}{% endgeneration %}<|end|>"])
def test_a_student_whose_template_ends_no_turn_is_refused(written: str, student: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(student, tmp_path / "base"))
    turn = "{% if m.role == 'user' %}<|user|>{{ m.content }}{% else %}<|assistant|>" + written + "{% endif %}"
    asked = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    (base / "chat_template.jinja").write_text("{% for m in messages %}" + turn + "{% endfor %}" + asked)
    with pytest.raises(FactoryError, match=r"no control token ends an assistant's turn .*EOS token .*chat_template\.jinja"):
        train_phase(PhaseSpec(name="sft", epochs=1), write_records(3), str(base), tmp_path / "work", 0)


def test_a_student_of_another_end_stops_where_its_template_ends_a_turn(student: Path, tmp_path: Path) -> None:
    """As Qwen2.5's base: its EOS ends a text, its template ends a turn with another token."""
    base = shutil.copytree(student, tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = FAMILIES["chatml"].template.replace("<|im_start|>", "<|user|>").replace("<|im_end|>", "<|assistant|>")
    tokenizer.save_pretrained(base)
    phase = PhaseSpec(name="sft", epochs=1, batch_size=6)
    for origin, folder in ((student, tmp_path / "same"), (base, tmp_path / "other")):
        trained = train_phase(phase, write_records(6), str(origin), folder, 0)
        ends = json.loads((trained.folder / "generation_config.json").read_text())["eos_token_id"]
        eos, turn = (tokenizer.convert_tokens_to_ids(token) for token in ("<|end|>", "<|assistant|>"))
        assert ends == (eos if origin is student else [eos, turn])
