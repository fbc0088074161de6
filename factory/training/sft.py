"""Supervised fine-tuning of one phase: all weights or an adapter, loss on the assistant's tokens, resumable to the same bytes after a kill.

The transformers Trainer rather than TRL's SFTTrainer: the same loop underneath, but SFTTrainer adds per-token entropy and accuracy to each
step, which for a small student costs about half as much again, and rows are masked and ordered here anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.pico.models import identify_model
from factory.records import digest, digest_frame
from factory.scale_spec import ScaleSpec
from factory.training.adapter import add_adapter
from factory.training.data import TokenRows, encode_records, in_order
from factory.training.packing import check_packing, make_packed_collator, pack_rows
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.training.phase_run import (
    BLANK,
    bound_tokens,
    choose_phase_arguments,
    count_rows,
    describe_settings,
    fill_batch,
    keep_private,
    keep_student,
    make_collator,
    plan_rows,
)
from factory.training.private import tune_privately
from factory.training.processes import Job, identify_scale, run_job
from factory.training.selection import Holdout, OnMeasured, encode_holdout, identify_holdout
from factory.training.student import open_student
from factory.training_spec import PhaseSpec
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.ranks import on_first
from factory.tuning.trainer import OnStep, run_trainer


def fingerprint_phase(
    phase: PhaseSpec, records: pl.DataFrame, base: str, seed: int, holdout: Holdout | None = None, scale: ScaleSpec | None = None
) -> str:
    """Names the work of a phase: the same fingerprint, the same final weights (on the same machine, libraries and thread count).

    The order of `records` and how often checkpoints are saved do not count, but where the student is one of several checkpoints; how
    `records` were chosen never does. Several processes sum in another order than one, so how many there are counts, and their config.
    """
    work = ["phase", describe_settings(phase), digest_frame(in_order(records)), identify_model(base), seed]
    return digest([*work, identify_holdout(phase, holdout), *identify_scale(scale)])


def train_phase(
    phase: PhaseSpec,
    records: pl.DataFrame,
    base: str,
    folder: Path,
    seed: int,
    on_step: OnStep | None = None,
    holdout: Holdout | None = None,
    scale: ScaleSpec | None = None,
    on_measured: OnMeasured | None = None,
) -> TrainedPhase:
    """The model `base` (a bundled name, a folder or a hub id) tuned on `records`; all it writes lies in `folder`.

    `records`, and the examples of `holdout` where the phase selects, have at least the columns record_id, instruction, context, response
    and turns; to select by answers all that `choose_holdout` gives. What of a release is the phase's data, `choose_data` tells.
    Killed at any moment, the next call goes on from the last whole checkpoint, with the same order of data, and on a CPU ends at the same
    bytes; a finished phase is returned at once.
    The weights are float32; on a GPU that has bfloat16 the arithmetic is mixed. Threads are as PyTorch was told.
    With `lora` an adapter is tuned, and merged into the base in the end (factory.training.adapter); with `packing` a row holds several
    records (factory.training.packing).
    A phase with `private` is differentially private (factory.training.private): it draws noise that nothing repeats, and one that was
    killed begins anew, as half of it would be lost to its accountant.
    Where `scale` names several processes, they are launched on this machine, tune the same batches, and end with this call.
    Raises FactoryError where the base cannot be opened, has not the layers to adapt or cannot keep packed records apart, no record can be
    trained on or selected by, the loss is no number, or the disk refuses a write; the last whole checkpoint is kept.
    """
    records = in_order(records)
    work = PhaseFolder(folder, fingerprint_phase(phase, records, base, seed, holdout, scale))
    return run_job(Job(phase, base, work, seed, scale or ScaleSpec()), records, holdout, on_step, on_measured, tune_phase)


def tune_phase(
    job: Job, records: pl.DataFrame, holdout: Holdout | None, on_step: OnStep | None, on_measured: OnMeasured | None = None
) -> TrainedPhase:
    """What each process does of `train_phase`: `records` are in order, the job's work is not finished."""
    phase, base, work, seed = job.phase, job.base, job.work, job.seed
    what = f"phase {phase.name!r}"
    with keep_quiet(), reproduce():
        from transformers import Trainer

        model, tokenizer = open_student(base)
        most_tokens = bound_tokens(phase, model)
        encoded = encode_records(tokenizer, records, most_tokens)
        _check_rows(phase, encoded, records.height)
        yardstick = encode_holdout(phase, tokenizer, holdout, most_tokens)
        if phase.packing:
            check_packing(what, model, make_packed_collator(tokenizer), encoded.rows[0])
        with explain_writes(what, work.path):
            checkpoint = on_first(work.open)
            if phase.private is not None:
                spent = tune_privately(model, encoded.rows, make_collator(tokenizer), phase, phase.private, on_step)
                return keep_private(work, model, tokenizer, spent, count_rows(phase, encoded, seed), base)
        if phase.lora:
            model = add_adapter(what, model, phase.lora, seed)
        planned = [encoded.rows[index] for index in plan_rows(phase, [len(row.ids) for row in encoded.rows], seed)]
        data = pack_rows(planned, len(encoded.rows), most_tokens, seed) if phase.packing else planned
        state = run_trainer(Trainer, what, work, checkpoint, on_step, model=model, **_choose_parts(phase, tokenizer, data, work, seed))
        counts = count_rows(phase, encoded, seed) | {"tokens_read": sum(len(row.ids) for row in planned)}
        return on_first(lambda: keep_student(phase, work, model, tokenizer, state, counts, yardstick, base, on_measured))


def _check_rows(phase: PhaseSpec, encoded: TokenRows, records: int) -> None:
    if encoded.rows:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in encoded.left_out.items()) or "the release is empty"
    raise FactoryError(
        f"phase {phase.name!r}: none of {records} records can be trained on ({reasons}). "
        "See the release's funnel; for records that are too_long raise the phase's max_length or take a student of longer context."
    )


def _choose_parts(phase: PhaseSpec, tokenizer: Any, data: Sequence[Any], work: PhaseFolder, seed: int) -> dict[str, Any]:
    """What the Trainer is made of beside the model, for the rows `data`, packed or not, in the order in which they are read."""
    from transformers import TrainingArguments

    return {
        "args": TrainingArguments(**choose_phase_arguments(phase, len(data), work, seed)),
        "train_dataset": fill_batch(phase, data, (BLANK,) if phase.packing else BLANK),
        "data_collator": make_packed_collator(tokenizer) if phase.packing else make_collator(tokenizer),
    }
