"""The seed examples of a leaf as a frame, each on the seed or the holdout side for good."""

from __future__ import annotations

import polars as pl

from factory.faults import FactoryError
from factory.records import SEED, digest, record_id
from factory.seeds.taxonomy import LEAF_FILE, Example, Leaf

SPLIT_SALT = 41196
"""Starts the hash that splits examples; of 60,000 tried, the one under which the bundled leaves split most evenly at 0.3."""


def collect_examples(leaf: Leaf, holdout: float) -> pl.DataFrame:
    """The examples of `leaf` (SEED columns), about a share `holdout` (0 to 1) of them kept from the teacher.

    Raises FactoryError where no example is left on the seed side.
    """
    rows = [_row(leaf, example, holdout) for example in leaf.examples]
    if all(row["split"] == "holdout" for row in rows):
        raise FactoryError(
            f"leaf {leaf.path}: no example is left to show to a teacher, as all {len(rows)} fall on the holdout side at seeds.holdout = "
            f"{holdout:g}; add examples to {leaf.folder / LEAF_FILE}, or lower seeds.holdout in the line"
        )
    return pl.DataFrame(rows, schema=SEED)


def split_of(leaf: str, question: str, context: str | None, holdout: float) -> str:
    """The side of an example, from a hash of itself alone: no other example, added or taken away, moves it.

    A larger `holdout` moves examples from seed to holdout only.
    """
    place = int(digest([SPLIT_SALT, leaf, question, context]), 16) / 16**20
    return "holdout" if place < holdout else "seed"


def _row(leaf: Leaf, example: Example, holdout: float) -> dict[str, object]:
    content = {"leaf": leaf.path, "question": example.question, "answer": example.answer, "context": example.context}
    return {
        "record_id": record_id("seed", content),
        **content,
        "kind": leaf.kind,
        "language": leaf.language,
        "licence": leaf.licence,
        "groups": [{"name": name, "value": value} for name, value in leaf.groups],
        "verifier": leaf.verifier,
        "problems": leaf.problems,
        "split": split_of(leaf.path, example.question, example.context, holdout),
        "source": f"{leaf.path}/{LEAF_FILE}:{example.line}",
        "depth": 0,
    }
