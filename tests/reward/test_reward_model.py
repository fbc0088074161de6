from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reward_rows import POSITIONS

from factory.faults import FactoryError
from factory.generation.flows import load_flow, render_prompt
from factory.pico.models import model_revision
from factory.problems import WRITERS
from factory.reward.model import Pair, RewardModel, user_text


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    rng = random.Random(0)
    problems = [WRITERS[name](rng) for name in sorted(WRITERS) for _ in range(2)]
    return [Pair(problem.instruction, problem.response) for problem in problems]


@pytest.fixture(scope="module")
def model(reward_folder: Path) -> RewardModel:
    return RewardModel(str(reward_folder), batch_size=8)


def test_score_is_the_sigmoid_of_the_only_logit_over_the_chat_template(model: RewardModel, reward_folder: Path, pairs: list[Pair]) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaForSequenceClassification

    reference = LlamaForSequenceClassification.from_pretrained(reward_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    expected = []
    for pair in pairs:
        ids = tokenizer(f"<|user|>{pair.user}<|end|><|assistant|>{pair.response}<|end|>", return_tensors="pt").input_ids
        with torch.inference_mode():
            expected.append(1 / (1 + torch.exp(-reference(input_ids=ids).logits[0, 0])).item())
    assert model.score(pairs) == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 0.1


def test_score_depends_neither_on_order_nor_on_batch_size(model: RewardModel, reward_folder: Path, pairs: list[Pair]) -> None:
    scores = model.score(pairs)
    turned = model.score(pairs[::-1])[::-1]
    alone = RewardModel(str(reward_folder), batch_size=1).score(pairs)
    assert turned == pytest.approx(scores, abs=2e-6)
    assert alone == pytest.approx(scores, abs=2e-6)
    assert model.score(pairs) == scores


def test_what_does_not_fit_gets_no_score_and_disturbs_no_other(model: RewardModel, pairs: list[Pair]) -> None:
    too_long = Pair("How do you do? " * POSITIONS, "Well.")
    scores = model.score([pairs[0], too_long, pairs[1]])
    assert scores[1] is None
    assert [scores[0], scores[2]] == pytest.approx(model.score(pairs[:2]), abs=2e-6)


def test_the_longest_pair_that_fits_is_scored(model: RewardModel) -> None:
    # Digits are single tokens, and four tokens are the template's own.
    assert model.score([Pair("1" * (POSITIONS - 5), "2")])[0] is not None
    assert model.score([Pair("1" * (POSITIONS - 4), "2")]) == [None]


def test_nothing_to_score(model: RewardModel) -> None:
    assert model.score([]) == []


def test_names_itself_as_other_models_of_the_line_do(model: RewardModel, reward_folder: Path) -> None:
    assert (model.name, model.revision) == (str(reward_folder), model_revision(str(reward_folder)))


def test_reads_context_and_instruction_as_the_grounded_flow_sends_them() -> None:
    prompt = render_prompt(load_flow("grounded"), "response", context="Rendang is a dish.", instruction="What is rendang?")
    assert user_text("What is rendang?", "Rendang is a dish.") == prompt
    assert user_text("What is rendang?", None) == "What is rendang?"


def test_two_labels_are_refused(save_model: Callable[..., Path]) -> None:
    from transformers import LlamaForSequenceClassification

    with pytest.raises(FactoryError, match="has 2 labels; a reward model has one"):
        RewardModel(str(save_model(LlamaForSequenceClassification, num_labels=2)), batch_size=8)


def test_a_language_model_is_refused(save_model: Callable[..., Path]) -> None:
    from transformers import LlamaForCausalLM

    with pytest.raises(FactoryError, match=r"no trained weights for score\.weight"):
        RewardModel(str(save_model(LlamaForCausalLM, num_labels=1)), batch_size=8)


def test_weights_that_are_no_numbers_are_refused(reward_folder: Path, tmp_path: Path, pairs: list[Pair]) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(reward_folder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["score.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FactoryError, match="scores that are no numbers"):
        RewardModel(str(folder), batch_size=8).score(pairs)


def drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickle_weights(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def drop_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()
    for file in folder.glob("*.jinja"):
        file.unlink()


def drop_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def ask_for_own_code(folder: Path) -> None:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('code of a model was run')")


@pytest.mark.parametrize(
    "damage", [drop_weights, pickle_weights, cut_weights, drop_tokenizer, drop_config, break_config, ask_for_own_code, shutil.rmtree]
)
def test_a_model_that_cannot_be_opened_is_one_paragraph(damage: Callable[[Path], Any], reward_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(reward_folder, tmp_path / "model")
    damage(folder)
    with pytest.raises(FactoryError, match=r"reward model .* cannot be opened: .* in `reward\.model`") as caught:
        RewardModel(str(folder), batch_size=8)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_chat_template_is_refused(reward_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(reward_folder, tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(FactoryError, match="has no chat template"):
        RewardModel(str(folder), batch_size=8)


def test_nothing_is_printed(reward_folder: Path, pairs: list[Pair], capfd: pytest.CaptureFixture[str]) -> None:
    RewardModel(str(reward_folder), batch_size=8).score([*pairs, Pair("1" * 3 * POSITIONS, "2")])
    assert capfd.readouterr() == ("", "")
