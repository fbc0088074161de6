"""How surprised a tuned model is by each token of an answer: what attacks on its memory read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.training.data import TokenRow

BATCH_TOKENS = 4096
"""Tokens in one pass, padding among them."""

Losses = NDArray[np.float64]


def measure_losses(model: Any, rows: Sequence[TokenRow]) -> list[Losses]:
    """For each row -ln p of its trained tokens in order, each given all tokens before it; empty where the first token alone is trained."""
    import torch

    order = sorted(range(len(rows)), key=lambda at: len(rows[at].ids))
    measured: list[Losses] = [np.empty(0)] * len(rows)
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    for batch in _cut_batches(order, rows):
        longest = len(rows[batch[-1]].ids)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros(len(batch), longest, dtype=torch.long)
        for place, at in enumerate(batch):
            ids[place, : len(rows[at].ids)] = torch.tensor(rows[at].ids)
            mask[place, : len(rows[at].ids)] = 1
        ids, mask = ids.to(model.device), mask.to(model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
            losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none").double().cpu().numpy()
        for place, at in enumerate(batch):
            trained = np.array(rows[at].trained[1:], dtype=bool)
            measured[at] = losses[place, : trained.size][trained]
    return measured


def _cut_batches(order: Sequence[int], rows: Sequence[TokenRow]) -> list[list[int]]:
    """Rows of like length together, as many as BATCH_TOKENS hold."""
    batches: list[list[int]] = []
    for at in order:
        if batches and (len(batches[-1]) + 1) * len(rows[at].ids) <= BATCH_TOKENS:
            batches[-1].append(at)
        else:
            batches.append([at])
    return batches
