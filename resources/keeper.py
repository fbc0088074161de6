"""Keeps what was made: the same inputs, settings and code give back the stored frame without any work."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

import factory
from factory.records import digest, digest_frame
from resources.progress import Progress
from resources.store import FrameStore, Stamp

SOURCES = {".py", ".yaml", ".jinja"}
ENGINE = Path(factory.__file__).parent


@dataclass(frozen=True)
class Made:
    """A new frame, and facts about it that are no rows (JSON values)."""

    frame: pl.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A stored frame. `seconds` is what making it took, whenever that was; `reused` says that this run did not make it."""

    frame: pl.DataFrame
    facts: dict[str, Any]
    fingerprint: str
    seconds: float
    reused: bool


class Keeper(dg.ConfigurableResource[None]):
    """The frame store, asked first and filled after; what it does is told to `progress`."""

    store: dg.ResourceDependency[FrameStore]
    progress: dg.ResourceDependency[Progress]

    def keep(
        self,
        key: dg.AssetKey,
        leaf: str | None,
        fingerprint: str,
        make: Callable[[], Made],
        *,
        refresh: bool = False,
        sound: Callable[[pl.DataFrame], bool] = lambda frame: True,
    ) -> Kept:
        """The stored frame if it was made from what `fingerprint` says, else what `make` gives, stored at once.

        `refresh` makes it anyway. `sound` looks at a stored frame: what it points at may be gone.
        """
        stamp = self.store.stamp(key, leaf)
        if stamp is not None and stamp.fingerprint == fingerprint and not refresh:
            frame = self.store.read(key, leaf)
            if frame is not None and digest_frame(frame) == stamp.digest and sound(frame):
                return self._told(key, leaf, _unpack(frame, stamp, reused=True))
        started = time.perf_counter()
        made = make()
        facts = made.facts | {"seconds": round(time.perf_counter() - started, 3)}
        stamp = Stamp(fingerprint, digest_frame(made.frame), facts)
        self.store.write(key, leaf, made.frame, stamp)
        return self._told(key, leaf, _unpack(made.frame, stamp, reused=False))

    def annotate(self, key: dg.AssetKey, kept: Kept, facts: dict[str, Any]) -> Kept:
        """Adds facts to a stored whole-line frame, such as where a model was registered afterwards."""
        merged = kept.facts | facts
        stored = Stamp(kept.fingerprint, digest_frame(kept.frame), merged | {"seconds": kept.seconds})
        self.store.write(key, None, kept.frame, stored)
        return Kept(kept.frame, merged, kept.fingerprint, kept.seconds, kept.reused)

    def facts(self, key: dg.AssetKey) -> dict[str, Any]:
        """The facts of a stored whole-line frame; none where there is no frame."""
        stamp = self.store.stamp(key, None)
        return {} if stamp is None else stamp.facts

    def _told(self, key: dg.AssetKey, leaf: str | None, kept: Kept) -> Kept:
        self.progress.finish(key.path[-1], leaf or "", kept.frame.height, kept.seconds, kept.reused)
        return kept


def _unpack(frame: pl.DataFrame, stamp: Stamp, *, reused: bool) -> Kept:
    facts = dict(stamp.facts)
    return Kept(frame, facts, stamp.fingerprint, float(facts.pop("seconds", 0.0)), reused)


def take_fingerprint(rooms: Iterable[str], settings: Any, inputs: Iterable[pl.DataFrame] = ()) -> str:
    """What a result depends on: the source of the engine's `rooms`, `settings` (JSON values) and the input frames."""
    return digest([[digest_room(room) for room in rooms], settings, [digest_frame(frame) for frame in inputs]])


@cache
def digest_room(room: str) -> str:
    """Digest of the source files of an engine room (a folder or a module of `factory`), and of the columns that all rooms share."""
    place = ENGINE / room
    files = sorted(file for file in place.rglob("*") if file.suffix in SOURCES) if place.is_dir() else [place.with_suffix(".py")]
    hasher = hashlib.blake2b(digest_size=10)
    for file in [*files, ENGINE / "records.py"]:
        hasher.update(f"{file.relative_to(ENGINE)}\0".encode())
        hasher.update(file.read_bytes())
    return hasher.hexdigest()
