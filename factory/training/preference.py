"""Preference tuning of one phase by DPO or RPO, with a small supervised term on the chosen response; resumable as a supervised phase is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from factory.faults import FactoryError
from factory.pico.models import identify_model
from factory.records import digest, digest_frame
from factory.scale_spec import ScaleSpec
from factory.training.adapter import add_adapter
from factory.training.pairs import PairRow, encode_pairs
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.training.phase_run import (
    bound_tokens,
    choose_phase_arguments,
    describe_settings,
    keep_student,
    plan_rows,
)
from factory.training.processes import Job, identify_scale, run_job
from factory.training.selection import Holdout, OnMeasured, encode_holdout, identify_holdout
from factory.training.step_weights import weigh_by_step
from factory.training.student import open_student
from factory.training.trained_on import list_sides
from factory.training_spec import PhaseSpec, PreferenceSpec
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.ranks import on_first
from factory.tuning.trainer import OnStep, run_trainer

if TYPE_CHECKING:
    from torch import Tensor

INSTALL_TRL = "pip install 'data-factory[rewards]'"
SHAPING = ("record_id", "prompt", "chosen", "rejected", "margin")
"""Columns of pairs that shape the student."""
READ = (*SHAPING, "chosen_id", "rejected_id")


def rpo_loss(p: Tensor, t: Tensor) -> Tensor:
    """Reward-aware preference optimisation of each pair (pairs,): the Kullback-Leibler divergence of two coins in nats.

    `p` is beta times the difference of the log-ratios of chosen and rejected, `t` eta times the difference of their rewards:
    sigma(t) log(sigma(t)/sigma(p)) + (1 - sigma(t)) log((1 - sigma(t))/(1 - sigma(p))). 0 at p = t; for t to infinity it is DPO's loss.
    Nemotron-4 340B Technical Report (NVIDIA 2024), section 3.3.2.
    """
    from torch.nn.functional import logsigmoid

    return t.sigmoid() * (logsigmoid(t) - logsigmoid(p)) + (-t).sigmoid() * (logsigmoid(-t) - logsigmoid(-p))


def fingerprint_preference(
    phase: PhaseSpec, pairs: pl.DataFrame, base: str, seed: int, holdout: Holdout | None = None, scale: ScaleSpec | None = None
) -> str:
    """Names the work of a preference phase, as `fingerprint_phase` that of a supervised one."""
    # What earlier versions made of accumulated batches and of a budget of tokens bears the name "preference".
    named = ["preference by steps", describe_settings(phase), digest_frame(pairs.select(SHAPING).sort("record_id"))]
    return digest([*named, identify_model(base), seed, identify_holdout(phase, holdout), *identify_scale(scale)])


def train_preference(
    phase: PhaseSpec,
    pairs: pl.DataFrame,
    base: str,
    folder: Path,
    seed: int,
    on_step: OnStep | None = None,
    holdout: Holdout | None = None,
    scale: ScaleSpec | None = None,
    on_measured: OnMeasured | None = None,
) -> TrainedPhase:
    """The model `base` tuned by the phase's method, dpo or rpo, on `pairs` (records.PREFERENCE), with `base` as its reference.

    Everything else is as of `train_phase`. Raises FactoryError where TRL is not installed, which dpo needs, and as `train_phase` does.
    """
    pairs = pairs.select(READ).sort("record_id")
    work = PhaseFolder(folder, fingerprint_preference(phase, pairs, base, seed, holdout, scale))
    return run_job(Job(phase, base, work, seed, scale or ScaleSpec()), pairs, holdout, on_step, on_measured, tune_preference)


def tune_preference(
    job: Job, pairs: pl.DataFrame, holdout: Holdout | None, on_step: OnStep | None, on_measured: OnMeasured | None = None
) -> TrainedPhase:
    """What each process does of `train_preference`: `pairs` are in order, the job's work is not finished."""
    phase, base, work, seed = job.phase, job.base, job.work, job.seed
    what, settings = f"phase {phase.name!r}", phase.preference or PreferenceSpec()
    with keep_quiet(), reproduce():
        model, tokenizer = open_student(base)
        most_tokens = bound_tokens(phase, model)
        rows, left_out = encode_pairs(tokenizer, pairs, most_tokens)
        if not rows:
            reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "there is none"
            raise FactoryError(f"{what}: none of {pairs.height} pairs can be trained on ({reasons}). Raise the phase's max_length.")
        yardstick = encode_holdout(phase, tokenizer, holdout, most_tokens)
        with explain_writes(what, work.path):
            checkpoint = on_first(work.open)
        reference = measure_pairs(model.eval(), tokenizer, rows, phase.batch_size)
        order = plan_rows(phase, [row.length for row in rows], seed, [row.tokens for row in rows])
        arguments = choose_phase_arguments(phase, len(order), work, seed)
        if phase.method == "dpo":
            whole = None if phase.lora else base
            kind, parts = _build_dpo(settings, tokenizer, [rows[index] for index in order], whole, arguments)
        else:
            kind, parts = _build_rpo(settings, tokenizer, rows, order, reference, arguments)
        if phase.lora:
            model = add_adapter(what, model, phase.lora, seed)
        _switch_dropout_off(model)
        state = run_trainer(kind, what, work, checkpoint, on_step, model=model, **parts)
        after = measure_pairs(model.eval(), tokenizer, rows, phase.batch_size)
        margins = [float((logs[:, 0] - logs[:, 1]).mean()) for logs in (reference, after)]
        counts = {"records": len(rows), "tokens": sum(row.tokens for row in rows), "left_out": left_out, "margins": margins}
        counts["tokens_read"] = sum(rows[index].tokens for index in order)
        counts["trained_on"] = list_sides(pairs.filter(pl.col("record_id").is_in({rows[index].pair_id for index in order})))
        return on_first(lambda: keep_student(phase, work, model, tokenizer, state, counts, yardstick, base, on_measured))


