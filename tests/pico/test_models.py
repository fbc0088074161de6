"""The shipped weights: standard Hugging Face folders, small, and good at what the recipe promises."""

import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, MistralConfig

from factory.pico.corpus import Corpus
from factory.pico.models import PICO_MODELS, WEIGHTS, identify_model, model_revision, resolve_model
from factory.pico.pretrain import pretrain_language_model
from factory.pico.rated import write_rated
from factory.pico.recipe import Recipe, Stage
from factory.problems import write_problem


def test_all_weights_together_stay_under_eight_megabytes():
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*.safetensors")) < 8_000_000


@pytest.mark.parametrize("model", PICO_MODELS)
def test_a_bundled_model_is_safetensors_only_with_a_chat_template(model):
    folder = Path(resolve_model(model))
    assert {file.suffix for file in folder.iterdir()} <= {".safetensors", ".json", ".jinja"}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = 'Berapa 47 + 85? {"name": "Ana"} ümlaut 漢字'
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Dear Ana"}]
    encoded = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    learned = [token for token, mask in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mask]
    assert tokenizer.decode(learned) == "Dear Ana<|end|>"


def answer(model: str, instructions: list[str]) -> list[str]:
    folder = resolve_model(model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [
        tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
        for text in instructions
    ]
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    written = network.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=40, do_sample=False)
    return tokenizer.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def accuracy(model: str) -> float:
    rng = random.Random(11)
    names = ("addition", "reverse_words", "sort_words", "json_record", "convert_units", "number_words_id")
    problems = [write_problem(name, rng) for name in names for _ in range(16)]
    answers = answer(model, [problem.instruction for problem in problems])
    return sum(written == problem.response for written, problem in zip(answers, problems, strict=True)) / len(problems)


def test_the_teacher_is_good_and_not_perfect_and_the_student_is_weak():
    teacher, student = accuracy("pico-teacher"), accuracy("pico-student")
    assert 0.4 < teacher < 1.0
    assert student < teacher - 0.2


def test_the_reward_model_ranks_good_above_spoilt():
    folder = resolve_model("pico-reward")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    rng = random.Random(12)
    scores: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(120):
        messages, good = write_rated(Corpus(frozenset()), rng)
        inputs = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False), return_tensors="pt", add_special_tokens=False)
        scores[good].append(model(input_ids=inputs["input_ids"]).logits.item())
    above = [a > b for a in scores[True] for b in scores[False]]
    assert sum(above) / len(above) > 0.6


def test_a_revision_changes_with_any_file(tmp_path):
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_text("a")
    before = model_revision(str(tmp_path))
    (tmp_path / "config.json").write_text("b")
    assert model_revision(str(tmp_path)) != before


def test_a_folder_is_the_same_model_wherever_it_lies(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("a")
    assert identify_model(str(tmp_path / "one")) == identify_model(str(tmp_path / "two")) == model_revision(str(tmp_path / "one"))
    assert identify_model("pico-student") == model_revision("pico-student") != identify_model("pico-teacher")


def test_a_recipe_makes_another_architecture_of_the_same_sizes(tmp_path):
    recipe = Recipe("narrow", hidden=16, layers=1, heads=2, intermediate=16, stages=(Stage(40, 1e-3, {"notes": 1.0}),), seed=3)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("pico-student"))
    told: list[str] = []
    pretrain_language_model(
        Corpus(frozenset()), recipe, tokenizer, tmp_path, told.append, lambda **sizes: MistralConfig(**sizes | {"sliding_window": 8})
    )
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert (model.config.model_type, model.config.hidden_size, model.config.sliding_window) == ("mistral", 16, 8)
    assert told[0].startswith("narrow: stage 1 of 1")
