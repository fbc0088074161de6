"""Differentially private tuning: the weights of a phase tell no more of any one record than its epsilon and delta allow."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from factory.faults import FactoryError
from factory.pico.models import name_model
from factory.training.data import IGNORED, TokenRow
from factory.training_spec import DEFAULT_EPOCHS, PhaseSpec, PrivateSpec
from factory.tuning.trainer import MOST_LOSSES, OnStep, check_weights, count_warmup

MOST_ROWS = 16
"""Rows whose gradients are held at once, each as large as the model; a batch of more is taken in parts."""
ACCOUNTANT = "rdp"
"""Rényi accounting of the subsampled Gaussian mechanism (Mironov et al. 2019, arXiv:1908.10530): an upper bound without numeric error."""


@dataclass(frozen=True)
class Spent:
    """What a private phase spent: (epsilon, delta)-differential privacy of its weights, for one record put in or taken out."""

    epsilon: float
    delta: float
    noise_multiplier: float
    steps: int
    losses: tuple[tuple[int, float], ...]

    def describe(self, base: str) -> str:
        """A model card in Markdown: what the guarantee is, and of what it does not speak."""
        return (
            "# Differentially private student\n\n"
            f"Tuned from {name_model(base)} by DP-SGD (Abadi et al. 2016) in {self.steps} steps: "
            f"**epsilon {math.ceil(self.epsilon * 1000) / 1000:g} at delta "
            f"{self.delta:g}**, noise multiplier {self.noise_multiplier:.4g}, by Rényi accounting of Poisson-sampled batches.\n\n"
            "The guarantee is of the weights, and of one record of the release put in or taken out: several records that were written "
            "from one seed share what they tell of it. It does not cover what the base was trained on, nor loss curve and evaluation, "
            "which are computed without noise.\n"
        )


def tune_privately(
    model: Any, rows: Sequence[TokenRow], collate: Any, phase: PhaseSpec, spec: PrivateSpec, on_step: OnStep | None
) -> Spent:
    """Tunes `model` in place by DP-SGD with Adam (Abadi et al. 2016, arXiv:1607.00133), as many steps as the phase's epochs need.

    Each step takes each row with the same chance (Poisson sampling, which the accountant assumes), so that batches are of `batch_size` in
    the mean; each row's gradient is clipped to `max_grad_norm`, and noise is added to their sum. Sampling and noise come from the operating
    system, never from the line's seed: who knows it could take the noise off again. So no two runs give the same weights.
    Raises FactoryError where Opacus is missing, it cannot take the gradient of each row, delta is no less than one in `rows`, or the loss
    is no number.
    """
    what = f"phase {phase.name!r}"
    if spec.delta >= 1 / len(rows):
        raise FactoryError(
            f"{what}: with {len(rows)} records a delta of {spec.delta:g} would allow one of them to be published whole. "
            f"Give a private.delta below {1 / len(rows):.1g}."
        )
    import warnings

    with warnings.catch_warnings():
        # Opacus warns of hooks on tokens, which have no gradient, and of orders that its search for the noise passes by.
        warnings.simplefilter("ignore", UserWarning)
        return _tune(what, model, rows, collate, phase, spec, on_step)


def _tune(
    what: str, model: Any, rows: Sequence[TokenRow], collate: Any, phase: PhaseSpec, spec: PrivateSpec, on_step: OnStep | None
) -> Spent:
    import torch

    accounting, optimizers, grad_sample, validators = _import_opacus(what)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    if errors := validators.ModuleValidator.validate(model, strict=False):
        raise FactoryError(f"{what}: the student cannot be tuned privately: {errors[0]} Take another student, or leave `private` out.")
    rate = min(1.0, phase.batch_size / len(rows))
    steps = max(1, math.ceil((phase.epochs or DEFAULT_EPOCHS) / rate))
    noise = accounting.utils.get_noise_multiplier(
        target_epsilon=spec.epsilon, target_delta=spec.delta, sample_rate=rate, steps=steps, accountant=ACCOUNTANT
    )
    accountant = accounting.create_accountant(ACCOUNTANT)
    watched = grad_sample.GradSampleModule(model, loss_reduction="sum")
    optimizer = optimizers.DPOptimizer(
        torch.optim.AdamW(model.parameters(), lr=phase.learning_rate, weight_decay=0.0),
        noise_multiplier=noise,
        max_grad_norm=spec.max_grad_norm,
        expected_batch_size=max(1, round(rate * len(rows))),
        generator=torch.Generator(device).manual_seed(secrets.randbits(63)),
        secure_mode=True,  # sums of draws, whose last bits do not give the noise away (Holohan & Braghin 2021, arXiv:2107.10138)
    )
    warmup = count_warmup(phase.warmup_ratio, steps)
    every, losses, waiting = math.ceil(steps / MOST_LOSSES), [], []
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = phase.learning_rate * _schedule(step - 1, steps, warmup)
        waiting.append(_take_step(watched, optimizer, [row for row in rows if _drawn(rate)], collate, device))
        accountant.step(noise_multiplier=noise, sample_rate=rate)
        if not math.isfinite(waiting[-1]):
            raise FactoryError(
                f"{what}: the loss is no number at step {step} of {steps}. Lower the learning rate ({phase.learning_rate:g})."
            )
        if step % every == 0 or step == steps:
            losses.append((step, sum(waiting) / len(waiting)))
            waiting = []
            if on_step is not None:
                on_step(step, steps, losses[-1][1])
    check_weights(what, model, steps, steps, phase.learning_rate)
    watched.to_standard_module()
    return Spent(float(accountant.get_epsilon(delta=spec.delta)), spec.delta, float(noise), steps, tuple(losses))


def _import_opacus(what: str) -> tuple[Any, Any, Any, Any]:
    try:
        from opacus import accountants, grad_sample, optimizers, validators
        from opacus.accountants import utils  # noqa: F401
    except ImportError as error:
        raise FactoryError(f"{what}: private tuning needs Opacus: pip install 'data-factory[private]'.") from error
    return accountants, optimizers, grad_sample, validators


def _drawn(rate: float) -> bool:
    return secrets.randbits(53) < rate * 2**53


def _schedule(step: int, steps: int, warmup: int) -> float:
    """The share of the learning rate at a step: as `factory.tuning.trainer.SCHEDULE`."""
    return step / warmup if step < warmup else (steps - step) / max(1, steps - warmup)


def _take_step(watched: Any, optimizer: Any, batch: Sequence[TokenRow], collate: Any, device: str) -> float:
    """One step on a batch, which may be empty; gives the mean loss per trained token of its rows."""
    total = 0.0
    parts = list(_cut(batch))
    for place, part in enumerate(parts):
        optimizer.signal_skip_step(do_skip=place < len(parts) - 1)
        if part:
            losses = _measure_rows(watched, {name: tensor.to(device) for name, tensor in collate(part).items()})
            losses.sum().backward()
            total += float(losses.sum())
        else:
            for weight in watched.parameters():
                weight.grad_sample = weight.new_zeros((0, *weight.shape))
        optimizer.step()
        optimizer.zero_grad()
    return total / max(1, len(batch))


def _cut(batch: Sequence[TokenRow]) -> Iterator[Sequence[TokenRow]]:
    for at in range(0, max(1, len(batch)), MOST_ROWS):
        yield batch[at : at + MOST_ROWS]


def _measure_rows(watched: Any, batch: dict[str, Any]) -> Any:
    """The mean loss per trained token of each row."""
    import torch

    labels = batch["labels"][:, 1:]
    logits = watched(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    return losses.sum(dim=1) / (labels != IGNORED).sum(dim=1).clamp(min=1)
