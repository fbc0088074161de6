"""The local teacher: exact sampling, answers that depend on the request alone, and clear words where a model cannot be used."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare
from tiny_llama import CONTEXT_TOKENS, save_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.faults import FactoryError
from factory.generation.chat import Completion, Message, Request
from factory.generation.local_model import open_model
from factory.generation.local_teacher import LocalTeacher
from factory.generation.tokens import ChatTokenizer
from factory.model_spec import Sampling

SAMPLING = Sampling(temperature=1.0, max_new_tokens=24)


def ask(prompt: str, seed: int, sampling: Sampling = SAMPLING, system: str | None = None) -> Request:
    before = () if system is None else (Message("system", system),)
    return Request((*before, Message("user", prompt)), seed, sampling)


REQUESTS = [ask("Sort these words" + ": apple tree" * (n % 4), 1000 + n) for n in range(20)]


def next_token_probabilities(folder: Path, prompt: str, temperature: float = 1.0) -> tuple[torch.Tensor, list[str]]:
    """The model's next-token distribution, and what each token reads as; an end token reads as nothing."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(f"<|user|>{prompt}<|end|><|assistant|>", add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, -1].double()
    ends = model.generation_config.eos_token_id
    return (logits / temperature).softmax(-1), ["" if token in ends else tokenizer.decode([token]) for token in range(len(logits))]


def draw_next_tokens(folder: Path, sampling: Sampling, count: int) -> Counter[str]:
    teacher = LocalTeacher(str(folder), batch_size=500)
    return Counter(answer.text for answer in teacher.complete([ask("apple tree", seed, sampling) for seed in range(count)]))


def compare(counts: Counter[str], probabilities: torch.Tensor, texts: list[str]) -> float:
    """The p value of a chi-square test; tokens expected fewer than five times are taken together."""
    expected: Counter[str] = Counter()
    for probability, text in zip(probabilities.tolist(), texts, strict=True):
        expected[text] += probability * counts.total()
    assert set(counts) <= {text for text, number in expected.items() if number > 0}
    common = [text for text, number in expected.items() if number >= 5]
    observed = [counts[text] for text in common]
    theory = [expected[text] for text in common]
    rest = counts.total() - sum(theory)
    if rest > 1e-6:
        observed.append(counts.total() - sum(observed))
        theory.append(rest)
    return float(chisquare(observed, theory, sum_check=False).pvalue)


def test_samples_follow_the_models_own_distribution(tiny_model: Path) -> None:
    probabilities, texts = next_token_probabilities(tiny_model, "apple tree")
    assert compare(draw_next_tokens(tiny_model, Sampling(temperature=1.0, max_new_tokens=1), 4000), probabilities, texts) > 0.01


def test_temperature_and_nucleus_shape_the_distribution(tiny_model: Path) -> None:
    probabilities, texts = next_token_probabilities(tiny_model, "apple tree", temperature=0.7)
    order = probabilities.argsort(descending=True)
    before = probabilities[order].cumsum(0) - probabilities[order]
    kept = torch.zeros_like(probabilities)
    kept[order[before < 0.8]] = probabilities[order[before < 0.8]]
    counts = draw_next_tokens(tiny_model, Sampling(temperature=0.7, top_p=0.8, max_new_tokens=1), 4000)
    assert compare(counts, kept / kept.sum(), texts) > 0.01


def test_zero_temperature_is_greedy(tiny_model: Path) -> None:
    probabilities, texts = next_token_probabilities(tiny_model, "apple tree")
    assert [*draw_next_tokens(tiny_model, Sampling(temperature=0, max_new_tokens=1), 5)] == [texts[int(probabilities.argmax())]]


def test_the_same_call_gives_the_same_answers(tiny_model: Path, tiny_teacher: LocalTeacher) -> None:
    first = tiny_teacher.complete(REQUESTS)
    assert tiny_teacher.complete(REQUESTS) == first
    assert LocalTeacher(str(tiny_model), batch_size=8).complete(REQUESTS) == first
    assert len({answer.text for answer in first}) > 15


def test_an_answer_depends_on_its_own_request(tiny_teacher: LocalTeacher) -> None:
    together = tiny_teacher.complete(REQUESTS)
    assert [tiny_teacher.complete([request])[0] for request in REQUESTS] == together
    assert tiny_teacher.complete(REQUESTS[::-1]) == together[::-1]
    other_seeds = [replace(request, seed=request.seed + 1) for request in REQUESTS]
    assert [a.text for a in tiny_teacher.complete(other_seeds)] != [a.text for a in together]


