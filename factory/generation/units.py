"""Leaf-local sampling: which seed examples, which context and which topic each unit of a leaf shows to the teacher."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

import polars as pl

from factory.faults import FactoryError
from factory.records import TOPIC, digest

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
class Material:
    """What a leaf's units draw from. `pool` is where examples come from: the leaf's own, or, for a flow that says so, those of the line."""

    leaf: str
    examples: tuple[Row, ...]
    pool: tuple[Row, ...]
    contexts: tuple[Context, ...]
    topics: tuple[Row, ...]


@dataclass(frozen=True)
class Unit:
    """One run through a flow: what is shown to the teacher, and the number from which its sampling noise derives."""

    index: int
    examples: tuple[Row, ...]
    context: Context | None
    topic: Row | None
    place: tuple[str | int, ...]  # what its draws follow from, beside the line's seed number
    seed: int

    def limit(self, examples: int) -> Unit:
        """The unit as it is when at most so many of its examples were shown."""
        return replace(self, examples=self.examples[:examples])

    @property
    def shown(self) -> tuple[Row, ...]:
        """The seed rows that are shown, in order."""
        return (*self.examples, *([self.topic] if self.topic else []))

    @property
    def input_ids(self) -> tuple[str, ...]:
        """Record ids of everything that is shown, in order."""
        return (*(row["record_id"] for row in self.shown), *([self.context.record_id] if self.context else []))

    @property
    def depth(self) -> int:
        """The greatest depth of what is shown; 0 where nothing is."""
        return max([*(int(row["depth"]) for row in self.shown), *([self.context.depth] if self.context else [])], default=0)

    @property
    def licence(self) -> str | None:
        """SPDX expression of the licences of what is shown; the one licence, where all share it; null where nothing is shown."""
        shown = {row["licence"] for row in self.shown} | ({self.context.licence} if self.context else set())
        if not shown:
            return None
        return shown.pop() if len(shown) == 1 else " AND ".join(f"({name})" if " OR " in name else name for name in sorted(shown))


def select_material(leaf: str, seeds: pl.DataFrame, documents: pl.DataFrame) -> Material:
    """What a teacher may see of `leaf`: rows of the seed split alone. Raises FactoryError where there is nothing.

    Its contexts are its document chunks; where there are none, the distinct contexts of its examples, each by the example of least record
    id.
    """
    shown = [*seeds.filter(pl.col("split") == "seed").iter_rows(named=True)]
    pool = tuple(row for row in shown if row["answer"] is not None)
    examples = tuple(row for row in pool if row["leaf"] == leaf)
    topics = tuple(row for row in shown if row["leaf"] == leaf and row["kind"] == TOPIC)
    if not examples and not topics:
        raise FactoryError(
            f"leaf {leaf}: none of its {seeds.filter(pl.col('leaf') == leaf).height} examples is in the seed split, so the teacher can be "
            "shown nothing. Add examples, or lower seeds.holdout in the line."
        )
    return Material(leaf, examples, pool, _select_contexts(leaf, examples, documents), topics)


def _select_contexts(leaf: str, examples: Sequence[Row], documents: pl.DataFrame) -> tuple[Context, ...]:
    chunks = documents.filter(pl.col("leaf") == leaf).to_dicts()
    if chunks:
        texts = [Context(chunk["record_id"], chunk["text"], chunk["licence"], chunk["depth"]) for chunk in chunks]
        return tuple({text.record_id: text for text in texts}.values())
    first: dict[str, Context] = {}
    for example in sorted(examples, key=lambda row: str(row["record_id"])):
        if example["context"] is not None:
            context = Context(example["record_id"], example["context"], example["licence"], example["depth"])
            first.setdefault(context.text, context)
    return tuple(first.values())


def draw_units(
    leaf: str, examples: Sequence[Row], contexts: Sequence[Context], topics: Sequence[Row], units: int, shown: int, seed: int
) -> Iterator[Unit]:
    """`units` units, each with `shown` examples (all, where there are fewer) drawn without replacement, and a context and a topic where
    there are some.

    Examples are sampled inside the leaf, never from the whole pool (LAB, Sudalairaj et al. 2024, arXiv 2403.01081), but for a flow of
    `pool: line`. A draw takes the records of least hash with (seed, leaf, index): uniform, as a shuffle by random keys is, and an example
    that is added or changed changes only the units that show it, so that the ledger still holds the answers of all others. Contexts and
    topics are taken in turn, each once before any is taken again, in a new order each time; the units of a topic, or, where there are
    none, of a context depend on it and not on the others.
    """
    ends = [f",{json.dumps(row['record_id'], ensure_ascii=False)}]".encode() for row in examples]
    topic_turns = _take_turns(topics, ["topic", seed, leaf], [str(row["record_id"]) for row in topics])
    context_turns = _take_turns(contexts, ["context", seed, leaf], [text.record_id for text in contexts])
    for index in range(units):
        (topic, topic_turn), (context, context_turn) = next(topic_turns), next(context_turns)
        place: tuple[str | int, ...] = (index,)
        if topic is not None:
            place = (topic["record_id"], topic_turn)
        elif context is not None:
            place = (context.record_id, context_turn)
        drawn = tuple(examples[item] for item in _find_least(["example", seed, leaf, *place], ends, shown))
        ids = [*(example["record_id"] for example in drawn), context.record_id if context else None]
        yield Unit(index, drawn, context, topic, place, int(digest(["unit", seed, leaf, *place, ids])[:12], 16))


def draw_value(place: Sequence[str | int], values: Sequence[Item]) -> Item:
    """One of `values` (text or null), each as likely as any other, that follows from `place` alone."""
    return min(values, key=lambda value: digest([*place, value]))


def draw_weighted(place: Sequence[str | int], weights: Sequence[float]) -> int:
    """An index, as likely as its weight, that follows from `place` alone."""
    point = int(digest(list(place))[:13], 16) / 16**13 * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return index
    return len(weights) - 1


def _take_turns(items: Sequence[Item], place: Sequence[str | int], ids: Sequence[str]) -> Iterator[tuple[Item | None, int]]:
    """`items` without end, each once before any comes again, with how often it has come; nulls where there are none.

    Each order follows from `place`, the number of the turn and each item's own id alone.
    """
    for turn in count():
        yield from ((items[item], turn) for item in sorted(range(len(items)), key=lambda item: digest([*place, turn, ids[item]])))
        if not items:
            yield None, turn


def _find_least(place: Sequence[str | int], ends: Sequence[bytes], most: int) -> list[int]:
    """Places in `ends` of the items whose hash with `place` is least, at most `most`.

    It is digest([*place, id]) without writing each list anew: that would be most of the time of drawing from a large pool.
    """
    begun = hashlib.blake2b(json.dumps(list(place), ensure_ascii=False, separators=(",", ":"))[:-1].encode(), digest_size=10)

    def finish(item: int) -> bytes:
        hasher = begun.copy()
        hasher.update(ends[item])
        return hasher.digest()

    return heapq.nsmallest(most, range(len(ends)), key=finish)
