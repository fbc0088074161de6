"""The reward model: a sequence classifier with one score, whose sigmoid is the probability that a response is good."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from factory.faults import FactoryError
from factory.pico.models import model_revision, resolve_model

PROBABILITY_DIGITS = 6
"""Scores are rounded to what float32 holds whatever the batch: so a score does not depend on which rows were scored beside it."""


@dataclass(frozen=True)
class Pair:
    """What is scored: what the user said (with the context, if any) and what the assistant answered."""

    user: str
    response: str


def user_text(instruction: str, context: str | None) -> str:
    """The user's turn: the context, a blank line and the instruction; or the instruction alone."""
    return instruction if context is None else f"{context}\n\n{instruction}"


class RewardModel:
    """A Hugging Face sequence classifier, in float32, on the GPU where there is one.

    `model` is a bundled pico model, a folder or a hub id; `revision` belongs to a hub id. Weights are read from safetensors only, and code
    that a model brings along is never run. Raises FactoryError where the model cannot be opened, has no chat template, has not exactly
    one label, or its scoring head holds no trained weights.
    """

    def __init__(self, model: str, batch_size: int, revision: str | None = None) -> None:
        import torch

        self.name = model
        self.batch_size = batch_size
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer, self._model = _open(model, revision)
        self._model.to(self._device).eval()
        self._limit = min(_positions(self._model.config), self._tokenizer.model_max_length)
        self.revision = model_revision(model, revision)

    def score(self, pairs: Sequence[Pair]) -> list[float | None]:
        """For each pair the probability, 0 to 1, that the response is good; None for a pair that is longer than the model reads.

        Raises FactoryError where the model gives something that is no number.
        """
        tokens = self._tokenize(pairs)
        fitting = [index for index, ids in enumerate(tokens) if len(ids) <= self._limit]
        fitting.sort(key=lambda index: (len(tokens[index]), index))
        scores: list[float | None] = [None] * len(pairs)
        for start in range(0, len(fitting), self.batch_size):
            batch = fitting[start : start + self.batch_size]
            for index, score in zip(batch, self._score_batch([tokens[index] for index in batch]), strict=True):
                scores[index] = score
        return scores

    def _tokenize(self, pairs: Sequence[Pair]) -> list[list[int]]:
        if not pairs:
            return []
        dialogues = [[{"role": "user", "content": pair.user}, {"role": "assistant", "content": pair.response}] for pair in pairs]
        texts = self._tokenizer.apply_chat_template(dialogues, tokenize=False)
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def _score_batch(self, rows: list[list[int]]) -> list[float]:
        import torch

        # Padding on the right leaves the positions of every token as they are without padding.
        batch = self._tokenizer.pad({"input_ids": rows}, padding_side="right", return_tensors="pt").to(self._device)
        with torch.inference_mode():
            logits = self._model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        scores: list[float] = torch.sigmoid(logits.float().squeeze(-1)).tolist()
        if not all(math.isfinite(score) for score in scores):
            raise FactoryError(
                f"reward model {self.name!r} gives scores that are no numbers: its weights are damaged, or hold values beyond float32. "
                "Use another model in `reward.model`."
            )
        return [round(score, PROBABILITY_DIGITS) for score in scores]


def _open(name: str, revision: str | None) -> tuple[Any, Any]:
    """The tokenizer and the model of `name`, checked."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    source, where = resolve_model(name), {"revision": revision or "main", "trust_remote_code": False}
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(source, **where)
            tokenizer = AutoTokenizer.from_pretrained(source, **where)
            _check_head(name, config.num_labels)
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                source, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **where
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise FactoryError(
            f"reward model {name!r} cannot be opened: {_first_line(error)} Give a bundled model, a folder or a hub id that holds a "
            "sequence classifier with its tokenizer and safetensors weights in `reward.model`."
        ) from error
    if loading["missing_keys"]:
        missing = ", ".join(sorted(loading["missing_keys"])[:3])
        raise FactoryError(
            f"reward model {name!r} holds no trained weights for {missing}: it is not a reward model, or only a part of one. "
            "Give a model in `reward.model` that was trained to score responses."
        )
    if tokenizer.chat_template is None:
        raise FactoryError(
            f"the tokenizer of reward model {name!r} has no chat template, so nobody knows how it reads a dialogue. Use one that has."
        )
    _agree_on_padding(tokenizer, model.config)
    return tokenizer, model


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no reports of the library: what matters of them becomes an error."""
    from transformers.utils import logging

    showed, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if showed:
            logging.enable_progress_bar()


def _check_head(name: str, labels: int) -> None:
    if labels != 1:
        raise FactoryError(
            f"reward model {name!r} has {labels} labels; a reward model has one, whose sigmoid is the probability that a response is good. "
            "Give another model in `reward.model`."
        )


def _agree_on_padding(tokenizer: Any, config: Any) -> None:
    """Decoders score at the last token that is not padding, so model and tokenizer must name the same token."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    config.get_text_config().pad_token_id = tokenizer.pad_token_id


def _positions(config: Any) -> int:
    """How many tokens the model reads; without a limit of its own, as many as the tokenizer says."""
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(limit) if limit else 2**31


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") + "."
