"""The loss of a phase's checkpoints on held-out examples, and which of them is its student."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from factory.training.data import TokenRow

Losses = tuple[tuple[int, float], ...]
"""Pairs of step and held-out loss, in the order of steps."""


def measure_checkpoints(
    checkpoints: Mapping[int, Path],
    rows: Sequence[TokenRow],
    collate: Callable[[Sequence[TokenRow]], dict[str, Any]],
    batch_size: int,
    open_checkpoint: Callable[[Path], Any],
) -> Losses:
    """The held-out loss of each checkpoint by step, as the model that `open_checkpoint` makes of it: nats per trained token of `rows`."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    measured = []
    for step, folder in checkpoints.items():
        model = open_checkpoint(folder).to(device).eval()
        measured.append((step, measure_loss(model, rows, collate, batch_size)))
    return tuple(measured)


def measure_loss(model: Any, rows: Sequence[TokenRow], collate: Callable[[Sequence[TokenRow]], dict[str, Any]], batch_size: int) -> float:
    """Mean negative log-likelihood of the trained tokens of `rows`, in nats per token."""
    import torch
    from torch.nn.functional import cross_entropy

    ordered = sorted(rows, key=lambda row: len(row.ids))
    total, count = 0.0, 0
    for start in range(0, len(ordered), batch_size):
        batch = {name: tensor.to(model.device) for name, tensor in collate(ordered[start : start + batch_size]).items()}
        labels = batch.pop("labels")[:, 1:]
        with torch.inference_mode():
            logits = model(**batch).logits[:, :-1].float()
        total += float(cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum"))
        count += int((labels >= 0).sum())
    return total / count


def choose_step(losses: Losses) -> int:
    """The step of the least loss, of equal ones the earliest."""
    return min(losses, key=lambda pair: (pair[1], pair[0]))[0]
