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
from factory.line import PhaseSpec
from factory.pico.models import model_revision, resolve_model
from factory.records import digest, digest_frame
from factory.training.data import IGNORED, TokenRow, TokenRows, encode_records
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.training.private import Spent, tune_privately
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.order import plan_order
from factory.tuning.trainer import OnStep, choose_arguments, run_trainer


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
    A phase with `private` is differentially private (factory.training.private): it draws noise that nothing repeats, and one that was
    killed begins anew, as half of it would be lost to its accountant.
    Raises FactoryError where the base cannot be opened, no record can be trained on, the loss is no number, or the disk refuses a write;
    the last whole checkpoint is kept.
    """
    records = _in_order(records)
    work = PhaseFolder(folder, fingerprint_phase(phase, records, base, seed))
    if finished := work.read_finished():
        return finished
    from transformers import Trainer

    what = f"phase {phase.name!r}"
    with keep_quiet(), reproduce():
        model, tokenizer = open_base(base)
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or phase.max_length
        encoded = encode_records(tokenizer, records, min(phase.max_length, context))
        _check_rows(phase, encoded, records.height)
        with explain_writes(what, folder):
            checkpoint = work.open()
        spent: Spent | None = None
        if phase.private is not None:
            spent = tune_privately(model, encoded.rows, _make_collator(tokenizer), phase, phase.private, on_step)
            steps, losses = spent.steps, list(spent.losses)
        else:
            parts = {"model": model, **_choose_parts(phase, tokenizer, encoded.rows, work, seed)}
            state = run_trainer(Trainer, what, work, checkpoint, on_step, **parts)
            steps, losses = state.global_step, [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry]

        def save(target: Path) -> None:
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)
            if spent is not None:
                (target / "README.md").write_text(spent.describe(base), encoding="utf-8")

        summary = {
            "steps": steps,
            "records": len(encoded.rows),
            "tokens": sum(len(row.ids) for row in encoded.rows),
            "left_out": encoded.left_out,
            "losses": losses,
        }
        if spent is not None:
            summary |= {"epsilon": spent.epsilon, "delta": spent.delta, "noise_multiplier": spent.noise_multiplier}
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


def open_base(base: str) -> tuple[Any, Any]:
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


def _choose_parts(phase: PhaseSpec, tokenizer: Any, rows: Sequence[TokenRow], work: PhaseFolder, seed: int) -> dict[str, Any]:
    """What the Trainer is made of beside the model."""
    from transformers import TrainingArguments

    order = plan_order([len(row.ids) for row in rows], phase.epochs, phase.batch_size, seed)
    arguments = choose_arguments(
        len(order),
        work,
        batch_size=phase.batch_size,
        learning_rate=phase.learning_rate,
        warmup_ratio=phase.warmup_ratio,
        save_steps=phase.save_steps,
        seed=seed,
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
