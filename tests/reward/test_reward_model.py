from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from reward_rows import POSITIONS

from factory.faults import FactoryError
from factory.generation.chat import Message
from factory.generation.flows import load_flow, render_prompt
from factory.pico.models import model_revision
from factory.problems import WRITERS
from factory.reward.local_model import LocalRewardModel
from factory.reward.rating import Dialogue, Rating, user_text
from factory.reward_spec import ATTRIBUTES


def ask(user: str, response: str) -> Dialogue:
    return (Message("user", user), Message("assistant", response))


def rewards(model: LocalRewardModel, dialogues: Sequence[Dialogue]) -> list[float]:
    ratings = model.rate(dialogues)
    assert all(rating and rating.reward is not None and rating.attributes is None for rating in ratings)
    return [rating.reward for rating in ratings if rating and rating.reward is not None]


@pytest.fixture(scope="module")
def pairs() -> list[Dialogue]:
    rng = random.Random(0)
    problems = [WRITERS[name](rng) for name in sorted(WRITERS) for _ in range(2)]
    return [ask(problem.instruction, problem.response) for problem in problems]


@pytest.fixture(scope="module")
def model(reward_folder: Path) -> LocalRewardModel:
    return LocalRewardModel(str(reward_folder), batch_size=8)


def test_reward_is_the_only_logit_over_the_chat_template(model: LocalRewardModel, reward_folder: Path, pairs: list[Dialogue]) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaForSequenceClassification

    reference = LlamaForSequenceClassification.from_pretrained(reward_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    expected = []
    for pair in pairs:
        ids = tokenizer(f"<|user|>{pair[0].content}<|end|><|assistant|>{pair[1].content}<|end|>", return_tensors="pt").input_ids
        with torch.inference_mode():
            expected.append(reference(input_ids=ids).logits[0, 0].item())
    assert rewards(model, pairs) == pytest.approx(expected, abs=1e-4)
    assert max(expected) - min(expected) > 0.1


def test_score_depends_neither_on_order_nor_on_batch_size(model: LocalRewardModel, reward_folder: Path, pairs: list[Dialogue]) -> None:
    scores = rewards(model, pairs)
    assert rewards(model, pairs[::-1])[::-1] == pytest.approx(scores, abs=2e-4)
    assert rewards(LocalRewardModel(str(reward_folder), batch_size=1), pairs) == pytest.approx(scores, abs=2e-4)
    assert rewards(model, pairs) == scores


def test_of_a_dialogue_every_turn_is_read(model: LocalRewardModel) -> None:
    first, last = ask("Say hello.", "Hello."), ask("And goodbye?", "Goodbye.")
    other = ask("Say hello.", "Never.")
    assert rewards(model, [(*first, *last)]) != rewards(model, [(*other, *last)])


def test_five_labels_are_the_attributes_in_their_order_or_by_their_names(save_model: Callable[..., Path], pairs: list[Dialogue]) -> None:
    from transformers import LlamaForSequenceClassification

    plain = save_model(LlamaForSequenceClassification, num_labels=5)
    (rating,) = LocalRewardModel(str(plain), 8).rate(pairs[:1])
    assert rating and rating.reward is None and rating.attributes and tuple(rating.attributes) == ATTRIBUTES
    turned = {place: f"reward-{name}" for place, name in enumerate(reversed(ATTRIBUTES))}
    named = save_model(
        LlamaForSequenceClassification, num_labels=5, id2label=turned, label2id={name: place for place, name in turned.items()}
    )
    (by_name,) = LocalRewardModel(str(named), 8).rate(pairs[:1])
    assert by_name and by_name.attributes and [*by_name.attributes.values()] == [*rating.attributes.values()][::-1]


def test_five_labels_of_other_names_are_refused(save_model: Callable[..., Path]) -> None:
    from transformers import LlamaForSequenceClassification

    stars = {place: f"{place + 1} stars" for place in range(5)}
    with pytest.raises(FactoryError, match="the five attributes are helpfulness, correctness"):
        LocalRewardModel(str(save_model(LlamaForSequenceClassification, num_labels=5, id2label=stars)), batch_size=8)


def test_what_does_not_fit_gets_no_score_and_disturbs_no_other(model: LocalRewardModel, pairs: list[Dialogue]) -> None:
    first, too_long, last = model.rate([pairs[0], ask("How do you do? " * POSITIONS, "Well."), pairs[1]])
    assert too_long is None and first and last
    assert [first.reward, last.reward] == pytest.approx(rewards(model, pairs[:2]), abs=2e-4)


def test_the_longest_pair_that_fits_is_scored(model: LocalRewardModel) -> None:
    # Digits are single tokens, and four tokens are the template's own.
    assert isinstance(model.rate([ask("1" * (POSITIONS - 5), "2")])[0], Rating)
    assert model.rate([ask("1" * (POSITIONS - 4), "2")]) == [None]


def test_nothing_to_score(model: LocalRewardModel) -> None:
    assert model.rate([]) == []


def test_names_itself_as_other_models_of_the_line_do(model: LocalRewardModel, reward_folder: Path) -> None:
    assert model.identity == f"{reward_folder.name}@{model_revision(str(reward_folder))}"


def test_reads_context_and_instruction_as_the_grounded_flow_sends_them() -> None:
    prompt = render_prompt(load_flow("grounded"), "response", context="Rendang is a dish.", instruction="What is rendang?")
    assert user_text("What is rendang?", "Rendang is a dish.") == prompt
    assert user_text("What is rendang?", None) == "What is rendang?"


def test_an_encoder_without_chat_template_reads_question_and_response_as_a_pair(encoder_folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = encoder_folder
    reference, tokenizer = BertForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    several = (Message("user", "47"), Message("assistant", "85"), Message("user", "8"), Message("assistant", "4"))
    texts = [("what is 47", "the scarf"), ("user: 47 assistant: 85 user: 8", "4"), ("blue", "blue blue blue")]
    expected = []
    for asked, answered in texts:
        with torch.inference_mode():
            expected.append(reference(**tokenizer(asked, answered, return_tensors="pt")).logits[0, 0].item())
    model = LocalRewardModel(str(folder), batch_size=8)
    assert rewards(model, [ask(*texts[0]), several, ask(*texts[2])]) == pytest.approx(expected, abs=1e-4)
    assert len({round(reward, 3) for reward in expected}) == 3
    assert rewards(model, [ask("blue", "scarf")]) != rewards(model, [ask("scarf", "blue")])
    assert model.rate([ask("blue " * POSITIONS, "scarf")]) == [None]


def test_weights_in_bfloat16_score_as_in_float32(reward_folder: Path, tmp_path: Path, pairs: list[Dialogue]) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaForSequenceClassification

    halved = LlamaForSequenceClassification.from_pretrained(reward_folder, dtype=torch.bfloat16)
    for name in ("halved", "widened"):
        halved.save_pretrained(tmp_path / name)
        AutoTokenizer.from_pretrained(reward_folder).save_pretrained(tmp_path / name)
        halved.float()
    assert json.loads((tmp_path / "halved" / "config.json").read_text())["dtype"] == "bfloat16"
    assert json.loads((tmp_path / "widened" / "config.json").read_text())["dtype"] == "float32"
    scored = [rewards(LocalRewardModel(str(tmp_path / name), 8), pairs) for name in ("halved", "widened")]
    assert scored[0] == scored[1]


def test_a_value_head_of_ppo_is_refused_as_one(reward_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(reward_folder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["v_head.summary.weight"] = weights.pop("score.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FactoryError, match=r"no trained weights for score\.weight \(it holds the value head of PPO"):
        LocalRewardModel(str(folder), batch_size=8)


def test_two_labels_are_refused(save_model: Callable[..., Path]) -> None:
    from transformers import LlamaForSequenceClassification

    with pytest.raises(FactoryError, match="has 2 labels; a reward model has one, its score, or five: helpfulness"):
        LocalRewardModel(str(save_model(LlamaForSequenceClassification, num_labels=2)), batch_size=8)


def test_a_language_model_is_refused(save_model: Callable[..., Path]) -> None:
    from transformers import LlamaForCausalLM

    with pytest.raises(FactoryError, match=r"no trained weights for score\.weight"):
        LocalRewardModel(str(save_model(LlamaForCausalLM, num_labels=1)), batch_size=8)


def test_weights_that_are_no_numbers_are_refused(reward_folder: Path, tmp_path: Path, pairs: list[Dialogue]) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(reward_folder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["score.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FactoryError, match="scores that are no numbers"):
        LocalRewardModel(str(folder), batch_size=8).rate(pairs)


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
        LocalRewardModel(str(folder), batch_size=8)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_chat_template_is_refused(reward_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(reward_folder, tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(FactoryError, match="has no chat template, and no separator"):
        LocalRewardModel(str(folder), batch_size=8)


def test_nothing_is_printed(reward_folder: Path, pairs: list[Dialogue], capfd: pytest.CaptureFixture[str]) -> None:
    LocalRewardModel(str(reward_folder), batch_size=8).rate([*pairs, ask("1" * 3 * POSITIONS, "2")])
    assert capfd.readouterr() == ("", "")
