"""Records that say word for word what another record says already."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import Row, metric, share_rows
from factory.validation.text import plain
from factory.validation_spec import Gate

SAID = ("instruction", "context", "response")


@metric(
    "collapse",
    "max",
    "share of records whose instruction, context and response are those of another record already",
    "all but the first of each text, identical but for case and space",
    "Wilson score",
    gate=Gate(max=0.05),
    because="a twentieth of the records says nothing of its own; a line that takes copies out has none",
)
def repeated_texts(evidence: Evidence) -> Iterator[Row]:
    texts = evidence.accepted.select("leaf", *(plain(name).alias(name) for name in SAID))
    yield from share_rows(texts.select("leaf", (~pl.struct("leaf", *SAID).is_first_distinct()).alias("hit")))
