"""In what order a tuning reads its rows."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

WINDOW_BATCHES = 16
"""Rows are sorted by length inside windows of this many batches: short padding, and an order that is still close to random."""


def plan_order(lengths: Sequence[int], epochs: float, batch_size: int, seed: int) -> list[int]:
    """Indices of rows for the whole of a phase: consecutive runs of `batch_size` are its batches, the last perhaps shorter.

    Each epoch is a new shuffle; a fractional epoch ends early. Batches hold rows of like length. Planned ahead and from the seed alone, so
    that a phase that goes on after a kill meets the same batches.
    """
    rng = random.Random(f"order/{seed}")
    left = max(1, round(epochs * len(lengths))) if lengths else 0
    order: list[int] = []
    waiting: list[int] = []
    while left:
        epoch = list(range(len(lengths)))
        rng.shuffle(epoch)
        waiting += epoch[:left]
        left -= min(left, len(epoch))
        whole = len(waiting) - len(waiting) % batch_size
        window = WINDOW_BATCHES * batch_size
        for start in range(0, whole, window):
            near = sorted(waiting[start : min(start + window, whole)], key=lengths.__getitem__)
            batches = [near[first : first + batch_size] for first in range(0, len(near), batch_size)]
            rng.shuffle(batches)
            order += [index for batch in batches for index in batch]
        # What does not fill a batch opens the next epoch.
        waiting = waiting[whole:]
    return order + waiting


def plan_tokens(lengths: Sequence[int], tokens: int, batch_size: int, seed: int, costs: Sequence[int] | None = None) -> list[int]:
    """The order of as many rows as together have `tokens` tokens, the last of them whole, in as many epochs as that takes.

    `costs` are the tokens that rows count, where they are others than the `lengths` by which rows are laid side by side.
    """
    counted = lengths if costs is None else costs
    if not sum(counted):
        return []
    order = plan_order(lengths, math.ceil(tokens / sum(counted)), batch_size, seed)
    read = itertools.accumulate(counted[row] for row in order)
    return order[: next(count for count, total in enumerate(read, 1) if total >= tokens)]
