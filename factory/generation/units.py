"""Leaf-local sampling: which seed examples, and which context, each unit of a leaf shows to the teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import polars as pl

from factory.faults import FactoryError
from factory.records import digest, take_examples

Row = Mapping[str, Any]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Context:
    """A text to ask about: a chunk of a document, or the context of a seed example."""

    record_id: str
    text: str
    licence: str
    depth: int


@dataclass(frozen=True)
class Unit:
    """One candidate to be written: what is shown to the teacher, and the number from which its sampling noise derives."""

    index: int
    examples: tuple[Row, ...]
    context: Context | None
    seed: int

    @property
    def input_ids(self) -> tuple[str, ...]:
        """Record ids of everything that is shown, in order."""
        return (*(example["record_id"] for example in self.examples), *([self.context.record_id] if self.context else []))

    @property
    def depth(self) -> int:
        """The greatest depth of what is shown."""
        depths = [int(example["depth"]) for example in self.examples]
        return max([*depths, self.context.depth] if self.context else depths)

    @property
    def licence(self) -> str:
        """SPDX expression of the licences of what is shown; the one licence, where all share it."""
        shown = {example["licence"] for example in self.examples} | ({self.context.licence} if self.context else set())
        return shown.pop() if len(shown) == 1 else " AND ".join(f"({name})" if " OR " in name else name for name in sorted(shown))


def select_examples(leaf: str, seeds: pl.DataFrame) -> list[Row]:
    """The leaf's examples that a teacher may see; topics are none. Raises FactoryError where there is none."""
    shown = take_examples(seeds).filter((pl.col("leaf") == leaf) & (pl.col("split") == "seed"))
    if shown.is_empty():
        examples = take_examples(seeds).filter(pl.col("leaf") == leaf).height
        raise FactoryError(
            f"leaf {leaf}: none of its {examples} examples is in the seed split, so the teacher can be shown nothing. "
            "Add examples, or lower seeds.holdout in the line."
        )
    return [*shown.iter_rows(named=True)]


def select_contexts(leaf: str, examples: Sequence[Row], documents: pl.DataFrame) -> list[Context]:
    """The leaf's document chunks; where there are none, the distinct contexts of `examples`, each by the example of least record id."""
    chunks = documents.filter(pl.col("leaf") == leaf).to_dicts()
    if chunks:
        return [Context(chunk["record_id"], chunk["text"], chunk["licence"], chunk["depth"]) for chunk in chunks]
    first: dict[str, Context] = {}
    for example in sorted(examples, key=lambda row: str(row["record_id"])):
        if example["context"] is not None:
            context = Context(example["record_id"], example["context"], example["licence"], example["depth"])
            first.setdefault(context.text, context)
    return [*first.values()]


def draw_units(leaf: str, examples: Sequence[Row], contexts: Sequence[Context], count: int, shown: int, seed: int) -> list[Unit]:
    """`count` units, each with `shown` examples (all, where there are fewer) drawn without replacement, and a context where there is one.

    Examples are sampled inside the leaf, never from the whole pool (LAB, Sudalairaj et al. 2024, arXiv 2403.01081).
    A draw takes the records of least hash with (seed, leaf, index): uniform, as a shuffle by random keys is, and an example that is added
    or changed changes only the units that show it, so that the ledger still holds the answers of all others.
    """
    units = []
    for index in range(count):
        drawn = tuple(_shuffle(examples, ["example", seed, leaf, index], [row["record_id"] for row in examples])[:shown])
        context = next(iter(_shuffle(contexts, ["context", seed, leaf, index], [text.record_id for text in contexts])), None)
        ids = [*(example["record_id"] for example in drawn), context.record_id if context else None]
        units.append(Unit(index, drawn, context, int(digest(["unit", seed, leaf, index, ids])[:12], 16)))
    return units


def _shuffle(items: Sequence[Item], place: list[str | int], ids: Sequence[str]) -> list[Item]:
    """`items` in an order that follows from `place` and each item's own id alone."""
    return [items[i] for i in sorted(range(len(items)), key=lambda i: digest([*place, ids[i]]))]
