"""Preference pairs: what the preferred and the refused side give away, of which only the first is an accepted record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from factory.records import TURNS, VERDICT, empty
from factory.validation.evidence import Evidence
from factory.validation.metric import LINE, Row, metric, share_row
from factory.validation.privacy.canaries import find_holders
from factory.validation.privacy.copies import find_copies
from factory.validation.privacy.flags import SCORE
from factory.validation.privacy.personal_data import find_published_data
from factory.validation.privacy.repetition import find_long_runs

SIDES = ("chosen", "rejected")

LEAKS: dict[str, Callable[[Evidence], set[str]]] = {
    "personal_data": lambda sides: set(find_published_data(sides)["record_id"]),
    "seed_copies": lambda sides: find_copies(sides, "seed"),
    "holdout_copies": lambda sides: find_copies(sides, "holdout"),
    "long_runs": find_long_runs,
    "canaries": find_holders,
}
"""What is looked for in each side, by name: ids of the sides that have it."""


@metric(
    "privacy",
    "max",
    "share of preference pairs of which a side or the prompt has personal data, is an example, has 50 words of private text or holds a "
    "canary; rows `side=` and `leak=` tell which",
    "as the metrics of records measure it; the prompt counts with each side",
    SCORE,
)
def pair_leaks(evidence: Evidence) -> Iterator[Row]:
    pairs = evidence.pairs["record_id"].to_list()
    found = {(side, name): find(sides) for side, sides in take_sides(evidence) for name, find in LEAKS.items()} if pairs else {}
    yield share_row(LINE, len(set[str]().union(*found.values())), len(pairs))
    for side in SIDES if pairs else ():
        yield share_row(f"side={side}", len(set[str]().union(*(found[side, name] for name in LEAKS))), len(pairs))
    for name in LEAKS if pairs else ():
        yield share_row(f"leak={name}", len(set[str]().union(*(found[side, name] for side in SIDES))), len(pairs))


def take_sides(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    """Each side of the pairs as if its responses were accepted records, under the ids of the pairs.

    Instruction and context are those of the chosen record: in a pair's prompt they are one text, its first, and a context is private
    text itself. What else stands in the prompt are the turns between.
    """
    asked = evidence.accepted.select("instruction", "context", chosen_id="record_id")
    asked_first = pl.struct(role=pl.lit("user"), content="instruction")
    for side in SIDES:
        response = pl.col(side).list.eval(pl.element().struct.field("content")).list.join("\n")
        turns = pl.concat_list(asked_first, pl.col("prompt").list.slice(1), pl.col(side)).cast(TURNS)
        told = evidence.pairs.join(asked, on="chosen_id", how="left").select(
            "record_id", "leaf", "language", "instruction", "context", response=response, turns=turns
        )
        records = pl.concat([empty(VERDICT), told], how="diagonal")
        seeds = pl.concat([evidence.seeds, evidence.planted], how="diagonal")
        yield side, Evidence(records, seeds, evidence.documents, personal_data=evidence.personal_data)