def measure_pairs(model: Any, tokenizer: Any, rows: Sequence[PairRow], batch_size: int) -> Tensor:
    """Log-likelihoods in nats of the chosen and of the rejected response of each pair under `model` (pairs, 2)."""
    import torch

    measured = []
    for start in range(0, len(rows), batch_size):
        batch = {name: tensor.to(model.device) for name, tensor in _collate(tokenizer, rows[start : start + batch_size]).items()}
        with torch.inference_mode():
            measured.append(torch.stack(_sum_logs(model, batch)[:2], dim=1).cpu())
    return torch.cat(measured).clone()


def _collate(tokenizer: Any, rows: Sequence[PairRow]) -> dict[str, Any]:
    """Tensors of shape (2 rows, longest side): the chosen sides, then the rejected; `completion_mask` marks the tokens of responses."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    sides = [(row.prompt, side) for name in ("chosen", "rejected") for row in rows for side in (getattr(row, name),)]
    ids = [torch.tensor(prompt + side) for prompt, side in sides]
    marks = [torch.tensor([0] * len(prompt) + [1] * len(side)) for prompt, side in sides]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=tokenizer.pad_token_id or 0),
        "attention_mask": pad_sequence([torch.ones_like(each) for each in ids], batch_first=True),
        "completion_mask": pad_sequence(marks, batch_first=True),
    }


def _sum_logs(model: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Log-likelihoods of chosen and rejected responses (pairs,), and the mean of a chosen response's token in nats, negative."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
    tokens = logits.log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0] * batch["completion_mask"][:, 1:]
    chosen, rejected = tokens.sum(1).chunk(2)
    return chosen, rejected, chosen.sum() / batch["completion_mask"][: len(chosen), 1:].sum()


def _switch_dropout_off(model: Any) -> None:
    """By dropout a base would differ from itself. TRL leaves that of attention on."""
    import torch

    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(getattr(part, "attention_dropout", None), float):
            part.attention_dropout = 0.0


def _build_dpo(
    settings: PreferenceSpec, tokenizer: Any, rows: Sequence[PairRow], base: str | None, arguments: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """TRL's trainer, its loss mixed with the supervised one (`sft`). `base` is the reference; None: the model with its adapter off."""
    try:
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer
    except ImportError as error:
        raise FactoryError(f"preference tuning by dpo needs the library trl, which is not installed: {INSTALL_TRL}") from error

    class OwnTokens(weigh_by_step(DPOTrainer)):  # type: ignore[misc]
        """Rows come as tokens, encoded and counted before: TRL would cut those too long in silence."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if base is None:
                # TRL's copy of the new adapter, which changes nothing: without it, the reference is the model with its adapter off.
                self.model.delete_adapter("ref")

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            pairs, tokens = self.take_shares(inputs, num_items_in_batch)
            self.loss_weights = [pairs, settings.sft_weight * tokens]
            return super().compute_loss(model, inputs, return_outputs)

    columns = {f"{name}_ids": [list(getattr(row, name)) for row in rows] for name in ("prompt", "chosen", "rejected")}
    losses = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, settings.sft_weight]}
    config = DPOConfig(**arguments, **losses, beta=settings.beta, max_length=None)
    reference = None if base is None else open_student(base)[0]
    parts = {"args": config, "train_dataset": Dataset.from_dict(columns), "processing_class": tokenizer, "ref_model": reference}
    return OwnTokens, parts


def _build_rpo(
    settings: PreferenceSpec, tokenizer: Any, rows: Sequence[PairRow], order: Sequence[int], reference: Tensor, arguments: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The Trainer of transformers with RPO's loss, which TRL has not."""
    import torch
    from transformers import Trainer, TrainingArguments

    class RewardAware(weigh_by_step(Trainer)):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            chosen, rejected, supervised = _sum_logs(model, inputs)
            ratio = (chosen - inputs["reference"][:, 0]) - (rejected - inputs["reference"][:, 1])
            pairs, tokens = self.take_shares(inputs, num_items_in_batch)
            loss = (
                pairs * rpo_loss(settings.beta * ratio, settings.eta * inputs["margin"]).mean() - settings.sft_weight * tokens * supervised
            )
            return (loss, {}) if return_outputs else loss

    def collate(indices: Sequence[int]) -> dict[str, Any]:
        margins = torch.tensor([rows[index].margin for index in indices])
        return {**_collate(tokenizer, [rows[index] for index in indices]), "margin": margins, "reference": reference[list(indices)]}

    return RewardAware, {"args": TrainingArguments(**arguments), "train_dataset": list(order), "data_collator": collate}
