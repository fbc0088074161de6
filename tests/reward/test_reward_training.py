"""Training a reward model: the losses are those of the papers, a kill costs nothing, and what comes out is used at once."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from factory.faults import FactoryError
from factory.generation.chat import Message
from factory.reward.encoding import encode_dialogues, pad_features
from factory.reward.held_out import Accuracy, learn_length_rule, measure_length_rule, pair_up, split_rows
from factory.reward.local_model import LocalRewardModel
from factory.reward.preferences import Pair, Rated
from factory.reward.rating import Dialogue
from factory.reward.trainers import open_base
from factory.reward.training import RewardTraining, TrainedRewardModel, train_reward_model
from factory.reward_spec import ATTRIBUTES

SETTINGS = RewardTraining(epochs=3, batch_size=8, learning_rate=0.01, holdout=0.25, save_steps=5)
QUESTIONS = [" ".join(words) for words in itertools.permutations(("47", "85", "8", "4"))] + [
    " ".join(words) for words in itertools.permutations(("what", "is", "blue", "scarf"))
]


def ask(user: str, response: str) -> Dialogue:
    return (Message("user", user), Message("assistant", response))


PAIRS = [Pair(ask(question, "good thanks"), ask(question, "bad thanks")) for question in QUESTIONS]
RATED = [
    Rated(
        ask(question, said), {"helpfulness": value, "correctness": 4 - value, "coherence": 2.0, "complexity": value / 2, "verbosity": rated}
    )
    for question in QUESTIONS
    for said, value, rated in (("good thanks", 4.0, 1.0), ("bad thanks", 0.0, None))
]


@pytest.fixture(scope="module")
def base(save_encoder: Callable[..., Path]) -> str:
    from transformers import BertModel

    return str(save_encoder(BertModel))


@pytest.fixture(scope="module")
def on_pairs(base: str, tmp_path_factory: pytest.TempPathFactory) -> TrainedRewardModel:
    return train_reward_model(PAIRS, base, tmp_path_factory.mktemp("pairs"), SETTINGS)


@pytest.fixture(scope="module")
def on_ratings(base: str, tmp_path_factory: pytest.TempPathFactory) -> TrainedRewardModel:
    return train_reward_model(RATED, base, tmp_path_factory.mktemp("ratings"), SETTINGS.model_copy(update={"epochs": 8.0}))


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_a_model_trained_on_pairs_prefers_what_was_preferred_and_is_opened_as_any_other(on_pairs: TrainedRewardModel) -> None:
    assert on_pairs.rows + on_pairs.held_out == len(PAIRS) and on_pairs.held_out > 4
    assert on_pairs.accuracy == Accuracy(on_pairs.held_out, on_pairs.held_out)
    assert on_pairs.steps == math.ceil(3 * on_pairs.rows / 8) == len(on_pairs.losses)
    assert on_pairs.losses[-1][1] < 0.1 < on_pairs.losses[0][1]
    good, bad = LocalRewardModel(str(on_pairs.folder), 8).rate([ask("blue 47", "good"), ask("blue 47", "bad")])
    assert good and bad and good.reward is not None and bad.reward is not None and good.reward > bad.reward


def test_the_loss_of_pairs_is_that_of_bradley_and_terry(base: str, tmp_path: Path) -> None:
    import torch

    settings = RewardTraining(batch_size=len(PAIRS), holdout=0.25, seed=5)
    taught, _ = split_rows(PAIRS, settings.holdout, settings.seed)
    model, tokenizer = open_base(base, (), settings.seed)
    model.eval()
    with torch.inference_mode():
        chosen, rejected = (
            model(**pad_features(tokenizer, encode_dialogues(tokenizer, [getattr(pair, side) for pair in taught]))).logits[:, 0]
            for side in ("chosen", "rejected")
        )
    expected = torch.log1p(torch.exp(rejected - chosen)).mean().item()
    ((step, loss),) = train_reward_model(PAIRS, base, tmp_path, settings).losses
    assert (step, loss) == (1, pytest.approx(expected, rel=1e-5))


def test_five_attributes_are_learnt_under_their_names(on_ratings: TrainedRewardModel) -> None:
    config = json.loads((on_ratings.folder / "config.json").read_text())
    assert [config["id2label"][str(place)] for place in range(5)] == list(ATTRIBUTES)
    good, bad = LocalRewardModel(str(on_ratings.folder), 8).rate([ask("47 8 85 4", "good thanks"), ask("47 8 85 4", "bad thanks")])
    assert good and bad and good.attributes and bad.attributes
    assert good.attributes == pytest.approx(dict(zip(ATTRIBUTES, (4, 0, 2, 2, 1), strict=True)), abs=0.7)
    assert bad.attributes["helpfulness"] == pytest.approx(0, abs=0.7) and bad.attributes["correctness"] == pytest.approx(4, abs=0.7)
    assert on_ratings.metrics["mse_helpfulness"] < 0.5 < 3.9 < on_ratings.metrics["mse_of_mean_helpfulness"]
    assert on_ratings.metrics["correlation_helpfulness"] > 0.95
    assert on_ratings.accuracy is not None and on_ratings.accuracy.share == 1 and on_ratings.accuracy.size == on_ratings.held_out // 2


def test_the_loss_of_ratings_is_the_mean_squared_error_of_what_was_rated(base: str, tmp_path: Path) -> None:
    import torch

    settings = RewardTraining(batch_size=len(RATED), holdout=0.25, seed=5)
    taught, _ = split_rows(RATED, settings.holdout, settings.seed)
    model, tokenizer = open_base(base, ATTRIBUTES, settings.seed)
    model.eval()
    with torch.inference_mode():
        said = model(**pad_features(tokenizer, encode_dialogues(tokenizer, [row.dialogue for row in taught]))).logits.tolist()
    errors = [
        (value - given) ** 2
        for row, values in zip(taught, said, strict=True)
        for value, given in zip(values, row.attributes.values(), strict=True)
        if given is not None
    ]
    ((step, loss),) = train_reward_model(RATED, base, tmp_path, settings).losses
    assert (step, loss) == (1, pytest.approx(math.fsum(errors) / len(errors), rel=1e-4))


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(base: str, on_pairs: TrainedRewardModel, tmp_path: Path) -> None:
    again = train_reward_model(PAIRS, base, tmp_path / "again", SETTINGS)
    assert weights(again.folder) == weights(on_pairs.folder)
    assert replace(again, folder=on_pairs.folder) == on_pairs
    other = train_reward_model(PAIRS, base, tmp_path / "other", SETTINGS.model_copy(update={"seed": 1}))
    assert weights(other.folder) != weights(on_pairs.folder)


@pytest.mark.parametrize("kind", ["pairs", "ratings"])
def test_a_stopped_training_goes_on_and_ends_at_the_same_bytes(
    kind: str, base: str, on_pairs: TrainedRewardModel, on_ratings: TrainedRewardModel, tmp_path: Path
) -> None:
    whole, data = (on_pairs, PAIRS) if kind == "pairs" else (on_ratings, RATED)
    settings = SETTINGS if kind == "pairs" else SETTINGS.model_copy(update={"epochs": 8.0})
    seen: list[int] = []

    def stop(step: int, steps: int, loss: float) -> None:
        seen.append(step)
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_reward_model(data, base, tmp_path, settings, stop)
    seen.clear()
    resumed = train_reward_model(data, base, tmp_path, settings, lambda step, *rest: seen.append(step))
    assert seen[0] == 6, "it goes on from the checkpoint of step 5"
    assert weights(resumed.folder) == weights(whole.folder)
    seen.clear()
    assert train_reward_model(data, base, tmp_path, settings, lambda step, *rest: seen.append(step)) == resumed
    assert not seen, "a finished one is returned at once"


def test_what_cannot_be_trained_on_is_left_out_and_counted(base: str, tmp_path: Path) -> None:
    odd = [
        Pair(ask("47", "good"), ask("8", "bad")),
        Pair(ask("47", "good"), ask("47", "good")),
        Pair(ask("47", "good " * 200), ask("47", "bad")),
    ]
    trained = train_reward_model([*PAIRS, *odd], base, tmp_path, SETTINGS.model_copy(update={"epochs": 0.2}))
    assert trained.left_out == {"different_prompts": 1, "same_response": 1, "too_long": 1}
    assert trained.rows + trained.held_out == len(PAIRS)


def test_a_language_model_with_a_chat_template_is_a_base_too(save_model: Callable[..., Path], tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM

    folder = str(save_model(LlamaForCausalLM))
    trained = train_reward_model(PAIRS, folder, tmp_path, SETTINGS)
    assert trained.accuracy is not None and trained.accuracy.share == 1
    assert LocalRewardModel(str(trained.folder), 8).rate([PAIRS[0].chosen])[0] is not None
    assert json.loads((trained.folder / "config.json").read_text())["use_cache"] is True, "as its base has it, and not as the Trainer wants"


def test_too_little_is_told(base: str, tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match="0 rows to train on and 0 held out"):
        train_reward_model([Pair(ask("8", "good " * 200), ask("8", "bad"))], base, tmp_path, SETTINGS)
    unrated = [replace(row, attributes={**row.attributes, "verbosity": None}) for row in RATED]
    with pytest.raises(FactoryError, match="no row that is trained on rates verbosity"):
        train_reward_model(unrated, base, tmp_path, SETTINGS)


def test_a_rate_that_breaks_the_model_is_told_and_keeps_no_model(base: str, tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match="is no number at step"):
        train_reward_model(PAIRS, base, tmp_path, SETTINGS.model_copy(update={"learning_rate": 1e30, "epochs": 9.0}))
    assert not (tmp_path / "model").exists()


def test_a_base_that_lacks_weights_or_is_none_is_refused(base: str, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(base, tmp_path / "base")
    kept = load_file(folder / "model.safetensors")
    save_file({name: value for name, value in kept.items() if "layer.1" not in name}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(FactoryError, match=r"its weights lack \d+ tensors"):
        train_reward_model(PAIRS, str(folder), tmp_path / "out", SETTINGS)
    with pytest.raises(FactoryError, match="cannot be opened"):
        train_reward_model(PAIRS, str(tmp_path / "nowhere"), tmp_path / "out", SETTINGS)


def test_all_rows_of_a_prompt_are_on_one_side_of_the_split() -> None:
    taught, held = split_rows(RATED, 0.3, seed=1)
    assert len(taught) + len(held) == len(RATED) and 0 < len(held) < len(taught)
    assert not {row.dialogue[0].content for row in taught} & {row.dialogue[0].content for row in held}
    assert split_rows(RATED, 0.3, seed=2)[1] != held


def test_wilsons_interval_and_the_rule_of_lengths() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263.
    assert Accuracy(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)
    pairs = [
        Pair(ask("8", chosen), ask("8", rejected)) for chosen, rejected in (("aaa", "a"), ("aa", "a"), ("a", "aa"), ("b", "a"), ("c", "a"))
    ]
    assert learn_length_rule(pairs) and not learn_length_rule(pairs[2:])
    assert measure_length_rule(pairs, longer=True) == Accuracy(3, 5)
    assert measure_length_rule(pairs, longer=False) == Accuracy(2, 5)


def test_rated_responses_to_one_prompt_make_pairs_by_helpfulness() -> None:
    def rate(question: str, said: str, value: float | None) -> Rated:
        return Rated(ask(question, said), dict.fromkeys(ATTRIBUTES, value))

    rows = [rate("8", "no", 1), rate("8", "good", 4), rate("8", "yes", 1), rate("4", "good", 3), rate("8", "bad", None)]
    assert pair_up(rows) == [Pair(ask("8", "good"), ask("8", "no")), Pair(ask("8", "good"), ask("8", "yes"))]
