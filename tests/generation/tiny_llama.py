"""A tiny random Llama with a small tokenizer, saved as a normal Hugging Face folder."""

from __future__ import annotations

import string
from pathlib import Path

from tiny_models import make_tiny_model

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% elif message['role'] == 'tool' %}{{ raise_exception('no tools here') }}"
    "{% else %}<|user|>{{ message['content'] }}<|end|>{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTEXT_TOKENS = 320
WORDS = "Reverse the order of these words: apple tree, cat dog, sun moon, red blue, pen ink"


def save_tiny_model(folder: Path, *, kind: str = "causal", seed: int = 0) -> Path:
    """A random model of 90 tokens, of which nine end an answer: some answers end in time, some do not, some hold a control token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    letters = sorted(set(string.ascii_letters + string.digits + ".,:?<|>'"))
    special = ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=90,
        special_tokens=special,
        initial_alphabet=[*letters, "Ġ", "Ċ"],  # byte-level names of space and newline
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
        chat_template=CHAT_TEMPLATE,
    )
    model_class = LlamaForCausalLM if kind == "causal" else LlamaForSequenceClassification
    ends = {"bos_token_id": None, "eos_token_id": fast.eos_token_id}
    model = make_tiny_model(model_class, fast, CONTEXT_TOKENS, seed=seed, initializer_range=0.3, **ends)
    if kind == "causal":
        model.generation_config.eos_token_id = [fast.eos_token_id, *fast.convert_tokens_to_ids([*"QXZqxz?:"])]
        model.generation_config.repetition_penalty = 3.0  # a setting of the model's own, which no record would name
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
