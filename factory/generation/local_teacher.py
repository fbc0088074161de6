"""The local teacher: an in-process Hugging Face model that answers batches of requests, each with sampling noise of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from factory.faults import FactoryError
from factory.generation.chat import Completion, FinishReason, Message, Request
from factory.generation.local_model import OpenModel, Quantisation, open_model
from factory.generation.noise import GumbelNoise
from factory.generation.tokens import ChatTokenizer, explain_reading
from factory.line_models import is_hub_id
from factory.model_spec import Sampling
from factory.pico.models import PICO_MODELS, model_revision, name_model, pin_revision, resolve_model

WINDOW_BATCHES = 4
"""Batches in one window: enough that batches of like length come out of it, few enough that a window is soon done."""


class LocalTeacher:
    """A causal language model with a chat template, on the GPU where there is one, else in float32 on the CPU.

    Nothing is read before it is needed: where every answer is in the ledger, the model is never opened.
    """

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        batch_size: int = 60,
        adapter: str | None = None,
        quantisation: Quantisation | None = None,
        find_end: Callable[[Any], int | None] | None = None,
    ) -> None:
        """`model`: a bundled pico model, a local Hugging Face folder, or a hub id; `adapter`: the folder of a LoRA adapter to it.

        `find_end` gives, of the tokenizer of transformers, a token that ends an answer beside those that the model names, or None.

        Raises FactoryError where there is no such folder.
        """
        self._source = resolve_model(model)
        self._asked_revision = revision
        self._adapter = None if adapter is None else Path(adapter)
        self._quantisation = quantisation
        self._find_end = find_end
        self.batch_size = batch_size
        folder = Path(self._source)
        is_local = folder.is_dir()
        if (is_local and not (folder / "config.json").is_file()) or not (is_local or is_hub_id(model)):
            raise FactoryError(
                f"No model {model!r}: {folder} is no Hugging Face model folder (with config.json, safetensors and a tokenizer). "
                f"Give a bundled model ({', '.join(PICO_MODELS)}), such a folder, or a hub id 'owner/name'."
            )
        if self._adapter is not None and not (self._adapter / "adapter_config.json").is_file():
            raise FactoryError(f"No LoRA adapter {adapter!r}: the folder has no adapter_config.json. Give one that peft saved.")
        self.name = name_model(model)
        self._tokenizer = ChatTokenizer(self.name, self._source, revision)

    @cached_property
    def revision(self) -> str:
        """What tells this model's weights from others of the same name."""
        return model_revision(self._source, self._asked_revision)

    @cached_property
    def identity(self) -> str:
        """`<name>@<revision>`, followed by `+<adapter>@<its revision>` and `+4bit` where there are."""
        adapter = "" if self._adapter is None else f"+{self._adapter.resolve().name}@{model_revision(str(self._adapter))}"
        return f"{self.name}@{self.revision}{adapter}{f'+{self._quantisation}' if self._quantisation else ''}"

    @cached_property
    def context_tokens(self) -> int | None:
        """Most tokens of prompt and answer together; None where the model's config sets no bound."""
        from transformers import AutoConfig

        with explain_reading(self.name, self._source, "config"):
            pinned = pin_revision(self._source, self._asked_revision)
            config = AutoConfig.from_pretrained(self._source, revision=pinned, trust_remote_code=False)
        return getattr(config.get_text_config(), "max_position_embeddings", None)

    @property
    def window(self) -> int:
        """How many requests are best planned together."""
        return self.batch_size * WINDOW_BATCHES

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt under the model's chat template, the opening of the answer included."""
        return len(self._tokenizer.encode([messages])[0])

    def describe_counting(self) -> list[Any]:
        """What decides, beside `identity`, how long prompts are taken to be: nothing."""
        return []

    def plan_batches(self, requests: Sequence[Request]) -> list[list[int]]:
        """How `complete` cuts `requests` into batches: places in `requests`, of one sampling and like length, at most `batch_size` each.

        Lengths are characters, so that no tokenizer is opened to plan. A batch asked alone is one batch again, with the same answers.
        """
        places: dict[Sampling, list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(request.sampling, []).append(place)
        batches = []
        for alike in places.values():
            alike.sort(key=lambda place: sum(len(message.content) for message in requests[place].messages))
            batches += [alike[start : start + self.batch_size] for start in range(0, len(alike), self.batch_size)]
        return batches

    def complete(self, requests: Sequence[Request], progress: Callable[[int, int], None] | None = None) -> list[Completion]:
        """The answers to one window, in the order of `requests`; `progress(done, total)` is called after each batch.

        The same window gives the same answers. In another window an answer may differ in rare places: the noise is the same, but a model's
        floating-point output depends on the shape of its batch. A schema is not enforced.
        Raises FactoryError where the model cannot be read, has no chat template, or refuses a prompt.
        """
        completions: dict[int, Completion] = {}
        for batch in self.plan_batches(requests):
            completions.update(zip(batch, self._complete_batch([requests[place] for place in batch]), strict=True))
            if progress is not None:
                progress(len(completions), len(requests))
        return [completions[place] for place in range(len(requests))]

    def _complete_batch(self, requests: Sequence[Request]) -> list[Completion]:
        sampling = requests[0].sampling
        prompts = self._tokenizer.encode([request.messages for request in requests])
        most = None if self.context_tokens is None else self.context_tokens - sampling.max_new_tokens
        fitting = [i for i, prompt in enumerate(prompts) if most is None or len(prompt) <= most]
        completions = [Completion("", "overflow", len(prompt), 0) for prompt in prompts]
        if fitting:
            answers = self._generate([prompts[i] for i in fitting], [requests[i].seed for i in fitting], sampling)
            for i, answer in zip(fitting, answers, strict=True):
                completions[i] = self._read_answer(len(prompts[i]), answer)
        return completions

    def _generate(self, prompts: list[list[int]], seeds: list[int], sampling: Sampling) -> list[list[int]]:
        """New token ids of each prompt, up to `max_new_tokens`, padded after the end."""
        import torch
        from torch.nn.utils.rnn import pad_sequence
        from transformers import GenerationConfig, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

        opened = self._opened
        rows = [torch.tensor(prompt) for prompt in prompts]
        ids = pad_sequence(rows, batch_first=True, padding_value=opened.pad, padding_side="left")
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True, padding_side="left")
        processors = LogitsProcessorList()
        if sampling.temperature > 0:
            if sampling.temperature != 1:
                processors.append(TemperatureLogitsWarper(sampling.temperature))
            if sampling.top_p < 1:
                processors.append(TopPLogitsWarper(sampling.top_p))
            processors.append(GumbelNoise(seeds))
        # do_sample=False takes the argmax, which the noise makes a sample: torch's own generator would tie a row's draw to its batch.
        config = GenerationConfig(
            do_sample=False, max_new_tokens=sampling.max_new_tokens, eos_token_id=list(opened.ends), pad_token_id=opened.pad
        )
        with torch.inference_mode():
            output = opened.model.generate(
                input_ids=ids.to(opened.model.device),
                attention_mask=mask.to(opened.model.device),
                generation_config=config,
                logits_processor=processors,
            )
        return output[:, ids.shape[1] :].tolist()  # type: ignore[no-any-return]

    def _read_answer(self, prompt_tokens: int, ids: list[int]) -> Completion:
        tokenizer = self._tokenizer.opened
        end = next((place for place, token in enumerate(ids) if token in self._opened.ends), None)
        written = ids if end is None else ids[:end]
        reason: FinishReason = "length" if end is None else "stop"
        if end is not None and not set(tokenizer.all_special_ids).isdisjoint(written):
            reason = "special"
        text = tokenizer.decode(written, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Completion(text, reason, prompt_tokens, len(written) + (end is not None))

    @cached_property
    def _opened(self) -> OpenModel:
        opened = open_model(self._tokenizer, self._source, self._asked_revision, self._adapter, self._quantisation)
        end = None if self._find_end is None else self._find_end(self._tokenizer.opened)
        return opened if end is None or end in opened.ends else replace(opened, ends=(*opened.ends, end))
