"""Packing: several records in one row, each with positions of its own, by which attention keeps them apart; little of it is padding."""

from __future__ import annotations

import inspect
import random
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Any

from factory.faults import FactoryError
from factory.training.data import IGNORED, TokenRow

PackedRow = tuple[TokenRow, ...]

WINDOW_RECORDS = 1024
"""Records that are packed among each other: enough for full rows, and few enough for an order that is still close to random."""
PROBED_TOKENS = 16
TOLERANCE = 1e-5
"""Of the largest logit. Of tiny models with weights as new ones have them, rounding moved 1e-7, and what an LFM2 saw of another record,
through a convolution of three tokens, 6e-5; attention moves much more."""


def pack_rows(planned: Sequence[TokenRow], records: int, most_tokens: int, seed: int) -> list[PackedRow]:
    """The rows `planned` for a phase over `records` records, epoch after epoch, packed into rows of at most `most_tokens` tokens.

    Each epoch keeps its records. Inside windows of it the longest are placed first, each into the fullest row that still has room (best-fit
    decreasing, as Ding et al. 2024, arXiv:2404.10830, pack without cutting a record); then rows are shuffled.
    """
    rng = random.Random(f"packing/{seed}")
    packed: list[PackedRow] = []
    for epoch in range(0, len(planned), records):
        for start in range(epoch, min(epoch + records, len(planned)), WINDOW_RECORDS):
            rows = _fit(planned[start : min(start + WINDOW_RECORDS, epoch + records)], most_tokens)
            rng.shuffle(rows)
            packed += rows
    return packed


def _fit(records: Sequence[TokenRow], most_tokens: int) -> list[PackedRow]:
    rows: list[list[TokenRow]] = []
    room: list[tuple[int, int]] = []  # tokens that a row still takes, and which row, in order
    for record in sorted(records, key=lambda record: -len(record.ids)):
        place = bisect_left(room, (len(record.ids), 0))
        if place == len(room):
            left, row = most_tokens, len(rows)
            rows.append([])
        else:
            left, row = room.pop(place)
        rows[row].append(record)
        insort(room, (left - len(record.ids), row))
    return [tuple(row) for row in rows]


def make_packed_collator(tokenizer: Any) -> Callable[[Sequence[PackedRow]], dict[str, Any]]:
    """Packed rows as tensors of shape (rows, longest row).

    Without an attention mask, transformers takes each run of growing positions for a sequence that sees itself alone
    (transformers.masking_utils.find_packed_sequence_indices); the padding at the right is one more. The first token of a record has no
    token before it, and is not trained on.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    padding = tokenizer.pad_token_id or 0

    def collate(rows: Sequence[PackedRow]) -> dict[str, Any]:
        longest = max(sum(len(record.ids) for record in row) for row in rows)
        ids, labels, positions = [], [], []
        for row in rows:
            flat = [number for record in row for number in record.ids]
            trained = [flag and place > 0 for record in row for place, flag in enumerate(record.trained)]
            ids.append(torch.tensor(flat))
            labels.append(torch.where(torch.tensor(trained), ids[-1], IGNORED))
            lengths = [*(len(record.ids) for record in row), longest - len(flat)]
            positions.append(torch.cat([torch.arange(length) for length in lengths]))
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=padding),
            "position_ids": torch.stack(positions),
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        }

    return collate


def check_packing(what: str, model: Any, collate: Callable[[Sequence[PackedRow]], dict[str, Any]], row: TokenRow) -> None:
    """Raises FactoryError, in the name of `what`, where `model` computes a record otherwise behind another one than alone in its row.

    It is tried, with the first tokens of `row`: no list says which architectures carry a state on, or count positions by themselves.
    """
    import torch

    record = TokenRow(row.ids[:PROBED_TOKENS], row.trained[:PROBED_TOKENS])
    size, length = model.config.get_text_config().vocab_size, len(record.ids)
    other = TokenRow(tuple((number + 1) % size for number in record.ids), record.trained)
    if "position_ids" in inspect.signature(model.forward).parameters:
        batch = collate([(other, record), (record,)])
        del batch["labels"]
        with torch.inference_mode():
            logits = model(**batch, use_cache=False).logits.float()
        behind, alone = logits[0, length:], logits[1, :length]
        if float((behind - alone).abs().max()) <= TOLERANCE * float(alone.abs().max()):
            return
    raise FactoryError(
        f"{what}: packing is on, but the student ({type(model).__name__}) does not keep the records of a row apart: what it computes "
        "of one depends on the one before it. Leave `packing` out, or take another student."
    )
