"""Private tuning: what it spends against closed forms, that its gradients are those of each record, and what it refuses."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny_student import save_student, write_records
from transformers import AutoModelForCausalLM

from factory.faults import FactoryError
from factory.training import train_phase
from factory.training.data import encode_records
from factory.training.phase_run import make_collator
from factory.training.private import tune_privately
from factory.training.student import open_student
from factory.training_spec import Bounds, DataSpec, PhaseSpec, PrivateSpec, TrainingSpec

WHOLE = PhaseSpec(name="sft", epochs=3, batch_size=12, learning_rate=1e-2, private=PrivateSpec(epsilon=4.0, delta=1e-3))
"""Every record in every step."""


def weights(folder: Path) -> dict[str, Any]:
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


def test_epsilon_of_whole_batches_is_that_of_the_gaussian_mechanism(student: Path, tmp_path: Path) -> None:
    """Rényi divergence of `steps` Gaussian mechanisms is steps·alpha / (2 sigma²); the bound in epsilon by Balle et al. 2020 (Thm. 21)."""
    trained = train_phase(WHOLE, write_records(12), str(student), tmp_path, seed=1)
    assert trained.steps == 3
    sigma = trained.noise_multiplier or 0
    orders = [1 + step / 10 for step in range(1, 1000)]
    bound = min(3 * order / (2 * sigma**2) + math.log1p(-1 / order) - (math.log(1e-3) + math.log(order)) / (order - 1) for order in orders)
    assert trained.epsilon == pytest.approx(bound, rel=0.01)
    assert 0.95 * 4 < (trained.epsilon or 0) <= 4
    assert trained.delta == 1e-3
    told = re.search(r"epsilon (\S+) at delta 0.001", (trained.folder / "README.md").read_text())
    assert told and 0 <= float(told[1]) - (trained.epsilon or 0) < 0.001


def test_smaller_batches_spend_less_for_the_same_noise(student: Path, tmp_path: Path) -> None:
    """Privacy is amplified by sampling, so that less noise will do."""
    records, strict = write_records(36), PrivateSpec(epsilon=2.0, delta=1e-3)
    noise = [
        train_phase(WHOLE.model_copy(update={"batch_size": size, "epochs": epochs, "private": strict}), records, str(student), tmp_path, 1)
        for size, epochs in ((36, 6), (3, 0.5))
    ]
    assert [phase.steps for phase in noise] == [6, 6]
    assert (noise[1].noise_multiplier or 0) < (noise[0].noise_multiplier or 0)


def test_one_record_moves_the_weights_by_no_more_than_the_clipped_norm(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of clipped gradients without noise, against each record's own gradient, clipped by hand; in two parts of a batch too."""
    from opacus.optimizers import DPOptimizer

    model, tokenizer = open_student(str(student))
    rows, collate = encode_records(tokenizer, write_records(18), 120).rows, make_collator(tokenizer)
    clip, wanted = 0.05, {name: torch.zeros_like(weight) for name, weight in model.named_parameters()}
    for row in rows:
        model.zero_grad()
        model(**collate([row])).loss.backward()
        norm = math.sqrt(sum(float((weight.grad**2).sum()) for weight in model.parameters()))
        for name, weight in model.named_parameters():
            wanted[name] += weight.grad * min(1.0, clip / norm)
    model.zero_grad()
    summed: dict[int, Any] = {}

    def without_noise(self: Any) -> None:
        for weight in self.params:
            weight.grad = weight.summed_grad.view_as(weight)
            summed.setdefault(id(weight), weight.grad.clone())

    monkeypatch.setattr(DPOptimizer, "add_noise", without_noise)
    spec = PrivateSpec(epsilon=8.0, delta=1e-3, max_grad_norm=clip)
    named = {id(weight): name for name, weight in model.named_parameters()}
    tune_privately(model, rows, collate, WHOLE.model_copy(update={"batch_size": 18, "epochs": 1}), spec, None)
    assert len(summed) == len(wanted)
    for weight, gradient in summed.items():
        torch.testing.assert_close(gradient, wanted[named[weight]], atol=1e-5, rtol=1e-3)


