"""Supervised fine-tuning of one phase: all weights, loss on the assistant's tokens, resumable to the same bytes after a kill.

The transformers Trainer rather than TRL's SFTTrainer: the same loop underneath, but SFTTrainer adds per-token entropy and accuracy to each
step, which for a small student costs about half as much again, and rows are masked and ordered here anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.pico.models import model_revision
from factory.records import digest, digest_frame
from factory.training.data import TokenRow, TokenRows, encode_records
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.training.phase_run import (
    bound_tokens,
    choose_phase_arguments,
    count_rows,
    encode_holdout,
    in_order,
    keep_private,
    keep_student,
    keeps_all,
    make_collator,
    plan_rows,
)
from factory.training.private import tune_privately
from factory.training.student import open_student
from factory.training_spec import PhaseSpec
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.trainer import OnStep, run_trainer


def fingerprint_phase(phase: PhaseSpec, records: pl.DataFrame, base: str, seed: int, holdout: pl.DataFrame | None = None) -> str:
    """Names the work of a phase: the same fingerprint, the same final weights (on the same machine, libraries and thread count).

    The order of `records` and how often checkpoints are saved do not count, but where the student is one of several checkpoints; how
    `records` were chosen never does.
    """
    unread = {"name", "data", "replay", *(() if keeps_all(phase) else ("save_steps",))}
    spec = phase.model_dump(mode="json", exclude=unread)
    held = digest_frame(in_order(holdout)) if holdout is not None and phase.select == "holdout_loss" else None
    return digest(["phase", spec, digest_frame(in_order(records)), model_revision(base), seed, held])


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
    A phase with `private` is differentially private (factory.training.private): it draws noise that nothing repeats, and one that was
    killed begins anew, as half of it would be lost to its accountant.
    Raises FactoryError where the base cannot be opened, no record can be trained on or selected by, the loss is no number, or the disk
    refuses a write; the last whole checkpoint is kept.
    """
    records = in_order(records)
    work = PhaseFolder(folder, fingerprint_phase(phase, records, base, seed, holdout))
    if finished := work.read_finished():
        return finished
    from transformers import Trainer

    what = f"phase {phase.name!r}"
    with keep_quiet(), reproduce():
        model, tokenizer = open_student(base)
        most_tokens = bound_tokens(phase, model)
        encoded = encode_records(tokenizer, records, most_tokens)
        _check_rows(phase, encoded, records.height)
        held = encode_holdout(phase, tokenizer, holdout, most_tokens)
        with explain_writes(what, folder):
            checkpoint = work.open()
            if phase.private is not None:
                spent = tune_privately(model, encoded.rows, make_collator(tokenizer), phase, phase.private, on_step)
                return keep_private(work, model, tokenizer, spent, count_rows(phase, encoded, seed), base)
        parts = {"model": model, **_choose_parts(phase, tokenizer, encoded.rows, work, seed)}
        state = run_trainer(Trainer, what, work, checkpoint, on_step, **parts)
        return keep_student(phase, work, model, tokenizer, state, count_rows(phase, encoded, seed), held)


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

    order = plan_rows(phase, [len(row.ids) for row in rows], seed)
    return {
        "args": TrainingArguments(**choose_phase_arguments(phase, len(order), work, seed)),
        "train_dataset": [rows[index] for index in order],
        "data_collator": make_collator(tokenizer),
    }
