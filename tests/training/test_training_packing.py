"""Packing: every record once an epoch, none of which sees another, and the same student as of padded rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_tiny_model
from tiny_student import CONTEXT_TOKENS, write_records
from transformers import AutoTokenizer, GPT2LMHeadModel, LlamaForCausalLM, MambaForCausalLM, MistralForCausalLM, OPTForCausalLM

from factory.faults import FactoryError
from factory.training import train_phase
from factory.training.data import IGNORED, TokenRow, encode_records
from factory.training.packing import WINDOW_RECORDS, check_packing, make_packed_collator, pack_rows
from factory.training.phase_run import make_collator
from factory.training_spec import PhaseSpec

RECORDS = write_records(24)
NO_DROPOUT = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "rotary": (LlamaForCausalLM, {}),
    "window": (MistralForCausalLM, {"num_key_value_heads": 2, "sliding_window": 12}),
    "learnt": (GPT2LMHeadModel, {"n_embd": 16, "n_head": 2, "n_layer": 2, "n_positions": CONTEXT_TOKENS} | NO_DROPOUT),
}


def save(model_class: Any, settings: dict[str, Any], student: Path, folder: Path) -> Path:
    """A tiny model of another family, with the tokenizer of `student`."""
    tokenizer = AutoTokenizer.from_pretrained(student)
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    make_tiny_model(model_class, tokenizer, CONTEXT_TOKENS, **settings, **ends).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def phase(**settings: object) -> PhaseSpec:
    given = {"name": "sft", "epochs": 1, "batch_size": 64, "learning_rate": 1e-3, "warmup_ratio": 0, "max_length": CONTEXT_TOKENS}
    return PhaseSpec.model_validate(given | settings)


@given(
    lengths=st.lists(st.integers(1, 32), min_size=1, max_size=60),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_each_epoch_keeps_its_records_in_rows_that_could_not_be_fewer_by_joining_two(lengths: list[int], epochs: int, seed: int) -> None:
    records = [TokenRow((number,) * length, (True,) * length) for number, length in enumerate(lengths)]
    packed = pack_rows(records * epochs, len(records), 32, seed)
    assert packed == pack_rows(records * epochs, len(records), 32, seed)
    assert Counter(record for row in packed for record in row) == Counter(records * epochs)
    met: Counter[TokenRow] = Counter()
    for row in packed:
        assert sum(len(record.ids) for record in row) <= 32
        met.update(row)
        assert max(met.values()) - min(met[record] for record in records) <= 1, "an epoch ends before the next begins"
    one = [sum(len(record.ids) for record in row) for row in pack_rows(records, len(records), 32, seed)]
    assert all(left + right > 32 for place, left in enumerate(one) for right in one[:place])


def test_a_long_epoch_is_packed_in_windows() -> None:
    records = [TokenRow((number,) * (1 + number % 7), (True,) * (1 + number % 7)) for number in range(WINDOW_RECORDS + 5)]
    packed = pack_rows(records, len(records), 16, 0)
    assert Counter(record for row in packed for record in row) == Counter(records)
    last = {record for row in packed[-3:] for record in row}
    assert set(records[WINDOW_RECORDS:]) <= last


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_record_has_the_logits_that_it_has_alone(family: str, student: Path) -> None:
    model_class, settings = FAMILIES[family]
    tokenizer = AutoTokenizer.from_pretrained(student)
    model = make_tiny_model(model_class, tokenizer, CONTEXT_TOKENS, **settings).eval()
    rows = pack_rows(encode_records(tokenizer, RECORDS, CONTEXT_TOKENS).rows, len(RECORDS), CONTEXT_TOKENS, 0)
    batch = make_packed_collator(tokenizer)(rows)
    with torch.inference_mode():
        logits = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        for row, packed in zip(rows, logits, strict=True):
            assert len(row) > 1
            start = 0
            for record in row:
                alone = model(torch.tensor([record.ids])).logits[0]
                torch.testing.assert_close(packed[start : start + len(record.ids)], alone, atol=1e-4, rtol=1e-4)
                start += len(record.ids)


def test_the_first_token_of_a_record_is_predicted_from_none_and_padding_from_nothing(student: Path) -> None:
    first, second = TokenRow((5, 6, 7), (True, False, True)), TokenRow((8, 9), (True, True))
    batch = make_packed_collator(AutoTokenizer.from_pretrained(student))([(first, second), (second,)])
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, 7, IGNORED, 9], [IGNORED, 9, *[IGNORED] * 3]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 0, 1, 2]]


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_have_the_gradient_of_padded_ones(family: str, student: Path) -> None:
    model_class, settings = FAMILIES[family]
    tokenizer = AutoTokenizer.from_pretrained(student)
    records = encode_records(tokenizer, RECORDS, CONTEXT_TOKENS).rows
    packed = make_packed_collator(tokenizer)(pack_rows(records, len(records), CONTEXT_TOKENS, 0))
    seen = []
    for batch in (packed, make_collator(tokenizer)(records)):
        model = make_tiny_model(model_class, tokenizer, CONTEXT_TOKENS, **settings, initializer_range=0.1)
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        seen.append((loss.detach(), {name: weight.grad for name, weight in model.named_parameters()}))
    (loss, gradients), (padded_loss, padded_gradients) = seen
    torch.testing.assert_close(loss, padded_loss)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, padded_gradients[name], atol=1e-5, rtol=1e-3)


def test_a_phase_reads_the_same_records_in_fewer_rows(student: Path, tmp_path: Path) -> None:
    padded, packed = (train_phase(phase(packing=on), RECORDS, str(student), tmp_path / str(on), 0) for on in (False, True))
    assert (packed.records, packed.tokens, packed.left_out) == (padded.records, padded.tokens, padded.left_out)
    assert (padded.steps, packed.steps) == (1, 1)
    assert packed.losses[0][1] == pytest.approx(padded.losses[0][1], rel=1e-5)
    by_tokens = phase(packing=True, batch_size=1, epochs=None, tokens=2 * packed.tokens)
    rows = -(-packed.tokens // CONTEXT_TOKENS)
    steps = train_phase(by_tokens, RECORDS, str(student), tmp_path / "tokens", 0).steps
    assert 2 * rows <= steps <= 2 * rows + 2 < len(RECORDS)


@pytest.mark.parametrize(
    ("model_class", "settings"),
    [(MambaForCausalLM, {"state_size": 4}), (OPTForCausalLM, {"ffn_dim": 32, "word_embed_proj_dim": 16})],
    ids=["carries a state on", "takes positions, but sees all of a row"],
)
def test_a_student_that_cannot_keep_records_apart_is_refused(
    model_class: Any, settings: dict[str, Any], student: Path, tmp_path: Path
) -> None:
    base = save(model_class, settings, student, tmp_path / "base")
    with pytest.raises(
        FactoryError, match=rf"phase 'sft': packing is on, .* \({model_class.__name__}\) does not keep .* Leave `packing` out"
    ):
        train_phase(phase(packing=True), RECORDS, str(base), tmp_path / "work", 0)


def test_weights_as_small_as_new_ones_do_not_hide_what_is_seen(student: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(student)
    row = encode_records(tokenizer, RECORDS, CONTEXT_TOKENS).rows[0]
    for model_class, apart in ((LlamaForCausalLM, True), (OPTForCausalLM, False)):
        settings = {"ffn_dim": 32, "word_embed_proj_dim": 16, "initializer_range": 0.002}
        model = make_tiny_model(model_class, tokenizer, CONTEXT_TOKENS, **settings).eval()
        try:
            check_packing("phase 'a'", model, make_packed_collator(tokenizer), row)
        except FactoryError:
            assert not apart
        else:
            assert apart
