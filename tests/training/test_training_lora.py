"""Low-rank adapters: what is tuned, that the student is the merged whole, from which a preference is measured, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from test_training_phases import HOLDOUT, RECORDS, measure, weights
from test_training_preference import PAIRS, margin
from test_training_preference import phase as preference_phase
from tiny_student import write_records
from transformers import AutoModelForCausalLM

from factory.faults import FactoryError
from factory.training import Holdout, TrainedPhase, fingerprint_phase, train_phase, train_preference
from factory.training.adapter import add_adapter, open_merged
from factory.training.phase_run import describe_settings
from factory.training.student import open_student
from factory.training_spec import LoraSpec, PhaseSpec, TrainingSpec, TuningSpec


def phase(**settings: object) -> PhaseSpec:
    given = {"name": "sft", "epochs": 1, "batch_size": 8, "save_steps": 2, "learning_rate": 2e-2, "lora": {"rank": 3, "alpha": 12}}
    return PhaseSpec.model_validate(given | settings)


def test_the_student_is_the_base_with_the_scaled_product_added_to_its_targets(student: Path, tmp_path: Path) -> None:
    trained = train_phase(phase(lora={"rank": 3, "alpha": 12, "targets": ["q_proj", "mlp.down_proj"]}), RECORDS, str(student), tmp_path, 0)
    adapter, before, after = load_file(trained.folder / "adapter" / "adapter_model.safetensors"), weights(student), weights(trained.folder)
    assert trained.trained_weights == sum(tensor.numel() for tensor in adapter.values()) == 3 * (16 + 16) + 3 * (32 + 16)
    adapted = {f"model.layers.0.{layer}" for layer in ("self_attn.q_proj", "mlp.down_proj")}
    for name, tensor in after.items():
        layer = name.removesuffix(".weight")
        if layer not in adapted:
            assert torch.equal(tensor, before[name]), name
            continue
        low, high = (adapter[f"base_model.model.{layer}.lora_{part}.weight"] for part in "AB")
        assert high.abs().max() > 0
        torch.testing.assert_close(tensor, before[name] + 12 / 3 * high @ low)
    assert json.loads((trained.folder / "config.json").read_text()) == json.loads((student / "config.json").read_text())
    assert sorted(path.name for path in (trained.folder / "adapter").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert AutoModelForCausalLM.from_pretrained(trained.folder).generation_config.eos_token_id is not None


def test_a_held_out_checkpoint_becomes_the_student_and_the_adapters_of_all_are_kept(student: Path, tmp_path: Path) -> None:
    spec = phase(epochs=12, select="holdout_loss", keep_checkpoints=True, save_steps=4, learning_rate=0.1, schedule="constant")
    trained = train_phase(spec, RECORDS.head(16), str(student), tmp_path, 0, holdout=Holdout(HOLDOUT))
    steps = [step for step, _ in trained.held_out_losses]
    assert steps == [4, 8, 12, 16, 20, 24] == sorted(int(path.name) for path in (tmp_path / "steps").iterdir())
    assert trained.step == min(trained.held_out_losses, key=lambda pair: pair[1])[0] < 24
    assert measure(trained.folder, student) == pytest.approx(dict(trained.held_out_losses)[trained.step], rel=1e-4)
    kept = tmp_path / "steps" / str(trained.step)
    for file in (trained.folder / "adapter").iterdir():
        assert file.read_bytes() == (kept / file.name).read_bytes()
    config = json.loads((kept / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(student)
    assert config["target_modules"] == sorted(config["target_modules"]) and len(config["target_modules"]) == 7
    merged = open_merged(str(student), kept).state_dict()
    for name, tensor in weights(trained.folder).items():
        assert torch.equal(tensor, merged[name]), name


def test_an_adapter_begins_at_its_seed_and_changes_nothing_yet(student: Path) -> None:
    def begin(seed: int, elsewhere: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(elsewhere)
        adapted = add_adapter("phase 'sft'", open_student(str(student))[0], LoraSpec(), seed)
        assert torch.randint(1000, (1,)).equal(torch.randint(1000, (1,), generator=torch.Generator().manual_seed(elsewhere)))
        return {name: weight.clone() for name, weight in adapted.named_parameters() if weight.requires_grad}

    one, same, other = begin(0, elsewhere=1), begin(0, elsewhere=2), begin(1, elsewhere=1)
    for name, weight in one.items():
        assert weight.equal(same[name]) and weight.equal(other[name]) == ("lora_B" in name) == (not weight.any())


def test_activations_that_are_computed_twice_give_the_same_adapter(student: Path, tmp_path: Path) -> None:
    kept, twice = (train_phase(phase(gradient_checkpointing=on), RECORDS, str(student), tmp_path / str(on), 0) for on in (False, True))
    for name, tensor in weights(kept.folder).items():
        torch.testing.assert_close(tensor, weights(twice.folder)[name], atol=1e-5, rtol=1e-4)


def test_a_preference_is_measured_from_the_base_by_either_method(student: Path, tmp_path: Path) -> None:
    def prefer(method: str) -> TrainedPhase:
        settings = {
            "epochs": 2,
            "preference": {"sft_weight": 0.0, "eta": 1e4},
            "lora": {"rank": 4},
            "learning_rate": 2e-2,
            "keep_checkpoints": True,
        }
        return train_preference(preference_phase(method, **settings), PAIRS, str(student), tmp_path / method, 0)

    dpo, rpo = prefer("dpo"), prefer("rpo")
    # At the reference itself the loss is that of a coin.
    assert dpo.losses[0][1] == pytest.approx(math.log(2), abs=1e-4)
    assert [loss for _, loss in rpo.losses] == pytest.approx([loss for _, loss in dpo.losses], rel=2e-3)
    for name, tensor in weights(dpo.folder).items():
        assert torch.allclose(tensor, weights(rpo.folder)[name], atol=2e-3), name
    assert dpo.margins is not None and dpo.margins[1] > dpo.margins[0] + 1
    assert [margin(student), margin(dpo.folder)] == pytest.approx(dpo.margins, rel=1e-3)
    assert not (tmp_path / "dpo/steps/8/ref").exists(), "no second adapter is held as the reference"
    assert dpo.trained_weights == rpo.trained_weights == 4 * (4 * (16 + 16) + 3 * (16 + 32))


def test_dpo_of_a_student_with_dropout_begins_at_its_reference(student_with_dropout: Path, tmp_path: Path) -> None:
    spec = preference_phase("dpo", epochs=0.25, preference={"sft_weight": 0.0})
    trained = train_preference(spec, PAIRS, str(student_with_dropout), tmp_path, 0)
    assert trained.losses[0][1] == pytest.approx(math.log(2), abs=1e-5)


def test_a_target_that_is_no_linear_layer_is_refused_with_those_that_are(student: Path, tmp_path: Path) -> None:
    for target in ("query", "lm_head", "embed_tokens", "proj"):
        with pytest.raises(
            FactoryError, match=rf"phase 'sft': lora.targets names '{target}', .* down_proj, gate_proj, k_proj, .*all-linear"
        ):
            train_phase(phase(lora={"targets": ["q_proj", target]}), RECORDS, str(student), tmp_path, 0)


@pytest.mark.parametrize(("rate", "alpha"), [(1e39, 1), (1e37, 1e6)], ids=["of the adapter", "of the merged model"])
def test_weights_that_overflow_are_in_no_student(rate: float, alpha: float, student: Path, tmp_path: Path) -> None:
    spec = phase(learning_rate=rate, warmup_ratio=0, lora={"rank": 1, "alpha": alpha})
    with pytest.raises(FactoryError, match=r"phase 'sft': weights are no numbers after step 1 of 1. Lower the learning rate"):
        train_phase(spec, write_records(8), str(student), tmp_path, 0)
    assert not (tmp_path / "model").exists()


def test_what_was_made_before_there_were_adapters_and_packing_keeps_its_name(student: Path) -> None:
    read = {"method", "preference", "private", "epochs", "tokens", "learning_rate", "warmup_ratio", "schedule", "batch_size"}
    read |= {"gradient_accumulation", "max_length", "gradient_checkpointing", "select", "keep_checkpoints"}
    assert set(describe_settings(PhaseSpec(name="sft"))) == read
    others = [phase(lora=None), phase(), phase(lora={"rank": 4, "alpha": 12}), phase(packing=True)]
    assert len({fingerprint_phase(other, RECORDS, str(student), 0) for other in others}) == 4


def test_a_preset_passes_adapters_and_packing_on() -> None:
    spec = TrainingSpec(preset="lab", tuning=TuningSpec(lora=LoraSpec(rank=2, targets=("q_proj",)), packing=True))
    assert all(phase.lora == LoraSpec(rank=2, targets=("q_proj",)) and phase.packing for phase in spec.plan)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"private": {"epsilon": 1}, "save_steps": 50}, "a private phase .*tunes all weights .*leave lora out"),
        ({"private": {"epsilon": 1}, "lora": None, "packing": True}, "a private phase .*one record to a row .*leave packing out"),
        ({"method": "dpo", "packing": True}, "dpo reads pairs, which are not packed: leave packing out"),
        ({"method": "rpo", "lora": {"dropout": 0.1}}, "rpo measures the student against its base, without dropout: leave lora.dropout out"),
        ({"lora": {"targets": []}}, "at least 1 item"),
    ],
)
def test_what_does_not_go_together_is_refused_at_the_door(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        phase(**settings)


def test_one_target_needs_no_list() -> None:
    assert LoraSpec.model_validate({"targets": "q_proj"}).targets == ("q_proj",)
    assert LoraSpec.model_validate({"targets": "all-linear"}) == LoraSpec()
