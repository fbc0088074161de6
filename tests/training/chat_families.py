"""Small tokenizers with the chat templates of ChatML, Llama 3 and Mistral as the families publish them, and what each should train."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tiny_student import write_records
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
MISTRAL_1 = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
MISTRAL_3 = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- endif %}
{%- endfor %}
"""
"""Of Mistral 7B Instruct v0.3, less its tools."""


@dataclass(frozen=True)
class Family:
    """A family's template. `answer` finds in a rendered dialogue what the assistant writes, the end of its turn included."""

    template: str
    bos: str | None
    eos: str
    control: tuple[str, ...]
    answer: str
    sentencepiece: bool = False
    takes_system: bool = True

    def render(self, messages: Sequence[Mapping[str, str]], **more: Any) -> str:
        """The dialogue as text, by jinja2 alone."""

        def refuse(why: str) -> str:
            raise ValueError(why)

        template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(self.template)
        return template.render(messages=messages, bos_token=self.bos, eos_token=self.eos, raise_exception=refuse, **more)

    def expect(self, tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Tokens of the rendered dialogue, and which of them lie in an answer: by the places of characters alone."""
        text = self.render(messages)
        encoded = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        answers = [found.span(1) for found in re.finditer(self.answer, text, re.DOTALL)]
        inside = [any(first <= start and end <= last for first, last in answers) for start, end in encoded.offsets]
        return tuple(encoded.ids), tuple(inside)


FAMILIES = {
    "chatml": Family(CHATML, None, "<|im_end|>", ("<|im_start|>",), r"<\|im_start\|>assistant\n(.*?<\|im_end\|>)"),
    "llama_3": Family(
        LLAMA_3,
        "<|begin_of_text|>",
        "<|eot_id|>",
        ("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>"),
        r"<\|start_header_id\|>assistant<\|end_header_id\|>\n\n(.*?<\|eot_id\|>)",
    ),
    "mistral_1": Family(MISTRAL_1, "<s>", "</s>", (), r"\[/INST\](.*?</s>)", sentencepiece=True, takes_system=False),
    "mistral_3": Family(MISTRAL_3, "<s>", "</s>", ("[INST]", "[/INST]"), r"\[/INST\](.*?</s>)", sentencepiece=True, takes_system=False),
}
LLAMA_3_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@cache
def build_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """A tokenizer of the family's form over a small vocabulary, which puts BOS before whatever it encodes by itself, as Llama's do."""
    family = FAMILIES[name]
    backend = _like_mistral() if family.sentencepiece else _like_llama_3()
    named = [token for token in (family.bos, family.eos, *family.control) if token]
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in named])
    if family.bos:
        first = (family.bos, backend.token_to_id(family.bos))
        backend.post_processor = processors.TemplateProcessing(single=f"{family.bos} $A", special_tokens=[first])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=family.bos,
        eos_token=family.eos,
        additional_special_tokens=list(family.control),
        chat_template=family.template,
        clean_up_tokenization_spaces=False,
    )


def _texts() -> list[str]:
    """What the vocabularies are learnt from: such records, and the words that templates write around them."""
    rows = write_records(60, seed=9).select("instruction", "response").rows()
    return [text for row in rows for text in row] + ["[INST] What? [/INST] a](b c](d e](f\n\nuser assistant system\n"] * 20


def _like_llama_3() -> Tokenizer:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA_3_WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(_texts(), trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False))
    return backend


def _like_mistral() -> Tokenizer:
    """As the converted SentencePiece model: a space before each piece of text, no words told apart, bytes for what is unknown."""
    backend = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    named = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend.train_from_iterator(_texts(), trainers.BpeTrainer(vocab_size=600, special_tokens=named, show_progress=False))
    backend.pre_tokenizer = None  # only the learning stays inside of words
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return backend
