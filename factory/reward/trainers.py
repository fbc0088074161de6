"""The two trainers of a reward model: TRL's on preference pairs, and the Trainer of transformers on rated attributes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.faults import FactoryError
from factory.pico.models import pin_revision, resolve_model
from factory.reward.encoding import Features, agree_on_padding, check_reads_dialogues, pad_features
from factory.reward_spec import ATTRIBUTES
from factory.tuning.order import plan_order
from factory.tuning.trainer import choose_arguments, run_trainer
from factory.tuning.work_folder import WorkFolder

if TYPE_CHECKING:
    from factory.reward.training import Report, RewardTraining

WHAT = "the reward model"
INSTALL_TRL = "pip install 'data-factory[rewards]'"
HEADS = ("score.", "classifier.", "pooler.")
"""Beginnings of weights that a base lacks, and a reward model learns; also those of a pooler, which many encoders come without."""


@dataclass(frozen=True)
class Rows:
    """What is trained on: the rows, and of each the features of its dialogues."""

    rows: Sequence[Any]
    features: Sequence[tuple[Features, ...]]


def open_base(base: str, labels: Sequence[str], seed: int) -> tuple[Any, Any]:
    """The base under a new head, drawn from `seed`, of one score or with `labels`, in float32; and its tokenizer.

    Without dropout, as TRL trains reward models: the two sides of a pair would be scored by different networks.
    Code that a model brings along is never run. Raises FactoryError where it cannot be opened or read dialogues with.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, set_seed

    source, names = resolve_model(base), dict(enumerate(labels))
    set_seed(seed)
    try:
        pinned = pin_revision(base)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=pinned, trust_remote_code=False)
        config = AutoConfig.from_pretrained(source, revision=pinned, trust_remote_code=False)
        config.num_labels = max(1, len(labels))
        config.problem_type = "regression"
        if names:
            config.id2label, config.label2id = names, {name: place for place, name in names.items()}
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            source,
            revision=pinned,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # a head of other labels is drawn anew
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise FactoryError(
            f"model {base!r} cannot be opened: {reason} Give a bundled model, a folder or a hub id of a language model or an encoder, with "
            "its tokenizer and safetensors weights."
        ) from error
    body = [name.removeprefix(f"{model.base_model_prefix}.") for name in sorted(loading["missing_keys"])]
    if lacking := [name for name in body if not name.startswith(HEADS)]:
        raise FactoryError(f"model {base!r}: its weights lack {len(lacking)} tensors (such as {lacking[0]}). Give a whole model.")
    check_reads_dialogues(f"model {base!r}", tokenizer)
    agree_on_padding(tokenizer, model.config)
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return model, tokenizer


def train_on_pairs(
    model: Any, tokenizer: Any, rows: Rows, work: WorkFolder, checkpoint: Path | None, settings: RewardTraining, report: Report | None
) -> Any:
    """Trains `model` by TRL's RewardTrainer; gives the Trainer's state. Raises FactoryError where TRL is not installed."""
    try:
        from datasets import Dataset
        from trl import RewardConfig, RewardTrainer
    except ImportError as error:
        raise FactoryError(f"training on preference pairs needs the library trl, which is not installed: {INSTALL_TRL}") from error

    order = _plan(rows, settings)

    def collate(examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        pairs = [rows.features[example["row"]] for example in examples]
        # TRL's loss takes the first half of a batch for the chosen.
        return dict(pad_features(tokenizer, [chosen for chosen, _ in pairs] + [rejected for _, rejected in pairs]))

    columns = {
        "row": order,
        **{name: [rows.features[row][side]["input_ids"] for row in order] for side, name in enumerate(("chosen_ids", "rejected_ids"))},
    }
    arguments = RewardConfig(**_choose_arguments(len(order), work, settings), max_length=None, activation_checkpointing=False)
    parts = {"args": arguments, "train_dataset": Dataset.from_dict(columns), "processing_class": tokenizer}
    return run_trainer(RewardTrainer, WHAT, work, checkpoint, report, model=model, data_collator=collate, **parts)


def train_on_ratings(
    model: Any, tokenizer: Any, rows: Rows, work: WorkFolder, checkpoint: Path | None, settings: RewardTraining, report: Report | None
) -> Any:
    """Trains `model` by the mean squared error of all that was rated; gives the Trainer's state."""
    import torch
    from transformers import Trainer, TrainingArguments

    class RatingTrainer(Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            given = inputs.pop("given")
            output = model(**inputs)
            rated = ~torch.isnan(given)
            loss = ((output.logits.float() - given)[rated] ** 2).mean()
            return (loss, output) if return_outputs else loss

    def collate(examples: Sequence[int]) -> dict[str, Any]:
        batch = dict(pad_features(tokenizer, [rows.features[row][0] for row in examples]))
        values = [[rows.rows[row].attributes[name] for name in ATTRIBUTES] for row in examples]
        batch["given"] = torch.tensor([[math.nan if value is None else value for value in each] for each in values])
        return batch

    order = _plan(rows, settings)
    arguments = TrainingArguments(**_choose_arguments(len(order), work, settings))
    parts = {"args": arguments, "train_dataset": order, "data_collator": collate}
    return run_trainer(RatingTrainer, WHAT, work, checkpoint, report, model=model, **parts)


def _plan(rows: Rows, settings: RewardTraining) -> list[int]:
    lengths = [max(len(features["input_ids"]) for features in each) for each in rows.features]
    return plan_order(lengths, settings.epochs, settings.batch_size, settings.seed)


def _choose_arguments(rows: int, work: WorkFolder, settings: RewardTraining) -> dict[str, Any]:
    return choose_arguments(
        rows,
        work,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_ratio=settings.warmup_ratio,
        save_steps=settings.save_steps,
        seed=settings.seed,
    )
