"""Records that are a private example, word for word."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import Row, metric
from factory.validation.privacy.flags import AT_MOST_ONE_IN_A_HUNDRED, SCORE, share_flagged
from factory.validation.published import list_exchanges
from factory.validation.text import plain
from factory.validation_spec import Gate

IDENTICAL = "identical but for case and space; of a dialogue each answer with the turn before it"


@metric(
    "privacy",
    "max",
    "share of records of which an instruction and its response are those of a seed example",
    IDENTICAL,
    SCORE,
    gate=Gate(max=0.01),
    because=AT_MOST_ONE_IN_A_HUNDRED,
)
def seed_copies(evidence: Evidence) -> Iterator[Row]:
    yield from share_flagged(evidence, find_copies(evidence, "seed"))


@metric(
    "privacy",
    "max",
    "share of records of which an instruction and its response are those of a held-out example",
    IDENTICAL,
    SCORE,
    gate=Gate(max=0.01),
    because=AT_MOST_ONE_IN_A_HUNDRED,
)
def holdout_copies(evidence: Evidence) -> Iterator[Row]:
    yield from share_flagged(evidence, find_copies(evidence, "holdout"))


def find_copies(evidence: Evidence, split: str) -> set[str]:
    """Ids of the accepted records that are an example of the split, whatever context either has."""
    texts, examples = _read_texts(evidence, split)
    return set(texts.join(examples, on=["first", "second"], how="semi")["record_id"])


def find_copies_in_context(evidence: Evidence, split: str) -> set[str]:
    """Ids of those that have the example's context too, where it has one: one question about many texts has the same few answers."""
    texts, examples = _read_texts(evidence, split)
    copies = texts.join(examples.filter(about=""), on=["first", "second"], how="semi")
    return set(copies["record_id"]) | set(texts.join(examples, on=["first", "second", "about"], how="semi")["record_id"])


def _read_texts(evidence: Evidence, split: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The exchanges of the accepted records, and the examples of the split: asked is `first`, the answer `second`, the context `about`."""
    about = plain("context").alias("about")
    examples = evidence.examples.filter(pl.col("split") == split)
    exchanges = list_exchanges(evidence.accepted).join(evidence.accepted.select("record_id", about), on="record_id", how="left")
    return (
        exchanges.select("record_id", "about", plain("instruction").alias("first"), plain("response").alias("second")),
        examples.select(about, plain("question").alias("first"), plain("answer").alias("second")),
    )