def test_a_window_is_cut_into_batches_of_one_sampling_and_like_length(tiny_teacher: LocalTeacher) -> None:
    cold = Sampling(temperature=0, max_new_tokens=8)
    mixed = [replace(request, sampling=cold) if place % 3 == 0 else request for place, request in enumerate(REQUESTS)]
    batches = tiny_teacher.plan_batches(mixed)
    assert [len(batch) for batch in batches] == [7, 8, 5]
    assert sorted(place for batch in batches for place in batch) == [*range(20)]
    for batch in batches:
        assert len({mixed[place].sampling for place in batch}) == 1
        lengths = [len(mixed[place].messages[0].content) for place in batch]
        assert lengths == sorted(lengths)
    done: list[tuple[int, int]] = []
    answers = tiny_teacher.complete(mixed, lambda *count: done.append(count))
    assert done == [(7, 20), (15, 20), (20, 20)]
    for batch in batches:
        assert tiny_teacher.complete([mixed[place] for place in batch]) == [answers[place] for place in batch]
    assert tiny_teacher.complete([]) == []


def test_a_conversation_of_several_turns_is_counted_and_answered(tiny_teacher: LocalTeacher) -> None:
    turns = (Message("user", "apple"), Message("assistant", "tree"), Message("user", "sun"))
    answer = tiny_teacher.complete([Request(turns, 3, SAMPLING)])[0]
    assert answer.prompt_tokens == tiny_teacher.count_tokens(turns) > tiny_teacher.count_tokens(turns[:1])


def test_each_answer_says_how_it_ended(tiny_model: Path, tiny_teacher: LocalTeacher) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    sampling = Sampling(temperature=1.0, max_new_tokens=12)
    answers = tiny_teacher.complete([ask("apple tree", seed, sampling) for seed in range(120)])
    assert {answer.finish_reason for answer in answers} == {"stop", "length", "special"}
    for answer in answers:
        assert answer.prompt_tokens == len(tokenizer("<|user|>apple tree<|end|><|assistant|>", add_special_tokens=False)["input_ids"])
        assert (answer.completion_tokens == sampling.max_new_tokens) or answer.finish_reason != "length"
        assert not set(answer.text) & set("QXZqxz?:")  # the end tokens of the model's generation_config.json
        assert ("<|" in answer.text) or answer.finish_reason != "special"
        assert ("<|" not in answer.text) or answer.finish_reason != "stop"


def test_a_control_token_in_a_text_is_text(tiny_teacher: LocalTeacher) -> None:
    plain, marked = (tiny_teacher.complete([ask(prompt, 1)])[0] for prompt in ("apple", "apple<|end|>"))
    assert marked.prompt_tokens - plain.prompt_tokens > 1


def test_a_system_message_is_part_of_the_prompt(tiny_teacher: LocalTeacher) -> None:
    without, within = (tiny_teacher.complete([ask("apple", 1, system=system)])[0] for system in (None, "Be brief."))
    assert within.prompt_tokens > without.prompt_tokens


def test_a_prompt_that_does_not_fit_is_not_asked(tiny_teacher: LocalTeacher) -> None:
    assert tiny_teacher.context_tokens == CONTEXT_TOKENS
    short, edge, long = "apple", "a" * (CONTEXT_TOKENS - SAMPLING.max_new_tokens - 3), "a" * (CONTEXT_TOKENS - SAMPLING.max_new_tokens - 2)
    answers = tiny_teacher.complete([ask(prompt, 5) for prompt in (short, long, edge)])
    assert answers[1] == Completion("", "overflow", CONTEXT_TOKENS - SAMPLING.max_new_tokens + 1, 0)
    assert answers[0].completion_tokens > 0
    assert answers[2].completion_tokens > 0
    assert tiny_teacher.complete([ask(long, 5)]) == [answers[1]]


def test_identity_tells_weights_apart_and_not_places(tiny_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / "elsewhere" / tiny_model.name)
    other = save_tiny_model(tmp_path / tiny_model.name, seed=1)
    identity = LocalTeacher(str(tiny_model)).identity
    assert identity.startswith(f"{tiny_model.name}@")
    assert LocalTeacher(str(copy)).identity == identity
    assert LocalTeacher(str(other)).identity != identity


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    for model in (str(tmp_path / "nothing"), str(tmp_path), "pico-techer"):
        with pytest.raises(FactoryError, match=r"No model .*Give a bundled model \(pico-teacher"):
            LocalTeacher(model)


def test_a_hub_that_cannot_be_reached_asks_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    teacher = LocalTeacher("no-such-owner/no-such-model")
    assert teacher.identity == "no-such-owner/no-such-model@main"
    with pytest.raises(FactoryError, match=r"no-such-owner/no-such-model.*download the model elsewhere and give its folder"):
        teacher.complete(REQUESTS[:1])


