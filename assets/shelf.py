"""The stored frames of a line, read outside of a run."""

from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from resources.home import Home, open_instance
from resources.lock import LineLock
from resources.store import FrameStore

LEAF_FRAMES = ("seed_examples", "seed_documents", "candidates", "scored")
"""Frames that are stored leaf by leaf."""


@dataclass(frozen=True)
class Shelf:
    """The stored frames of one line. `leaves` are those that the line has now."""

    home: Home
    line: str
    leaves: tuple[str, ...]

    def frame(self, name: str) -> pl.DataFrame | None:
        """A stored frame, of all leaves where it has leaves; None where nothing is stored."""
        store, key = open_store(self.home), dg.AssetKey([self.line, name])
        return store.read_leaves(key, self.leaves) if name in LEAF_FRAMES else store.read(key, None)

    def part(self, name: str, part: str) -> pl.DataFrame | None:
        """A stored part of a whole-line frame, by its name."""
        return open_store(self.home).read(dg.AssetKey([self.line, name]), part)

    def facts(self, name: str) -> dict[str, Any]:
        """The facts of a stored whole-line frame."""
        stamp = open_store(self.home).stamp(dg.AssetKey([self.line, name]), None)
        return stamp.facts if stamp else {}

    def leaf_facts(self, name: str, fact: str) -> dict[str, str]:
        """A fact of the stored frames of leaves, by leaf; leaves that lack it are left out."""
        store, key = open_store(self.home), dg.AssetKey([self.line, name])
        stamps = {leaf: store.stamp(key, leaf) for leaf in self.leaves}
        return {leaf: str(stamp.facts[fact]) for leaf, stamp in stamps.items() if stamp is not None and fact in stamp.facts}

    def stored_leaves(self, name: str) -> int:
        """How many of the leaves are stored."""
        store, key = open_store(self.home), dg.AssetKey([self.line, name])
        return sum(store.stamp(key, leaf) is not None for leaf in self.leaves)


def open_store(home: Home) -> FrameStore:
    """The frame store, outside of a run."""
    return FrameStore(root=home.frames, lock=LineLock(home=str(home.root)))


def open_shelf(home: Home, line: str) -> Shelf:
    """The frames of a line, of the leaves that Dagster knows."""
    with open_instance(home) as instance:
        return Shelf(home, line, tuple(instance.get_dynamic_partitions(f"{line}_leaves")))
