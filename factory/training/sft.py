"""Supervised fine-tuning of one phase: all weights, loss on the assistant's tokens, resumable to the same bytes after a kill.

The transformers Trainer rather than TRL's SFTTrainer: the same loop underneath, but SFTTrainer adds per-token entropy and accuracy to each
step, which for a small student costs about half as much again, and rows are masked and ordered here anyway.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.line import PhaseSpec
from factory.pico.models import model_revision, resolve_model
from factory.records import digest, digest_frame
from factory.training.data import TokenRow, TokenRows, encode_records
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.order import plan_order

OnStep = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean loss since the last call."""

IGNORED = -100
"""The label of a token that is not trained on, in PyTorch's cross-entropy and so in transformers."""
SCHEDULE = "linear"
"""Warm-up, then a straight line to 0: at a fixed budget it beats a constant rate (Bergsma et al. 2025, "Straight to Zero")."""
GRADIENT_NORM = 1.0
MOST_LOSSES = 2000
"""Points of a loss curve; a longer phase takes the mean over several steps for a point."""
KEPT_CHECKPOINTS = 2
"""The newest may be cut off while it is written, so the one before is needed."""


def fingerprint_phase(phase: PhaseSpec, records: pl.DataFrame, base: str, seed: int) -> str:
    """Names the work of a phase: the same fingerprint, the same final weights (on the same machine, libraries and thread count).

    The order of `records` and how often checkpoints are saved do not count.
    """
    spec = phase.model_dump(mode="json", exclude={"name", "save_steps"})
    return digest(["phase", spec, digest_frame(_in_order(records)), model_revision(base), seed])


def train_phase(phase: PhaseSpec, records: pl.DataFrame, base: str, folder: Path, seed: int, on_step: OnStep | None = None) -> TrainedPhase:
    """The model `base` (a bundled name, a folder or a hub id) tuned on `records`; all it writes lies in `folder`.

    `records` has at least the columns record_id, instruction, context, response and turns. Killed at any moment, the next call goes on
    from the last whole checkpoint, with the same order of data, and on a CPU ends at the same bytes; a finished phase is returned at once.
    The weights are float32; on a GPU that has bfloat16 the arithmetic is mixed. Threads are as PyTorch was told.
    Raises FactoryError where the base cannot be opened, no record can be trained on, the loss is no number, or the disk refuses a write;
    the last whole checkpoint is kept.
    """
    records = _in_order(records)
    work = PhaseFolder(folder, fingerprint_phase(phase, records, base, seed))
    if finished := work.read_finished():
        return finished
    what = f"phase {phase.name!r}"
    with keep_quiet(), reproduce():
        model, tokenizer = _open_base(base)
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or phase.max_length
        encoded = encode_records(tokenizer, records, min(phase.max_length, context))
        _check_rows(phase, encoded, records.height)
        with explain_writes(what, folder):
            checkpoint = work.open()
        caches = model.config.use_cache
        trainer = _make_trainer(phase, model, tokenizer, encoded.rows, work, seed, on_step)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        model.config.use_cache = caches  # the Trainer switches it off, and a served model wants it

        def save(target: Path) -> None:
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)

        losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
        summary = {
            "steps": trainer.state.global_step,
            "records": len(encoded.rows),
            "tokens": sum(len(row.ids) for row in encoded.rows),
            "left_out": encoded.left_out,
            "losses": losses,
        }
        with explain_writes(what, folder):
            return work.finish(save, summary)


def _in_order(records: pl.DataFrame) -> pl.DataFrame:
    """What is trained on, in an order of its own: a release that lists its records otherwise trains the same student."""
    columns = ("record_id", "instruction", "context", "response", "turns")
    return records.select(columns).sort(columns[:-1])


def _check_rows(phase: PhaseSpec, encoded: TokenRows, records: int) -> None:
    if encoded.rows:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in encoded.left_out.items()) or "the release is empty"
    raise FactoryError(
        f"phase {phase.name!r}: none of {records} records can be trained on ({reasons}). "
        "See the release's funnel; for records that are too_long raise the phase's max_length or take a student of longer context."
    )


