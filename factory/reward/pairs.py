"""Preference pairs: of several responses to one instruction an accepted one, and one that is worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.records import PREFERENCE, record_id
from factory.reward.judges import Compare
from factory.reward.rating import read_dialogue
from factory.reward.score import KEPT
from factory.reward.verdict import ACCEPTED
from factory.reward_spec import PairsSpec

Row = dict[str, Any]
MET = KEPT & ~pl.col("reason").is_in(["holdout_overlap", "seed_copy", "contaminated", "personal_data", "too_deep"])
"""What may be a rejected response: it parsed, is no copy of what is kept for evaluation, and was not refused for personal data or depth."""


def make_pairs(verdicts: pl.DataFrame, spec: PairsSpec, compare: Compare | None = None) -> pl.DataFrame:
    """PREFERENCE rows from the VERDICT rows of a whole line, by leaf, then in the order of the chosen.

    Chosen is what was accepted, so a pair holds nothing that did not pass every filter but its rejected response. Of each rejected response
    the first of `spec.by` that can tell says why it is worse: the verifier calls it wrong and the chosen right; more judges call it bad
    than good, and of the chosen more good than bad; a judge that is put both, in both orders, prefers the chosen; its goodness is less by
    `min_margin` at least. Of one instruction the pairs with the widest margins are taken, of equals the first.
    `compare` puts pairs to the judge of `spec.judge`, those alone that nothing before it in `spec.by` tells apart.
    Raises FactoryError where it is needed and not given, and what it raises.
    """
    unit = pl.concat_str("leaf", "instruction_id", pl.col("seed").cast(pl.String), separator="/")
    several = verdicts.filter(MET).with_columns(unit=unit).filter(pl.len().over("unit") > 1, pl.col("unit").is_not_null())
    groups = [rows.to_dicts() for _, rows in several.sort("leaf", maintain_order=True).group_by("unit", maintain_order=True)]
    preferred = _put_to_judge(groups, spec, compare) if "comparison" in spec.by else frozenset()
    found: list[Row] = []
    for group in groups:
        told = ((chosen, rejected, _tell(chosen, rejected, spec.by, spec, preferred)) for chosen, rejected in _list_pairs(group))
        pairs = [_write_pair(chosen, rejected, by) for chosen, rejected, by in told if by]
        pairs.sort(key=lambda pair: -(pair["margin"] if pair["margin"] is not None else float("inf")))
        found += pairs[: spec.per_instruction]
    return pl.DataFrame(found, schema=PREFERENCE)


def _list_pairs(rows: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """Each accepted row with each other that says something else."""
    for chosen in (row for row in rows if row["reason"] == ACCEPTED):
        yield from ((chosen, other) for other in rows if other["response"] != chosen["response"])


def _put_to_judge(groups: Sequence[Sequence[Row]], spec: PairsSpec, compare: Compare | None) -> frozenset[tuple[str, str]]:
    """Record ids of the preferred and the other, of each pair that the judge tells apart."""
    if compare is None:
        raise FactoryError("pairs are told apart by comparison, and nobody was given to compare: give make_pairs the line's judge.")
    before = spec.by[: spec.by.index("comparison")]
    asked: dict[frozenset[str], tuple[Row, Row]] = {}
    for chosen, rejected in (pair for group in groups for pair in _list_pairs(group)):
        if not _tell(chosen, rejected, before, spec):
            asked.setdefault(frozenset((chosen["record_id"], rejected["record_id"])), (chosen, rejected))
    told = zip(asked.values(), compare([*asked.values()]), strict=True)
    sides = ((pair if said.verdict == "a" else pair[::-1]) for pair, said in told if said.verdict in {"a", "b"})
    return frozenset((better["record_id"], worse["record_id"]) for better, worse in sides)


def _tell(
    chosen: Row, rejected: Row, by: Sequence[str], spec: PairsSpec, preferred: frozenset[tuple[str, str]] = frozenset()
) -> str | None:
    """What of `by` tells the two apart; null where nothing does."""
    margin = _margin(chosen, rejected)
    worse = {
        "verifier": chosen["verified"] is True and rejected["verified"] is False,
        "judges": _count_votes(chosen) > 0 > _count_votes(rejected),
        "comparison": (chosen["record_id"], rejected["record_id"]) in preferred,
        "goodness": margin is not None and margin > 0 and margin >= spec.min_margin,
    }
    return next((each for each in by if worse[each]), None)


def _margin(chosen: Row, rejected: Row) -> float | None:
    return None if chosen["goodness"] is None or rejected["goodness"] is None else chosen["goodness"] - rejected["goodness"]


def _count_votes(row: Row) -> int:
    """Good votes less bad ones."""
    return sum(1 if vote["good"] else -1 for vote in row["votes"] or [] if vote["good"] is not None)


def _write_pair(chosen: Row, rejected: Row, by: str) -> Row:
    *prompt, last = ({"role": message.role, "content": message.content} for message in read_dialogue(chosen))
    pair = {
        "leaf": chosen["leaf"],
        "language": chosen["language"],
        "prompt": prompt,
        "chosen": [last],
        "rejected": [{"role": "assistant", "content": rejected["response"]}],
        "by": by,
        "chosen_id": chosen["record_id"],
        "rejected_id": rejected["record_id"],
    }
    return {
        "record_id": record_id("preference", pair),
        **pair,
        "margin": _margin(chosen, rejected),
        "chosen_goodness": chosen["goodness"],
        "rejected_goodness": rejected["goodness"],
        "rejected_reason": rejected["reason"],
        "licence": chosen["licence"],
        "depth": max(chosen["depth"], rejected["depth"]),
    }
