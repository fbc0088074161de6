"""The two trainers of a reward model: TRL's on preference pairs, and the Trainer of transformers on rated attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.faults import FactoryError
from factory.pico.models import resolve_model
from factory.reward.encoding import Features, agree_on_padding, check_reads_dialogues, pad_features
from factory.reward_spec import ATTRIBUTES
from factory.tuning.libraries import explain_writes
from factory.tuning.order import plan_order
from factory.tuning.work_folder import WorkFolder

if TYPE_CHECKING:
    from factory.reward.training import Report, RewardTraining

WHAT = "the reward model"
INSTALL_TRL = "pip install 'data-factory[rewards]'"
GRADIENT_NORM = 1.0
MOST_LOSSES = 2000
"""Points of a loss curve; a longer training takes the mean over several steps for a point."""
KEPT_CHECKPOINTS = 2
"""The newest may be cut off while it is written, so the one before is needed."""
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
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        config.num_labels = max(1, len(labels))
        config.problem_type = "regression"
        if names:
            config.id2label, config.label2id = names, {name: place for place, name in names.items()}
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            source,
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
    trainer = _make_trainer(RewardTrainer, work, report)(
        model=model, args=arguments, train_dataset=Dataset.from_dict(columns), data_collator=collate, processing_class=tokenizer
    )
    return _run(trainer, checkpoint)


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
    trainer = _make_trainer(RatingTrainer, work, report)(model=model, args=arguments, train_dataset=order, data_collator=collate)
    return _run(trainer, checkpoint)


def _plan(rows: Rows, settings: RewardTraining) -> list[int]:
    lengths = [max(len(features["input_ids"]) for features in each) for each in rows.features]
    return plan_order(lengths, settings.epochs, settings.batch_size, settings.seed)


def _choose_arguments(rows: int, work: WorkFolder, settings: RewardTraining) -> dict[str, Any]:
    import torch

    steps = math.ceil(rows / settings.batch_size)
    every = math.ceil(steps / MOST_LOSSES)
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(work.checkpoints),
        # The whole training is one epoch over the planned order, so that resuming is skipping ahead in one list.
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": math.ceil(settings.warmup_ratio * steps),
        "weight_decay": 0.0,
        "max_grad_norm": GRADIENT_NORM,
        "bf16": on_gpu and torch.cuda.is_bf16_supported(),
        "logging_steps": every,
        "logging_nan_inf_filter": False,
        "save_steps": math.ceil(settings.save_steps / every) * every,
        "save_total_limit": KEPT_CHECKPOINTS,
        "seed": settings.seed,
        "full_determinism": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": on_gpu,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def _make_trainer(kind: Any, work: WorkFolder, report: Report | None) -> Callable[..., Any]:
    """A trainer of `kind` that marks its checkpoints as whole, tells its progress, and stops at a loss that is no number."""
    from transformers import PrinterCallback, TrainerCallback

    class MarkingTrainer(kind):  # type: ignore[misc]
        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            with explain_writes(WHAT, work.path):
                super()._save_checkpoint(model, trial)
                work.mark_whole(self.state.global_step)

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            if "loss" not in logs:
                return
            # Before the checkpoint of the same step is saved: weights that are no numbers are never kept.
            if not (math.isfinite(logs["loss"]) and math.isfinite(logs["grad_norm"])):
                raise FactoryError(
                    f"{WHAT}: the loss or its gradient is no number at step {state.global_step} of {state.max_steps}. "
                    f"Lower the learning rate (now {args.learning_rate:g}) or lengthen the warm-up."
                )
            if report is not None:
                report(state.global_step, state.max_steps, logs["loss"])

    def make(**parts: Any) -> Any:
        trainer = MarkingTrainer(**parts, callbacks=[Watch()])
        trainer.remove_callback(PrinterCallback)
        return trainer

    return make


def _run(trainer: Any, checkpoint: Path | None) -> Any:
    caches = getattr(trainer.model.config, "use_cache", None)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if caches is not None:
        trainer.model.config.use_cache = caches  # the Trainer switches it off, and a served model wants it
    return trainer.state