def _open_base(base: str) -> tuple[Any, Any]:
    """The model in float32 and its tokenizer, checked. Code that a model brings along is never run."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = resolve_model(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, loading = AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise FactoryError(
            f"student {base!r} cannot be opened: {reason} Give a bundled model, a folder or a hub id that holds a causal language model "
            "with its tokenizer and safetensors weights in `training.student`."
        ) from error
    if missing := sorted(loading["missing_keys"]):
        raise FactoryError(
            f"student {base!r}: its weights lack {len(missing)} tensors of a language model (such as {missing[0]}). "
            "Give a causal language model in `training.student`, not a classifier or an unfinished download."
        )
    if tokenizer.chat_template is None:
        raise FactoryError(
            f"student {base!r}: its tokenizer has no chat template, so records cannot be written as dialogues. "
            "Give a model that has one in `training.student`, or add a chat_template.jinja to its folder."
        )
    return model, tokenizer


def _make_trainer(
    phase: PhaseSpec, model: Any, tokenizer: Any, rows: Sequence[TokenRow], work: PhaseFolder, seed: int, on_step: OnStep | None
) -> Any:
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    class PhaseTrainer(Trainer):  # type: ignore[misc]
        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            with explain_writes(f"phase {phase.name!r}", work.path):
                super()._save_checkpoint(model, trial)
                work.mark_whole(self.state.global_step)

    order = plan_order([len(row.ids) for row in rows], phase.epochs, phase.batch_size, seed)
    steps = math.ceil(len(order) / phase.batch_size)
    every = math.ceil(steps / MOST_LOSSES)
    on_gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(work.checkpoints),
        # The whole phase is one epoch over the planned order, so that resuming is skipping ahead in one list.
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        per_device_train_batch_size=phase.batch_size,
        learning_rate=phase.learning_rate,
        lr_scheduler_type=SCHEDULE,
        warmup_steps=math.ceil(phase.warmup_ratio * steps),
        weight_decay=0.0,
        max_grad_norm=GRADIENT_NORM,
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        logging_steps=every,
        logging_nan_inf_filter=False,
        save_steps=math.ceil(phase.save_steps / every) * every,
        save_total_limit=KEPT_CHECKPOINTS,
        seed=seed,
        full_determinism=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = PhaseTrainer(
        model=model,
        args=arguments,
        train_dataset=[rows[index] for index in order],
        data_collator=_make_collator(tokenizer),
        callbacks=[_make_watch(phase, on_step)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _make_collator(tokenizer: Any) -> Callable[[Sequence[TokenRow]], dict[str, Any]]:
    """Rows as tensors of shape (rows, longest row), padded on the right, where padding leaves the positions of tokens as they are."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    # The mask and the labels hide padding, so that any token serves.
    padding = tokenizer.pad_token_id or 0

    def collate(rows: Sequence[TokenRow]) -> dict[str, Any]:
        ids = [torch.tensor(row.ids) for row in rows]
        labels = [torch.where(torch.tensor(row.trained), row_ids, IGNORED) for row, row_ids in zip(rows, ids, strict=True)]
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=padding),
            "attention_mask": pad_sequence([torch.ones_like(row_ids) for row_ids in ids], batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        }

    return collate


def _make_watch(phase: PhaseSpec, on_step: OnStep | None) -> Any:
    """The callback that tells progress and stops at a loss that is no number."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            if "loss" not in logs:
                return
            # Before the checkpoint of the same step is saved: weights that are no numbers are never kept.
            if not (math.isfinite(logs["loss"]) and math.isfinite(logs["grad_norm"])):
                raise FactoryError(
                    f"phase {phase.name!r}: the loss or its gradient is no number at step {state.global_step} of {state.max_steps}. "
                    f"Lower the learning rate (now {phase.learning_rate:g}) or lengthen the warm-up."
                )
            if on_step is not None:
                on_step(state.global_step, state.max_steps, logs["loss"])

    return Watch()
