"""Preference phases: the loss against its formula and its limits, which pairs are read, and what a model prefers afterwards."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_student import write_records
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.faults import FactoryError
from factory.records import PREFERENCE, SEED, VERDICT, empty
from factory.reward_spec import ContaminationSpec
from factory.training import PairData, TrainedPhase, choose_pairs, read_trained_on, train_preference
from factory.training.preference import rpo_loss
from factory.training_spec import Bounds, DataSpec, PhaseSpec
from factory.validation.evidence import Evidence

NUMBERS = st.floats(-15, 15)


def make_pairs(*rows: tuple[str, str, str, float | None], leaf: str = "compositional_skills/words") -> pl.DataFrame:
    """Pairs of (instruction, chosen, rejected, margin)."""
    made = [
        {
            "record_id": f"p{number:03}",
            "leaf": leaf,
            "language": "en",
            "prompt": [{"role": "user", "content": instruction}],
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
            "margin": margin,
            "chosen_id": f"c{number:03}",
            "rejected_id": f"r{number:03}",
        }
        for number, (instruction, chosen, rejected, margin) in enumerate(rows)
    ]
    return pl.DataFrame(made, schema_overrides=PREFERENCE)


WRITTEN = write_records(20).select("instruction", "response").rows()
PAIRS = make_pairs(*((asked, right, f"No {number}.", 2.0) for number, (asked, right) in enumerate(WRITTEN)))


def phase(method: str, **settings: object) -> PhaseSpec:
    given = {"name": "prefer", "method": method, "epochs": 4, "batch_size": 5, "save_steps": 4, "learning_rate": 5e-3}
    return PhaseSpec.model_validate(given | settings)


def train(method: str, student: Path, folder: Path, **settings: object) -> TrainedPhase:
    return train_preference(phase(method, **settings), PAIRS, str(student), folder, 0)


def margin(folder: Path) -> float:
    """Mean difference in nats of the two responses' log-likelihoods, one dialogue at a time."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)

    def measure(asked: str, response: str) -> float:
        prompt, answer = (tokenizer(text)["input_ids"] for text in (f"<|user|>{asked}<|end|><|assistant|>", f"{response}<|end|>"))
        with torch.inference_mode():
            logs = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        return float(logs[range(len(answer)), answer].sum())

    apart = [measure(asked, right) - measure(asked, f"No {number}.") for number, (asked, right) in enumerate(WRITTEN)]
    return sum(apart) / len(apart)


@given(p=NUMBERS, t=NUMBERS)
def test_rpo_is_the_divergence_of_the_two_coins(p: float, t: float) -> None:
    expected = torch.distributions.kl_divergence(
        torch.distributions.Bernoulli(logits=torch.tensor(t, dtype=torch.float64)),
        torch.distributions.Bernoulli(logits=torch.tensor(p, dtype=torch.float64)),
    )
    loss = rpo_loss(torch.tensor([p], dtype=torch.float64), torch.tensor([t], dtype=torch.float64))
    assert float(loss[0]) == pytest.approx(float(expected), rel=1e-6, abs=1e-12)


@given(t=NUMBERS)
def test_rpo_is_zero_and_flat_where_the_reward_is_met(t: float) -> None:
    p = torch.tensor([t], dtype=torch.float64, requires_grad=True)
    loss = rpo_loss(p, torch.tensor([t], dtype=torch.float64))
    loss.sum().backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    assert p.grad is not None and float(p.grad) == pytest.approx(0, abs=1e-12)


@given(p=NUMBERS)
def test_rpo_of_a_boundless_reward_is_dpo(p: float) -> None:
    wide = torch.tensor([p], dtype=torch.float64)
    assert float(rpo_loss(wide, torch.tensor([1e4], dtype=torch.float64))) == pytest.approx(float(-logsigmoid(wide)), rel=1e-9)


@pytest.mark.parametrize("method", ["dpo", "rpo"])
def test_a_student_prefers_the_chosen_more_than_before(method: str, student: Path, tmp_path: Path) -> None:
    trained = train(method, student, tmp_path)
    assert trained.margins is not None
    assert [margin(student), margin(trained.folder)] == pytest.approx(trained.margins, rel=1e-4)
    assert trained.margins[1] > trained.margins[0] + 1
    assert (trained.records, trained.steps, trained.left_out) == (20, 16, {})
    assert train(method, student, tmp_path) == trained


def test_both_sides_of_the_pairs_that_were_read_are_kept_and_of_those_left_out_neither(student: Path, tmp_path: Path) -> None:
    longer = make_pairs(("Say", "apple " * 200, "no", 2.0)).with_columns(
        record_id=pl.lit("p9"), chosen_id=pl.lit("c9"), rejected_id=pl.lit("r9")
    )
    pairs = pl.concat([PAIRS.head(6), longer])
    whole, half = (train_preference(phase("rpo", epochs=epochs), pairs, str(student), tmp_path / str(epochs), 0) for epochs in (1, 0.5))
    kept = read_trained_on(whole.folder)
    assert kept is not None and whole.left_out == {"too_long": 1}
    assert kept.rows() == [(f"{role[0]}{number:03}", role) for role in ("chosen", "rejected") for number in range(6)]
    part = read_trained_on(half.folder)
    assert part is not None and set(part.rows()) < set(kept.rows()) and part.height == 6


