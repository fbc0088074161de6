"""The Trainer of transformers as all tuning here runs it: a planned order as one epoch, whole checkpoints, no loss that is no number."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from factory.faults import FactoryError
from factory.tuning.libraries import explain_writes
from factory.tuning.work_folder import KEPT_CHECKPOINTS, WorkFolder

OnStep = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean loss since the last call."""

SCHEDULES = {"linear": "linear", "constant": "constant_with_warmup", "cosine": "cosine"}
"""Names in transformers of what the rate does after warm-up."""
SCHEDULE = "linear"
"""A straight line to 0: at a fixed budget it beats a constant rate (Bergsma et al. 2025, "Straight to Zero")."""
GRADIENT_NORM = 1.0
MOST_LOSSES = 2000
"""Points of a loss curve; a longer tuning takes the mean over several steps for a point."""


def choose_arguments(
    rows: int,
    work: WorkFolder,
    *,
    batch_size: int,
    learning_rate: float,
    warmup_ratio: float,
    save_steps: int,
    seed: int,
    gradient_accumulation: int = 1,
    schedule: str = SCHEDULE,
    keep_all: bool = False,
) -> dict[str, Any]:
    """Arguments of TrainingArguments, or of a class below it, for `rows` planned rows; with `keep_all` no checkpoint is thrown away."""
    import torch

    steps = math.ceil(rows / (batch_size * gradient_accumulation))
    every = math.ceil(steps / MOST_LOSSES)
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(work.checkpoints),
        # The whole tuning is one epoch over the planned order, so that resuming is skipping ahead in one list.
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "per_device_train_batch_size": batch_size,
        "gradient_accumulation_steps": gradient_accumulation,
        "learning_rate": learning_rate,
        "lr_scheduler_type": SCHEDULES[schedule],
        # A tuning of one step would be warm-up alone, at a rate of 0.
        "warmup_steps": min(math.ceil(warmup_ratio * steps), steps - 1),
        "weight_decay": 0.0,
        "max_grad_norm": GRADIENT_NORM,
        "bf16": on_gpu and torch.cuda.is_bf16_supported(),
        "logging_steps": every,
        "logging_nan_inf_filter": False,
        "save_steps": math.ceil(save_steps / every) * every,
        "save_total_limit": None if keep_all else KEPT_CHECKPOINTS,
        "seed": seed,
        "full_determinism": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": on_gpu,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def run_trainer(
    kind: Any, what: str, work: WorkFolder, checkpoint: Path | None, on_step: OnStep | None, *, model: Any, **parts: Any
) -> Any:
    """Trains `model` by a trainer of the class `kind`, made of `parts`, from `checkpoint` on where there is one; gives the Trainer's state.

    Checkpoints are marked once they are whole. Raises FactoryError, in the name of `what`, at a loss that is no number and where a
    checkpoint cannot be written.
    """
    from transformers import PrinterCallback, TrainerCallback

    class MarkingTrainer(kind):  # type: ignore[misc]
        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            with explain_writes(what, work.path):
                super()._save_checkpoint(model, trial)
                work.mark_whole(self.state.global_step)

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            if "loss" not in logs:
                return
            # Before the checkpoint of the same step is saved: weights that are no numbers are never kept.
            if not (math.isfinite(logs["loss"]) and math.isfinite(logs["grad_norm"])):
                raise FactoryError(
                    f"{what}: the loss or its gradient is no number at step {state.global_step} of {state.max_steps}. "
                    f"Lower the learning rate (now {args.learning_rate:g}) or lengthen the warm-up."
                )
            if on_step is not None:
                on_step(state.global_step, state.max_steps, logs["loss"])

    caches = getattr(model.config, "use_cache", None)
    trainer = MarkingTrainer(model=model, **parts, callbacks=[Watch()])
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if caches is not None:
        model.config.use_cache = caches  # the Trainer switches it off as it is made, and a served model wants it
    return trainer.state
