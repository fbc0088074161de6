"""Preference pairs of a phase: which are its own, which hold what may not be trained on, and the rest as tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from factory.faults import FactoryError
from factory.personal_data.records import list_types
from factory.reward_spec import ContaminationSpec
from factory.seeds_spec import KINDS
from factory.training.choose import find_reasons
from factory.training.data import encode_messages, find_answer
from factory.training.leaking_pairs import REASONS, find_leaking
from factory.training_spec import PhaseSpec
from factory.validation.evidence import Evidence

TEXTS = ("prompt", "chosen", "rejected")
PairLeftOut = Literal["empty_response", "control_token", "prompt_not_kept", "too_long"]
"""As of records (factory.training.data), of either side."""


@dataclass(frozen=True)
class PairData:
    """The pairs (records.PREFERENCE) that a phase trains on, and how many are left out for each reason, sorted by reason.

    Reasons are those of records (factory.training.choose), by the chosen response; `not_accepted`: its chosen record is none of those that
    are accepted now, so that nothing tells what of the prompt is context; `personal_data`: a text of either side holds some, which no
    filter has seen of the rejected one; for the same cause those of factory.training.leaking_pairs; `no_margin`: rpo needs the goodness of
    both sides, and the chosen's to be the greater.
    """

    pairs: pl.DataFrame
    left_out: dict[str, int]


@dataclass(frozen=True)
class PairRow:
    """A pair as tokens. `margin` is the difference in goodness; 0.0 where the pair has none."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    margin: float
    pair_id: str

    @property
    def length(self) -> int:
        """Tokens of its longer side."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))

    @property
    def tokens(self) -> int:
        """Tokens of both sides, the prompt in each: what a student reads of it."""
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)


def choose_pairs(phase: PhaseSpec, evidence: Evidence, student: str, contamination: ContaminationSpec) -> PairData:
    """The pairs of `evidence` that are the phase's data and hold no personal data, whatever the line's policy does about records, and
    nothing that is private or kept for evaluation; each is left out for the first reason that holds.

    `evidence` has what the privacy report reads beside the pairs: accepted records, seeds and documents.
    Raises FactoryError, in the name of the phase, where none is left; InputFaults for an evaluation set that cannot be read.
    """
    pairs = evidence.pairs
    kind = pl.col("leaf").str.split("/").list.first().replace(KINDS)
    response = pl.col("chosen").list.last().struct.field("content")
    reasons = find_reasons(phase, pairs.select("leaf", kind=kind, response=response), student)
    refuse_all = evidence.personal_data.model_copy(update={"policy": "refuse", "policies": {}})
    holding = dict.fromkeys(list_types(pairs, refuse_all, TEXTS) if pairs.height else {}, "personal_data")
    stale = pairs.join(evidence.accepted, left_on="chosen_id", right_on="record_id", how="anti")["record_id"]
    refused = find_leaking(evidence, contamination) | holding | dict.fromkeys(stale, "not_accepted")
    for row, pair in enumerate(pairs.select("record_id", "margin").iter_rows(named=True)):
        if reasons[row] is None:
            reasons[row] = refused.get(pair["record_id"])
        if reasons[row] is None and phase.method == "rpo" and not (pair["margin"] or 0.0) > 0:
            reasons[row] = "no_margin"
    left_out = dict(sorted(Counter(reason for reason in reasons if reason).items()))
    kept = pairs.filter(pl.Series([reason is None for reason in reasons], dtype=pl.Boolean))
    if kept.is_empty():
        counted = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "the line makes none"
        raise FactoryError(
            f"phase {phase.name!r}: none of {pairs.height} preference pairs can be trained on ({counted}). {_advise(left_out)} "
            "Or widen the phase's `data`, or take the phase out."
        )
    return PairData(kept, left_out)


def _advise(left_out: Collection[str]) -> str:
    advice = []
    if "not_accepted" in left_out:
        advice.append("Records have been accepted anew since the pairs were made: make the asset `preference_pairs` again.")
    if not {*REASONS, "personal_data"}.isdisjoint(left_out):
        advice.append(
            "What holds private or evaluation text is not mended by more responses of the same kind: look at it in `preference_pairs`, and "
            "give the teacher another flow, a higher temperature, more examples or documents without such text."
        )
    return " ".join(advice) or "Pairs are made of several responses to one instruction: raise generation.responses_per_instruction."


def encode_pairs(tokenizer: Any, pairs: pl.DataFrame, most_tokens: int) -> tuple[list[PairRow], dict[str, int]]:
    """The rows of `pairs` of at most `most_tokens` tokens on either side, and how many were left out for each reason."""
    control_tokens = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    rows: list[PairRow] = []
    left_out: Counter[str] = Counter()
    for pair in pairs.iter_rows(named=True):
        encoded = _encode_pair(tokenizer, pair, control_tokens, most_tokens)
        if isinstance(encoded, PairRow):
            rows.append(encoded)
        else:
            left_out[encoded] += 1
    return rows, dict(sorted(left_out.items()))


def _encode_pair(tokenizer: Any, pair: dict[str, Any], control_tokens: Sequence[str], most_tokens: int) -> PairRow | PairLeftOut:
    messages = [message for name in TEXTS for message in pair[name]]
    if not all(pair[side] and (pair[side][-1]["content"] or "").strip() for side in ("chosen", "rejected")):
        return "empty_response"
    if any(token in message["content"] for message in messages for token in control_tokens):
        return "control_token"
    sides = []
    for side in ("chosen", "rejected"):
        dialogue = [*pair["prompt"], *pair[side]]
        whole = encode_messages(tokenizer, dialogue)
        answer = find_answer(tokenizer, dialogue, whole)
        if answer is None:
            return "prompt_not_kept"
        sides.append((whole[: answer.start], whole[answer]))
    (prompt, chosen), (_, rejected) = sides
    if len(prompt) + max(len(chosen), len(rejected)) > most_tokens:
        return "too_long"
    return PairRow(prompt, chosen, rejected, pair["margin"] or 0.0, pair["record_id"])