def test_activations_may_be_computed_twice(student: Path, tmp_path: Path) -> None:
    kept, twice = (train("dpo", student, tmp_path / str(flag), epochs=1, gradient_checkpointing=flag) for flag in (False, True))
    assert [loss for _, loss in twice.losses] == pytest.approx([loss for _, loss in kept.losses], rel=1e-4)


def test_rpo_of_a_boundless_reward_trains_as_trls_dpo(student: Path, tmp_path: Path) -> None:
    dpo = train("dpo", student, tmp_path / "dpo", preference={"sft_weight": 0.3})
    rpo = train("rpo", student, tmp_path / "rpo", preference={"sft_weight": 0.3, "eta": 1e4})
    for name, tensor in load_file(dpo.folder / "model.safetensors").items():
        assert torch.allclose(tensor, load_file(rpo.folder / "model.safetensors")[name], atol=2e-3), name
    assert [loss for _, loss in rpo.losses] == pytest.approx([loss for _, loss in dpo.losses], rel=2e-3)


@pytest.mark.parametrize("method", ["dpo", "rpo"])
def test_accumulated_batches_make_the_step_of_one_whole_batch(method: str, student: Path, tmp_path: Path) -> None:
    """The third step has a batch of three pairs and one of a single pair."""
    settings: dict[str, object] = {"epochs": 0.8, "learning_rate": 1e-3, "warmup_ratio": 0, "preference": {"sft_weight": 0.5}}
    whole = train(method, student, tmp_path / "whole", batch_size=6, **settings)
    cut = train(method, student, tmp_path / "cut", batch_size=3, gradient_accumulation=2, **settings)
    assert whole.steps == cut.steps == 3
    for name, tensor in load_file(whole.folder / "model.safetensors").items():
        assert torch.allclose(tensor, load_file(cut.folder / "model.safetensors")[name], atol=1e-5), name
    assert [loss for _, loss in cut.losses] == pytest.approx([loss for _, loss in whole.losses], rel=1e-5)


@pytest.mark.parametrize("method", ["dpo", "rpo"])
def test_a_stopped_phase_ends_at_the_same_bytes(method: str, student: Path, tmp_path: Path) -> None:
    whole = train(method, student, tmp_path / "whole")

    def stop(step: int, *_: object) -> None:
        if step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_preference(phase(method), PAIRS, str(student), tmp_path / "cut", 0, stop)
    steps: list[int] = []
    again = train_preference(phase(method), PAIRS, str(student), tmp_path / "cut", 0, lambda step, *_: steps.append(step))
    assert steps[0] == 9
    assert (again.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()


def test_pairs_with_personal_data_on_either_side_are_refused_and_counted(student: Path) -> None:
    pairs = make_pairs(
        ("Write a note.", "Thank you!", "Mail ana.silva@gmail.com for more", 1.0),
        ("Write to ana.silva@gmail.com.", "Dear Ana", "No", 1.0),
        ("Write a note.", "Thank you!", "No", None),
        ("Write a note.", "Many thanks to all of you", "No", 0.5),
    )

    def choose(phase: PhaseSpec, pairs: pl.DataFrame) -> PairData:
        return choose_pairs(phase, Evidence(accepted, empty(SEED), pairs=pairs), str(student), ContaminationSpec())

    accepted = pl.concat([empty(VERDICT), pairs.select("leaf", record_id="chosen_id")], how="diagonal")
    dpo = choose(phase("dpo"), pairs)
    assert (dpo.pairs["record_id"].to_list(), dpo.left_out) == (["p002", "p003"], {"personal_data": 2})
    rpo = choose(phase("rpo"), pairs)
    assert (rpo.pairs["record_id"].to_list(), rpo.left_out) == (["p003"], {"no_margin": 1, "personal_data": 2})
    short = phase("dpo", data=DataSpec(kinds=("compositional",), response_words=Bounds(max=2)).model_dump())
    assert choose(short, pairs).left_out == {"personal_data": 2, "response_too_long": 1}
    with pytest.raises(FactoryError, match=r"phase 'prefer': none of 0 .*the line makes none.*responses_per_instruction"):
        choose(phase("dpo"), pairs.clear())


def test_a_budget_of_tokens_is_of_both_sides_of_the_pairs(student: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(student)
    texts = (
        f"<|user|>{asked}<|end|><|assistant|>{side}<|end|>" for n, (asked, right) in enumerate(WRITTEN) for side in (right, f"No {n}.")
    )
    sides = [len(tokenizer(text)["input_ids"]) for text in texts]
    trained = train("rpo", student, tmp_path, epochs=None, tokens=1500)
    assert trained.tokens == sum(sides)
    longest = max(one + other for one, other in zip(sides[::2], sides[1::2], strict=True))
    assert trained.tokens_read is not None and 1500 <= trained.tokens_read < 1500 + longest


def test_pairs_that_are_too_long_or_write_control_tokens_are_left_out(student: Path, tmp_path: Path) -> None:
    odd = make_pairs(
        ("Say", "yes", "apple " * 200, 1.0), ("Say", "yes", "<|end|>", 1.0), ("Say", "yes", " ", 1.0), ("Say", "yes", "no", 1.0)
    )
    trained = train_preference(phase("dpo", epochs=1), odd, str(student), tmp_path, 0)
    assert trained.left_out == {"control_token": 1, "empty_response": 1, "too_long": 1}
    assert trained.records == 1
