"""Which good candidates are copies: of what people made, of what models are evaluated on, or of a candidate before them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.reward.duplicates import Key, KeyIndex, read_key, sign_keys
from factory.reward_spec import RewardSpec

_BEFORE = "before"
_REASONS = {"holdout": ("holdout_overlap", "holdout_overlap"), "seed": ("seed_copy", "seed_copy"), _BEFORE: ("duplicate", "near_duplicate")}
COPY_REASONS = ("holdout_overlap", "seed_copy", "duplicate", "near_duplicate")
"""holdout_overlap, seed_copy: the same or nearly the same as an example made by people, held out or shown to the teacher.
duplicate, near_duplicate: as a candidate that was accepted before it."""

Copy = tuple[int, str, str, str]
"""Row, reason, id of what it copies, and how it matched."""


def find_copies(good: pl.DataFrame, seeds: pl.DataFrame, spec: RewardSpec) -> Iterator[Copy]:
    """Each row of `good` (VERDICT columns and `row`, in the order in which records are taken) that is a copy.

    `seeds` are SEED rows with an answer. Responses to one instruction of one unit, where the policy keeps them all, are no copies of each
    other.
    """
    index = KeyIndex(spec.near_duplicate, origins=(*_REASONS,))
    keys = _read_keys(seeds, "question")
    for record_id, split, key, signature in zip(seeds["record_id"], seeds["split"], keys, sign_keys(keys), strict=True):
        index.add(record_id, split, key, signature)
    keys = _read_keys(good, "instruction")
    units: dict[str, tuple[str | None, int | None]] = {}
    places = good.select("row", "record_id", "instruction_id", "seed").iter_rows()
    for (row, record_id, instruction_id, seed), key, signature in zip(places, keys, sign_keys(keys), strict=True):
        match = index.find(key, signature)
        if match is None:
            units[record_id] = (instruction_id, seed)
            index.add(record_id, _BEFORE, key, signature)
        elif match.origin != _BEFORE or instruction_id is None or units[match.record_id] != (instruction_id, seed):
            yield row, _REASONS[match.origin][not match.exact], match.record_id, "exact" if match.exact else f"near {match.similarity:.2f}"


def _read_keys(frame: pl.DataFrame, asked: str) -> list[Key]:
    return [read_key(*row) for row in frame.select(asked, "context", "language").iter_rows()]