def test_much_privacy_may_be_spent_and_the_student_still_learns(tmp_path: Path) -> None:
    student = save_student(tmp_path / "student", hidden=32)
    lavish = WHOLE.model_copy(update={"epochs": 40, "batch_size": 24, "private": PrivateSpec(epsilon=500.0, delta=1e-3)})
    trained = train_phase(lavish, write_records(24), str(student), tmp_path / "work", 1)
    assert trained.losses[-1][1] < 0.8 * trained.losses[0][1]


def test_noise_does_not_follow_from_the_seed(student: Path, tmp_path: Path) -> None:
    records = write_records(12)
    first, second = (train_phase(WHOLE, records, str(student), tmp_path / name, seed=1) for name in "ab")
    moved = [(weights(phase.folder)["model.norm.weight"] - weights(student)["model.norm.weight"]).abs().max() for phase in (first, second)]
    assert min(moved) > 0
    assert not torch.equal(weights(first.folder)["model.norm.weight"], weights(second.folder)["model.norm.weight"])


def test_a_killed_private_phase_begins_anew_and_a_finished_one_is_kept(student: Path, tmp_path: Path) -> None:
    records = write_records(12)

    def die(step: int, steps: int, loss: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_phase(WHOLE, records, str(student), tmp_path, 1, die)
    seen: list[int] = []
    trained = train_phase(WHOLE, records, str(student), tmp_path, 1, lambda step, steps, loss: seen.append(step))
    assert seen == [1, 2, 3]
    assert train_phase(WHOLE, records, str(student), tmp_path, 1) == trained
    assert json.loads((tmp_path / "finished.json").read_text())["epsilon"] == trained.epsilon


def test_delta_of_one_in_the_records_is_refused(student: Path, tmp_path: Path) -> None:
    phase = WHOLE.model_copy(update={"private": PrivateSpec(epsilon=1.0, delta=0.1)})
    with pytest.raises(FactoryError, match=r"with 12 records a delta of 0.1 .* below 0.08"):
        train_phase(phase, write_records(12), str(student), tmp_path, 1)


def test_a_private_phase_is_the_only_one() -> None:
    with pytest.raises(ValidationError, match="phase sft is private, so it must be the only one"):
        TrainingSpec(phases=(WHOLE, PhaseSpec(name="more")))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"data": {"kinds": ["knowledge"], "half": "short"}}, "a median that each record moves"),
        ({"gradient_checkpointing": True}, "leave gradient_ch"),
    ],
)
def test_a_private_phase_refuses_what_its_epsilon_does_not_cover_and_what_it_cannot_do(setting: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PhaseSpec(name="sft", private=PrivateSpec(epsilon=4.0), **setting)
    bounded = DataSpec(kinds=("knowledge",), response_words=Bounds(max=9))
    assert PhaseSpec(name="sft", private=PrivateSpec(epsilon=4.0), data=(bounded,)).data == (bounded,)


def test_a_private_phase_of_one_step_is_no_warm_up_alone(student: Path, tmp_path: Path) -> None:
    trained = train_phase(WHOLE.model_copy(update={"epochs": 1}), write_records(12), str(student), tmp_path, seed=1)
    before, after = weights(student), weights(trained.folder)
    assert trained.steps == 1 and max(float((after[name] - before[name]).abs().max()) for name in before) > 1e-3


def test_a_step_that_draws_no_record_adds_noise_alone(student: Path, tmp_path: Path) -> None:
    """With one record of 40 a step in the mean, the chance that all 60 steps draw some is 2 in 10^12."""
    sparse = WHOLE.model_copy(update={"batch_size": 1, "epochs": 1.5})
    trained = train_phase(sparse, write_records(40), str(student), tmp_path, 1)
    assert trained.steps == 60
    assert 0.0 in [loss for _, loss in trained.losses]
    assert all(torch.isfinite(weight).all() for weight in weights(trained.folder).values())


def test_a_private_loss_that_is_no_number_stops_at_its_step_and_keeps_no_student(student: Path, tmp_path: Path) -> None:
    phase = WHOLE.model_copy(update={"learning_rate": 3e37, "warmup_ratio": 0})
    with pytest.raises(FactoryError, match=r"phase 'sft': the loss is no number at step \d of 3. Lower the learning rate"):
        train_phase(phase, write_records(12), str(student), tmp_path, seed=1)
    assert not (tmp_path / "model").exists()
