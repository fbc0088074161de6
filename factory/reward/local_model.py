"""A reward model in this process: a sequence classifier of Hugging Face with one score, or with the five attributes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from factory.faults import FactoryError
from factory.pico.models import model_revision, name_model, pin_revision, resolve_model
from factory.reward.encoding import Features, agree_on_padding, check_reads_dialogues, count_positions, encode_dialogues, pad_features
from factory.reward.rating import Dialogue, Rating
from factory.reward_spec import ATTRIBUTES
from factory.tuning.libraries import keep_quiet

DIGITS = 4
"""Scores are rounded to what float32 holds whatever the batch: so a score does not depend on which rows were scored beside it."""


class LocalRewardModel:
    """A Hugging Face sequence classifier, in float32 whatever its weights are stored in, on the GPU where there is one.

    With one label its score is the logit, as of a Bradley-Terry model: the sigmoid of the difference of two is the probability that the
    first is preferred. With five labels they are the attributes by regression, in the order of ATTRIBUTES, or by name where its
    config names them (HelpSteer2, arXiv 2406.08673). `model` is a bundled pico model, a folder or a hub id; `revision` belongs to a hub id.
    Weights are read from safetensors only, and code that a model brings along is never run. Raises FactoryError where the model cannot be
    opened, has neither a chat template nor a form of pairs (factory.reward.encoding), has other labels, or its scoring head holds no
    trained weights.
    """

    def __init__(self, model: str, batch_size: int, revision: str | None = None) -> None:
        import torch

        self.name = name_model(model)
        self.batch_size = batch_size
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer, self._model = _open(model, revision)
        self._model.to(self._device).eval()
        self._labels = _read_labels(model, self._model.config)
        self._limit = count_positions(self._tokenizer, self._model.config)
        self.revision = model_revision(model, revision)

    @property
    def identity(self) -> str:
        """`<name>@<revision>`."""
        return f"{self.name}@{self.revision}"

    def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
        """The rating of each dialogue; None for one that is longer than the model reads.

        Raises FactoryError where the model gives something that is no number.
        """
        rows = encode_dialogues(self._tokenizer, dialogues)
        fitting = [index for index, row in enumerate(rows) if len(row["input_ids"]) <= self._limit]
        fitting.sort(key=lambda index: (len(rows[index]["input_ids"]), index))
        ratings: list[Rating | None] = [None] * len(dialogues)
        for start in range(0, len(fitting), self.batch_size):
            batch = fitting[start : start + self.batch_size]
            for index, logits in zip(batch, self._score_batch([rows[index] for index in batch]), strict=True):
                ratings[index] = self._read_logits(logits)
        return ratings

    def _score_batch(self, rows: list[Features]) -> list[list[float]]:
        import torch

        batch = pad_features(self._tokenizer, rows).to(self._device)
        with torch.inference_mode():
            output = self._model(**batch)
        logits: list[list[float]] = output.logits.float().tolist()
        if not all(math.isfinite(score) for scores in logits for score in scores):
            raise FactoryError(
                f"reward model {self.name!r} gives scores that are no numbers: its weights are damaged, or hold values beyond float32. "
                "Use another model in `reward.model`."
            )
        return logits

    def _read_logits(self, logits: list[float]) -> Rating:
        scores = [round(score, DIGITS) for score in logits]
        if len(scores) == 1:
            return Rating(reward=scores[0])
        return Rating(attributes={name: scores[place] for name, place in zip(ATTRIBUTES, self._labels, strict=True)})


def _open(name: str, revision: str | None) -> tuple[Any, Any]:
    """The tokenizer and the model of `name`, checked."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    source = resolve_model(name)
    try:
        with keep_quiet():
            where = {"revision": pin_revision(name, revision), "trust_remote_code": False}
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
        if any("v_head" in key for key in loading["unexpected_keys"]):
            missing += " (it holds the value head of PPO, which foretells a return and rates nothing)"
        raise FactoryError(
            f"reward model {name!r} holds no trained weights for {missing}: it is not a reward model, or only a part of one. "
            "Give a model in `reward.model` that was trained to score responses."
        )
    check_reads_dialogues(f"reward model {name!r}", tokenizer)
    agree_on_padding(tokenizer, model.config)
    return tokenizer, model


def _check_head(name: str, labels: int) -> None:
    if labels not in {1, len(ATTRIBUTES)}:
        raise FactoryError(
            f"reward model {name!r} has {labels} labels; a reward model has one, its score, or five: {', '.join(ATTRIBUTES)}. "
            "Give another model in `reward.model`."
        )


def _read_labels(name: str, config: Any) -> list[int]:
    """Where the model gives each attribute; of a model with one score, nothing. Names that transformers made up say nothing."""
    if config.num_labels == 1:
        return []
    named = {str(label).rsplit("-", 1)[-1].lower(): place for place, label in config.id2label.items()}
    if set(named) == {f"label_{place}" for place in range(len(ATTRIBUTES))}:
        return [*range(len(ATTRIBUTES))]
    if set(named) != set(ATTRIBUTES):
        raise FactoryError(
            f"reward model {name!r} has the labels {', '.join(sorted(named))}; the five attributes are {', '.join(ATTRIBUTES)}. "
            "Name them so in id2label of its config.json, or give another model in `reward.model`."
        )
    return [named[attribute] for attribute in ATTRIBUTES]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") + "."
