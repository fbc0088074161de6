"""Which records each student was trained on, in all phases up to it: stored under its revision, for attacks and traces."""

from pathlib import Path

import dagster as dg
import polars as pl

from factory.records import digest_frame
from factory.training import join_phases, read_trained_on
from resources.store import FrameStore, Stamp


def store_trained_on(store: FrameStore, key: dg.AssetKey, student: pl.DataFrame, before: tuple[dg.AssetKey, pl.DataFrame] | None) -> None:
    """Stores TRAINED_ON rows of the student (STUDENT) of the asset `key`, with those of the student `before`, where there is one and it is
    not yet stored. Nothing where a phase was tuned before such rows were kept: of a part nobody could tell that it is one."""
    phases = [read_trained_on(Path(student["model"][0])), *([] if before is None else [find_trained_on(store, *before)])]
    known = [rows for rows in phases if rows is not None]
    if len(known) < len(phases):
        return
    rows = join_phases(*known)
    stamp = Stamp("", digest_frame(rows))
    if store.stamp(key, student["revision"][0]) != stamp:
        store.write(key, student["revision"][0], rows, stamp)


def find_trained_on(store: FrameStore, key: dg.AssetKey, student: pl.DataFrame) -> pl.DataFrame | None:
    """TRAINED_ON rows of the student (STUDENT) of the asset `key` and of all phases before; None where they were not kept."""
    return store.read(key, student["revision"][0])
