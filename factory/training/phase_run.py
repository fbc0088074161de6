"""What every phase does alike, whatever its method: its order and its arguments, its held-out examples, and keeping the student."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from factory.training.adapter import ADAPTER, copy_adapter, count_trained, name_base, open_merged
from factory.training.data import IGNORED, TokenRow, TokenRows
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.training.private import Spent
from factory.training.selection import OnMeasured, Selection, Yardstick, measure_checkpoints
from factory.training.trained_on import list_records
from factory.training_spec import DEFAULT_EPOCHS, PhaseSpec
from factory.tuning.libraries import explain_writes
from factory.tuning.order import plan_order, plan_tokens
from factory.tuning.ranks import count_ranks
from factory.tuning.trainer import SCHEDULE, check_weights, choose_arguments


def describe_settings(phase: PhaseSpec) -> dict[str, Any]:
    """What of a phase's settings shapes its weights, as JSON values; later settings that are not given are left out, so that what was made
    before there were any keeps its name."""
    absent = {name for name, absent in {"lora": None, "packing": False}.items() if getattr(phase, name) == absent}
    return phase.model_dump(mode="json", exclude={"name", "data", "replay", *absent, *(() if keeps_all(phase) else ("save_steps",))})


Row = TypeVar("Row")

BLANK = TokenRow((0,), (False,))
"""Weighs nothing in a loss over trained tokens."""


def plan_rows(phase: PhaseSpec, lengths: Sequence[int], seed: int, costs: Sequence[int] | None = None) -> list[int]:
    """Indices of rows of `lengths` tokens for the whole phase, in the order in which it reads them; `costs` as of `plan_tokens`."""
    # Packed rows are made of any lengths, so that none need be side by side.
    effective = 1 if phase.packing else phase.batch_size * phase.gradient_accumulation
    if phase.tokens is not None:
        return plan_tokens(lengths, phase.tokens, effective, seed, costs)
    return plan_order(lengths, phase.epochs or DEFAULT_EPOCHS, effective, seed)


def fill_batch(phase: PhaseSpec, rows: Sequence[Row], blank: Row) -> list[Row]:
    """Planned `rows`, and as many that are `blank`, without a trained token, as the last batch lacks where several processes share it: they
    weigh nothing in the loss, and accelerate would fill it up with rows that were read before."""
    missing = -len(rows) % (phase.batch_size * phase.gradient_accumulation) if count_ranks() > 1 else 0
    return [*rows, *[blank] * missing]


def choose_phase_arguments(phase: PhaseSpec, rows: int, work: PhaseFolder, seed: int) -> dict[str, Any]:
    """Arguments of TrainingArguments, or of a class below it, for a phase of `rows` planned rows."""
    arguments = choose_arguments(
        rows,
        work,
        batch_size=phase.batch_size,
        learning_rate=phase.learning_rate,
        warmup_ratio=phase.warmup_ratio,
        save_steps=phase.save_steps,
        seed=seed,
        gradient_accumulation=phase.gradient_accumulation,
        schedule=phase.schedule or SCHEDULE,
        keep_all=keeps_all(phase),
    )
    return arguments | {"activation_checkpointing": phase.gradient_checkpointing}


def keeps_all(phase: PhaseSpec) -> bool:
    """Whether earlier checkpoints are of use, and not the last alone."""
    return phase.keep_checkpoints or phase.select != "last"


def bound_tokens(phase: PhaseSpec, model: Any) -> int:
    """Most tokens of a row: what the phase takes, or the model's context where that is less."""
    return min(phase.max_length, getattr(model.config.get_text_config(), "max_position_embeddings", None) or phase.max_length)


def keep_student(
    phase: PhaseSpec,
    work: PhaseFolder,
    model: Any,
    tokenizer: Any,
    state: Any,
    counts: dict[str, Any],
    yardstick: Yardstick | None,
    base: str,
    on_measured: OnMeasured | None = None,
) -> TrainedPhase:
    """Selects among the checkpoints of a phase that has ended in `state` (the Trainer's), and keeps what it made of `base`.

    `model` is the last checkpoint's. Of a phase with `lora`, checkpoints are adapters: the student is the chosen one merged into the base,
    and the adapter stays beside its weights. Raises FactoryError where the disk refuses a write or merged weights are no numbers.
    """
    step, checkpoints, what = int(state.global_step), work.list_whole(), f"phase {phase.name!r}"
    open_checkpoint = partial(open_merged, base) if phase.lora else _open_whole
    trained_weights, selected = count_trained(model), Selection((), ())
    if yardstick:
        with explain_writes(what, work.path):
            how = (tokenizer, make_collator(tokenizer), phase.batch_size, work.checkpoints, on_measured)
            selected = measure_checkpoints(checkpoints, yardstick, open_checkpoint, *how)
        step = selected.step
    if yardstick or phase.lora or is_sharded(model):
        model = open_checkpoint(checkpoints[step])
        check_weights(what, model, step, state.global_step, phase.learning_rate)

    def save(target: Path) -> None:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        if phase.lora:
            copy_adapter(checkpoints[step], target / ADAPTER, base)

    summary = counts | {
        "steps": state.global_step,
        "losses": [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry],
        "step": step,
        "held_out": len(yardstick.rows.rows) if yardstick else 0,
        "held_out_left_out": yardstick.rows.left_out if yardstick else {},
        "held_out_losses": selected.losses,
        "held_out_accuracies": selected.accuracies,
        "trained_weights": trained_weights,
    }
    with explain_writes(what, work.path):
        if phase.keep_checkpoints:
            work.keep_steps(lambda folder: _complete_step(folder, tokenizer, base if phase.lora else None))
        return work.finish(save, summary)


def _open_whole(checkpoint: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, trust_remote_code=False)


def _complete_step(folder: Path, tokenizer: Any, adapted: str | None) -> None:
    """Adds to a kept checkpoint what it lacks: its tokenizer, and to an adapter of the base `adapted` that base's name."""
    tokenizer.save_pretrained(folder)
    if adapted is not None:
        name_base(folder, adapted)


def is_sharded(model: Any) -> bool:
    """Whether this process holds a part of `model` alone; its checkpoints hold the whole."""
    return any(hasattr(weight, "to_local") for weight in model.parameters())


def count_rows(phase: PhaseSpec, encoded: TokenRows, seed: int) -> dict[str, Any]:
    """What a supervised phase was trained on, once. A phase that ends within its first pass reads some of its rows alone."""
    lengths = [len(row.ids) for row in encoded.rows]
    read = range(len(lengths)) if phase.private else plan_rows(phase, lengths, seed)
    trained_on = list_records(encoded.record_ids[row] for row in set(read))
    return {"records": len(encoded.rows), "tokens": sum(lengths), "left_out": encoded.left_out, "trained_on": trained_on}


def keep_private(work: PhaseFolder, model: Any, tokenizer: Any, spent: Spent, counts: dict[str, Any], base: str) -> TrainedPhase:
    """Keeps the student of a private phase, with what it spent in its folder's README."""

    def save(target: Path) -> None:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        (target / "README.md").write_text(spent.describe(base), encoding="utf-8")

    summary = counts | {"steps": spent.steps, "losses": list(spent.losses), "step": spent.steps, "trained_weights": count_trained(model)}
    summary |= {"held_out": 0, "held_out_left_out": {}, "held_out_losses": ()}
    summary |= {"epsilon": spent.epsilon, "delta": spent.delta, "noise_multiplier": spent.noise_multiplier}
    return work.finish(save, summary)


def make_collator(tokenizer: Any) -> Callable[[Sequence[TokenRow]], dict[str, Any]]:
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
