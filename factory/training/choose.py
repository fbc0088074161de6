"""Which records a phase trains on: its own data of what is mixed, what it replays of the phases before, and what is held out for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.faults import FactoryError
from factory.records import TURNS, digest, take_examples
from factory.reward.words import read_tokens
from factory.training.student import open_tokenizer
from factory.training_spec import Bounds, DataSpec, PhaseSpec

REASONS: Final = ("other_kind", "other_leaf", "response_too_short", "response_too_long")
"""Why a record is no data of a phase, from the first that is looked at to the last; of several data, the one that it came furthest in."""
NOT_REPLAYED: Final = "not_replayed"
"""Data of an earlier phase that the share of replay leaves out."""
TAKEN: Final = len(REASONS)
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PhaseData:
    """What a phase trains on: `records`, of which `own` are its own data and `replayed` are of phases before; `left_out` counts the others
    by reason, so that all together are what was given."""

    records: pl.DataFrame
    own: int
    replayed: int
    left_out: dict[str, int]


def choose_data(plan: Sequence[PhaseSpec], number: int, records: pl.DataFrame, student: str, seed: int) -> PhaseData:
    """The data of phase `number` of the `plan` from `records` (columns record_id, leaf, kind, response and what training reads), as often
    as each stands there.

    Response lengths in tokens are by the tokenizer of `student`. The records to replay are those of all phases before that are not the
    phase's own, in an order drawn from `seed`, the phase's name and their ids: a release that grows replays most of the same.
    Raises FactoryError, in the name of the phase, where it has no data, and where the student's tokenizer is needed and cannot be opened.
    """
    phase = plan[number]
    if not phase.data and not phase.replay:
        return PhaseData(records, records.height, 0, {})
    measured = _measure(plan[: number + 1], records, student)
    furthest = _find_furthest(phase, measured)
    own = furthest == TAKEN
    reasons = [REASONS[code] if code < TAKEN else "" for code in furthest]
    if not own.any():
        counted = ", ".join(f"{count} {reason}" for reason, count in _count(reasons).items()) or "there are none"
        raise FactoryError(
            f"phase {phase.name!r}: none of {records.height} records is its data ({counted}). Widen its `data` or take "
            "the phase out of `training.phases`; where it is a preset's, take the preset stacked or write the phases out."
        )
    before = np.zeros(records.height, bool)
    for earlier in plan[:number]:
        before |= _find_furthest(earlier, measured) == TAKEN
    replayed = np.zeros(records.height, bool)
    candidates = [int(row) for row in np.flatnonzero(before & ~own)]
    ids = records["record_id"]
    candidates.sort(key=lambda row: digest(["replay", seed, phase.name, ids[row]]))
    replayed[candidates[: round(phase.replay * len(candidates))]] = True
    left = own | replayed
    reasons = [NOT_REPLAYED if phase.replay and earlier else reason for reason, earlier in zip(reasons, before, strict=True)]
    left_out = _count([reason for reason, taken in zip(reasons, left, strict=True) if not taken])
    return PhaseData(records.filter(pl.Series(left)), int(own.sum()), int(replayed.sum()), left_out)


def choose_holdout(plan: Sequence[PhaseSpec], number: int, seeds: pl.DataFrame) -> pl.DataFrame:
    """Held-out examples of `seeds` (records.SEED) as records to measure phase `number` on (columns record_id, leaf, language, instruction,
    context, response, turns, verifier, verifier_settings): of the kinds and leaves that it or a phase before takes, whatever their length.

    Raises FactoryError, in the name of the phase, where there is none.
    """
    held = take_examples(seeds).filter(pl.col("split") == "holdout")
    matching = np.zeros(held.height, bool)
    for data in (each for phase in plan[: number + 1] for each in phase.data or (DataSpec(),)):
        matching |= _match(data, held)[1]
    held = held.filter(pl.Series(matching, dtype=pl.Boolean))
    if held.is_empty():
        raise FactoryError(
            f"phase {plan[number].name!r}: select is {plan[number].select}, but no seed example of its leaves is held out. "
            "Raise `seeds.holdout`, give its leaves more examples, or take select: last."
        )
    read = {"instruction": "question", "context": "context", "response": "answer"}
    judged = ("record_id", "leaf", "language", "verifier", "verifier_settings")
    return held.select(*judged, **{name: pl.col(column) for name, column in read.items()}, turns=pl.lit(None, TURNS))


def find_reasons(phase: PhaseSpec, rows: pl.DataFrame, student: str) -> list[str | None]:
    """For each of `rows` (leaf, kind, response) why it is no data of the phase; null where it is."""
    return [None if code == TAKEN else REASONS[code] for code in _find_furthest(phase, _measure([phase], rows, student))]


def count_unused(plan: Sequence[PhaseSpec], records: pl.DataFrame, student: str) -> int:
    """How many of `records` no supervised phase of the `plan` takes."""
    plan = [phase for phase in plan if phase.method == "sft"]
    measured = _measure(plan, records, student)
    used = np.zeros(records.height, bool)
    for phase in plan:
        used |= _find_furthest(phase, measured) == TAKEN
    return int((~used).sum())


def _measure(plan: Sequence[PhaseSpec], records: pl.DataFrame, student: str) -> pl.DataFrame:
    """Leaf, kind and, where a phase of the plan bounds them, the lengths of responses; 0 of a response that is null."""
    data = [each for phase in plan for each in phase.data]
    responses = records["response"].fill_null("").to_list()
    measured = records.select("leaf", "kind")
    if any(each.half or each.response_tokens for each in data):
        encoded = open_tokenizer(student)(responses, add_special_tokens=False)["input_ids"] if responses else []
        measured = measured.with_columns(pl.Series("tokens", [len(ids) for ids in encoded], pl.Int64))
    if any(each.response_words for each in data):
        _, bounds = read_tokens(responses).words
        measured = measured.with_columns(pl.Series("words", np.diff(bounds), pl.Int64))
    return measured


def _find_furthest(phase: PhaseSpec, measured: pl.DataFrame) -> Codes:
    """For each record how far it comes in the phase's data: a place in REASONS, or TAKEN."""
    furthest: Codes = np.stack([_find_reason(data, measured) for data in phase.data or (DataSpec(),)]).max(axis=0)
    return furthest


def _find_reason(data: DataSpec, measured: pl.DataFrame) -> Codes:
    kind, both = _match(data, measured)
    reason = np.where(~kind, 0, np.where(~both, 1, TAKEN))
    column = "words" if data.response_words else "tokens"
    bounds = data.response_words or data.response_tokens
    if data.half:
        own = measured["tokens"].filter(pl.Series(both))
        middle = int(np.floor(np.median(own.to_numpy()))) if own.len() else 0
        bounds = Bounds(max=max(middle, 1)) if data.half == "short" else Bounds(min=middle + 1)
    if bounds:
        length = measured[column].to_numpy()
        reason[both & (length < (bounds.min or 0))] = 2
        if bounds.max is not None:
            reason[both & (length > bounds.max)] = 3
    return reason


def _match(data: DataSpec, rows: pl.DataFrame) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether each row is of the kinds, and whether it is of the leaves too."""
    everything = np.ones(rows.height, bool)
    kind = rows["kind"].is_in(list(data.kinds)).to_numpy() if data.kinds else everything
    leaves = [leaf for leaf in rows["leaf"].unique() if any(fnmatchcase(leaf, pattern) for pattern in data.leaves)]
    return kind, kind & (rows["leaf"].is_in(leaves).to_numpy() if data.leaves else everything)


def _count(reasons: Sequence[str]) -> dict[str, int]:
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}
