"""The seed examples, topics and canaries of a leaf as a frame, each example on the seed or the holdout side for good."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import polars as pl

from factory.records import CANARY, SEED, TOPIC, digest, empty, record_id
from factory.seeds.canaries import Canary
from factory.seeds.leaf import Leaf

SPLIT_SALT = 41196
"""Starts the hash that splits examples; of 60,000 tried, the one under which the bundled leaves split most evenly at 0.3."""


def collect_examples(leaf: Leaf, holdout: float, canaries: Sequence[Canary] = ()) -> pl.DataFrame:
    """The examples, topics and planted `canaries` of `leaf` (SEED columns), about a share `holdout` (0 to 1) of the examples kept from the
    teacher."""
    shared: dict[str, Any] = {
        "language": leaf.language,
        "groups": [{"name": name, "value": value} for name, value in leaf.groups],
        "verifier": leaf.verifier,
        "verifier_settings": leaf.verifier_settings,
        "problems": leaf.problems,
        "tone": leaf.tone,
        "turns": leaf.turns,
        "depth": 0,
    }
    rows = []
    for example in leaf.examples:
        content = {"leaf": leaf.path, "question": example.question, "answer": example.answer, "context": example.context}
        split = split_of(leaf.path, example.question, example.context, holdout)
        told = {"kind": leaf.kind, "split": split, "licence": example.licence, "source": example.source}
        rows.append({"record_id": record_id("seed", content), **content, **told, **shared})
    for topic in leaf.topics:
        content = {"leaf": leaf.path, "question": topic.text, "answer": None, "context": None}
        told = {"kind": TOPIC, "split": "seed", "licence": topic.licence, "source": topic.source}
        rows.append({"record_id": record_id("seed", content), **content, **told, **shared})
    for canary in canaries:
        content = {"leaf": leaf.path, "question": canary.question, "answer": canary.answer, "context": None}
        # Under the licence of an example that it is shown with, so that no record's licence changes by it.
        told = {"kind": CANARY, "split": "seed", "licence": leaf.examples[0].licence, "source": "canary"}
        rows.append({"record_id": record_id("seed", content), **content, **told, **shared})
    return pl.DataFrame(rows, schema=SEED) if rows else empty(SEED)


def split_of(leaf: str, question: str, context: str | None, holdout: float) -> str:
    """The side of an example, from a hash of itself alone: no other example, added or taken away, moves it.

    A larger `holdout` moves examples from seed to holdout only. The composed and the decomposed spelling of one text (NFC, NFD) are the
    same text here: they never part.
    """
    plain = [text if text is None else unicodedata.normalize("NFC", text) for text in (question, context)]
    place = int(digest([SPLIT_SALT, leaf, *plain]), 16) / 16**20
    return "holdout" if place < holdout else "seed"
