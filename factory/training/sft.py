"""Supervised fine-tuning of one phase: all weights, loss on the assistant's tokens, resumable to the same bytes after a kill.

The transformers Trainer rather than TRL's SFTTrainer: the same loop underneath, but SFTTrainer adds per-token entropy and accuracy to each
step, which for a small student costs about half as much again, and rows are masked and ordered here anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.pico.models import model_revision
from factory.records import digest, digest_frame
from factory.training.data import TokenRow, TokenRows, encode_records
from factory.training.holdout import choose_step, measure_checkpoints
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.training.student import open_student
from factory.training_spec import DEFAULT_EPOCHS, PhaseSpec
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.order import plan_order, plan_tokens
from factory.tuning.trainer import SCHEDULE, OnStep, choose_arguments, run_trainer

IGNORED = -100
"""The label of a token that is not trained on, in PyTorch's cross-entropy and so in transformers."""


def fingerprint_phase(phase: PhaseSpec, records: pl.DataFrame, base: str, seed: int, holdout: pl.DataFrame | None = None) -> str:
    """Names the work of a phase: the same fingerprint, the same final weights (on the same machine, libraries and thread count).

    The order of `records` and how often checkpoints are saved do not count, but where the student is one of several checkpoints; how
    `records` were chosen never does.
    """
    unread = {"name", "data", "replay", *(() if _keeps_all(phase) else ("save_steps",))}
    spec = phase.model_dump(mode="json", exclude=unread)
    held = digest_frame(_in_order(holdout)) if holdout is not None and phase.select == "holdout_loss" else None
    return digest(["phase", spec, digest_frame(_in_order(records)), model_revision(base), seed, held])


def train_phase(
    phase: PhaseSpec,
    records: pl.DataFrame,
    base: str,
    folder: Path,
    seed: int,
    on_step: OnStep | None = None,
    holdout: pl.DataFrame | None = None,
) -> TrainedPhase:
    """The model `base` (a bundled name, a folder or a hub id) tuned on `records`; all it writes lies in `folder`.

    `records`, and `holdout` where the phase selects by it, have at least the columns record_id, instruction, context, response and turns.
    What of a release is the phase's data, `choose_data` tells. Killed at any moment, the next call goes on
    from the last whole checkpoint, with the same order of data, and on a CPU ends at the same bytes; a finished phase is returned at once.
    The weights are float32; on a GPU that has bfloat16 the arithmetic is mixed. Threads are as PyTorch was told.
    Raises FactoryError where the base cannot be opened, no record can be trained on or selected by, the loss is no number, or the disk
    refuses a write; the last whole checkpoint is kept.
    """
    records = _in_order(records)
    work = PhaseFolder(folder, fingerprint_phase(phase, records, base, seed, holdout))
    if finished := work.read_finished():
        return finished
    from transformers import Trainer

    what = f"phase {phase.name!r}"
    with keep_quiet(), reproduce():
        model, tokenizer = open_student(base)
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or phase.max_length
        most_tokens = min(phase.max_length, context)
        encoded = encode_records(tokenizer, records, most_tokens)
        _check_rows(phase, encoded, records.height)
        held = _encode_holdout(phase, tokenizer, holdout, most_tokens)
        with explain_writes(what, folder):
            checkpoint = work.open()
        parts = {"model": model, **_choose_parts(phase, tokenizer, encoded.rows, work, seed)}
        state = run_trainer(Trainer, what, work, checkpoint, on_step, **parts)
        held_losses = measure_checkpoints(work.list_whole(), held.rows, parts["data_collator"], phase.batch_size) if held else ()
        step = state.global_step
        if held_losses:
            step = choose_step(held_losses)
            model = model.from_pretrained(work.list_whole()[step], dtype=model.dtype)

        def save(target: Path) -> None:
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)

        losses = [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry]
        summary = {
            "steps": state.global_step,
            "records": len(encoded.rows),
            "tokens": sum(len(row.ids) for row in encoded.rows),
            "left_out": encoded.left_out,
            "losses": losses,
            "step": step,
            "held_out": len(held.rows) if held else 0,
            "held_out_left_out": held.left_out if held else {},
            "held_out_losses": held_losses,
        }
        with explain_writes(what, folder):
            if phase.keep_checkpoints:
                work.keep_steps(tokenizer.save_pretrained)
            return work.finish(save, summary)


def _keeps_all(phase: PhaseSpec) -> bool:
    """Whether earlier checkpoints are of use, and not the last alone."""
    return phase.keep_checkpoints or phase.select == "holdout_loss"


def _encode_holdout(phase: PhaseSpec, tokenizer: Any, holdout: pl.DataFrame | None, most_tokens: int) -> TokenRows | None:
    if phase.select != "holdout_loss":
        return None
    held = TokenRows((), {}) if holdout is None else encode_records(tokenizer, _in_order(holdout), most_tokens)
    if not held.rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in held.left_out.items()) or "none was given"
        raise FactoryError(
            f"phase {phase.name!r}: select is holdout_loss, but no held-out example can be read ({reasons}). "
            "Raise `seeds.holdout` or the phase's max_length, or take select: last."
        )
    return held


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


def _choose_parts(phase: PhaseSpec, tokenizer: Any, rows: Sequence[TokenRow], work: PhaseFolder, seed: int) -> dict[str, Any]:
    """What the Trainer is made of beside the model."""
    from transformers import TrainingArguments

    lengths, effective = [len(row.ids) for row in rows], phase.batch_size * phase.gradient_accumulation
    if phase.tokens is None:
        order = plan_order(lengths, phase.epochs or DEFAULT_EPOCHS, effective, seed)
    else:
        order = plan_tokens(lengths, phase.tokens, effective, seed)
    arguments = choose_arguments(
        len(order),
        work,
        batch_size=phase.batch_size,
        learning_rate=phase.learning_rate,
        warmup_ratio=phase.warmup_ratio,
        save_steps=phase.save_steps,
        seed=seed,
        gradient_accumulation=phase.gradient_accumulation,
        schedule=phase.schedule or SCHEDULE,
        keep_all=_keeps_all(phase),
    )
    return {
        "args": TrainingArguments(**arguments),
        "train_dataset": [rows[index] for index in order],
        "data_collator": _make_collator(tokenizer),
    }


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