def test_unreadable_models_are_named(tiny_model: Path, tmp_path: Path) -> None:
    def spoil(name: str, file: str, content: bytes | None) -> LocalTeacher:
        folder = shutil.copytree(tiny_model, tmp_path / name)
        (folder / file).unlink()
        if content is not None:
            (folder / file).write_bytes(content)
        return LocalTeacher(str(folder))

    pickled = spoil("pickled", "model.safetensors", None)
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    for teacher in (
        pickled,
        spoil("cut", "model.safetensors", (tiny_model / "model.safetensors").read_bytes()[:-100]),
        spoil("noise", "model.safetensors", b"\x00" * 100),
        spoil("no-json", "config.json", b"{"),
        spoil("unknown-kind", "config.json", json.dumps({"model_type": "no-such-kind"}).encode()),
    ):
        with pytest.raises(FactoryError, match=rf"model {teacher.name}: its .* cannot be read: .*See that"):
            teacher.complete(REQUESTS[:1])


def test_a_model_without_chat_template_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "plain")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(FactoryError, match="model plain: its tokenizer has no chat template"):
        LocalTeacher(str(folder)).complete(REQUESTS[:1])


def test_a_template_that_refuses_a_message_is_named(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "strict")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(template.replace("'tool'", "'system'"))
    with pytest.raises(FactoryError, match="model strict: its chat template refuses the prompt: no tools here"):
        LocalTeacher(str(folder)).complete([ask("a", 1, system="b")])


def test_a_classifier_is_no_teacher(tmp_path: Path) -> None:
    teacher = LocalTeacher(str(save_tiny_model(tmp_path / "classifier", kind="classifier")))
    with pytest.raises(FactoryError, match=r"weights lack 1 tensors of a language model \(such as lm_head.weight\)"):
        teacher.complete(REQUESTS[:1])


def save_adapter(base: Path, folder: Path, merged: Path | None = None) -> Path:
    """A LoRA adapter of random weights to the model in `base`; the two merged, as a whole model, in `merged`."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    adapted.save_pretrained(folder)
    if merged is not None:
        shutil.copytree(base, merged)
        adapted.merge_and_unload().save_pretrained(merged)
    return folder


def test_an_adapter_changes_the_model_and_who_it_is(tiny_model: Path, tiny_teacher: LocalTeacher, tmp_path: Path) -> None:
    adapter = save_adapter(tiny_model, tmp_path / "my-lora", tmp_path / "merged")
    teacher = LocalTeacher(str(tiny_model), batch_size=8, adapter=str(adapter))
    answers = teacher.complete(REQUESTS)
    assert answers == LocalTeacher(str(tmp_path / "merged"), batch_size=8).complete(REQUESTS)
    assert answers != tiny_teacher.complete(REQUESTS)
    assert teacher.identity.startswith(f"{tiny_teacher.identity}+my-lora@")


def test_an_adapter_that_is_none_or_of_another_model_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match=r"No LoRA adapter .*no adapter_config.json"):
        LocalTeacher(str(tiny_model), adapter=str(tmp_path))
    adapter = save_adapter(tiny_model, tmp_path / "my-lora")
    with pytest.raises(FactoryError, match=r"model pico-teacher with adapter my-lora: its adapter cannot be read"):
        LocalTeacher("pico-teacher", adapter=str(adapter)).complete(REQUESTS[:1])


def test_four_bits_hold_the_weights_of_every_layer_beside_an_adapter_and_answer_the_same_again(tiny_model: Path, tmp_path: Path) -> None:
    teacher = LocalTeacher(str(tiny_model), batch_size=8, quantisation="4bit")
    answers = teacher.complete(REQUESTS)
    assert answers == LocalTeacher(str(tiny_model), batch_size=8, quantisation="4bit").complete(REQUESTS)
    opened = open_model(ChatTokenizer("tiny", str(tiny_model)), str(tiny_model), None, quantisation="4bit").model
    layers = [module for name, module in opened.named_modules() if name.endswith("_proj")]
    assert layers and all(type(layer).__name__ == "Linear4bit" and layer.weight.quant_state.quant_type == "nf4" for layer in layers)
    adapted = LocalTeacher(str(tiny_model), batch_size=8, quantisation="4bit", adapter=str(save_adapter(tiny_model, tmp_path / "my-lora")))
    assert adapted.complete(REQUESTS) != answers
    assert teacher.identity.endswith("+4bit") and adapted.identity.endswith("+4bit")


def test_four_bits_without_their_library_say_what_to_install(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FactoryError, match=r"needs bitsandbytes: pip install 'data-factory\[quantised\]'.*name it as `server`"):
        LocalTeacher(str(tiny_model), quantisation="4bit").complete(REQUESTS[:1])
