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
    """Ids of the accepted records that are an example of the split."""
    examples = evidence.examples.filter(pl.col("split") == split).select(plain("question").alias("first"), plain("answer").alias("second"))
    texts = list_exchanges(evidence.accepted).select("record_id", plain("instruction").alias("first"), plain("response").alias("second"))
    return set(texts.join(examples, on=["first", "second"], how="semi")["record_id"])
