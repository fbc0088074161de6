"""The Trainer of transformers as all tuning here runs it: a planned order as one epoch, whole checkpoints, no loss that is no number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from factory.faults import FactoryError
from factory.scale_spec import share_batch
from factory.tuning.libraries import explain_writes
from factory.tuning.ranks import count_ranks, on_first
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


UNCHANGED = (
    "No weight was changed before it, so it is the model that the training begins at: its weights hold values that are no numbers, or too "
    "large. Take another one, or fetch it anew."
)


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
    """Arguments of TrainingArguments, or of a class below it, for `rows` planned rows; with `keep_all` no checkpoint is thrown away.

    The batch is that of all processes that tune together, each of which takes its share. Raises FactoryError where shares are unequal.
    """
    import torch

    steps = math.ceil(rows / (batch_size * gradient_accumulation))
    every = math.ceil(steps / MOST_LOSSES)
    on_gpu, ranks = torch.cuda.is_available(), count_ranks()
    share = share_batch(batch_size, gradient_accumulation, ranks)
    if share is None:
        raise FactoryError(f"{ranks} processes cannot take equal shares of batches of {batch_size} times {gradient_accumulation} rows.")
    return {
        "output_dir": str(work.checkpoints),
        # The whole tuning is one epoch over the planned order, so that resuming is skipping ahead in one list.
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "per_device_train_batch_size": share[0],
        "gradient_accumulation_steps": share[1],
        "learning_rate": learning_rate,
        "lr_scheduler_type": SCHEDULES[schedule],
        "warmup_steps": count_warmup(warmup_ratio, steps),
        "weight_decay": 0.0,
        "max_grad_norm": GRADIENT_NORM,
        "bf16": on_gpu and torch.cuda.is_bf16_supported(),
        "use_cpu": ranks > 1 and not on_gpu,
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


def count_warmup(ratio: float, steps: int) -> int:
    """Steps of warm-up among `steps`: never all of them, as a tuning of one step would be warm-up alone, at a rate of 0."""
    return min(math.ceil(ratio * steps), steps - 1)


def run_trainer(
    kind: Any, what: str, work: WorkFolder, checkpoint: Path | None, on_step: OnStep | None, *, model: Any, **parts: Any
) -> Any:
    """Trains `model` by a trainer of the class `kind`, made of `parts`, from `checkpoint` on where there is one; gives the Trainer's state.

    Checkpoints are marked once they are whole; weights that are no numbers are in none. Raises FactoryError, in the name of `what`, at a
    loss or weights that are no numbers and where a checkpoint cannot be written.
    """
    from transformers import PrinterCallback, TrainerCallback

    class MarkingTrainer(kind):  # type: ignore[misc]
        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            check_weights(what, model, self.state.global_step, self.state.max_steps, self.args.learning_rate)
            with explain_writes(what, work.path), _with_caches(self.model.config, caches):
                super()._save_checkpoint(model, trial)
                on_first(lambda: work.mark_whole(self.state.global_step))

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            if "loss" not in logs:
                return
            if not (math.isfinite(logs["loss"]) and math.isfinite(logs["grad_norm"])):
                raise FactoryError(
                    f"{what}: the loss or its gradient is no number at step {state.global_step} of {state.max_steps}. "
                    + (UNCHANGED if state.global_step == 1 else _advise(args.learning_rate))
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


@contextmanager
def _with_caches(config: Any, caches: bool | None) -> Iterator[None]:
    """A model that is opened from a checkpoint may be served, and wants the caches that the Trainer switches off for itself."""
    if caches is None:
        yield
        return
    switched, config.use_cache = config.use_cache, caches
    yield
    config.use_cache = switched


def check_weights(what: str, model: Any, step: int, steps: int, learning_rate: float) -> None:
    """Raises FactoryError, in the name of `what`, where a weight of `model` that is tuned is no number: the update of a step may overflow
    under a finite loss, and the next loss, if there is one, comes too late for the checkpoint."""
    # Of a model that is sharded, each process checks its own part.
    tuned = (weight for weight in model.parameters() if weight.requires_grad)
    if not all(bool((weight.to_local() if hasattr(weight, "to_local") else weight).isfinite().all()) for weight in tuned):
        raise FactoryError(f"{what}: weights are no numbers after step {step} of {steps}. {_advise(learning_rate)}")


def _advise(learning_rate: float) -> str:
    return f"Lower the learning rate (now {learning_rate:g}) or lengthen the warm-up; the last whole checkpoint, if there is one, stays."
