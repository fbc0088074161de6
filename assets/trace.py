"""A record's trace through all lines of a home: what `factory trace` shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from assets.champion import find_champion
from assets.shelf import Shelf, open_shelf, open_store
from factory.faults import FactoryError
from factory.release.manifest import find_releases
from factory.release.trace import Trace, trace_record
from resources.home import Home


def trace_in_home(home: Home, record_id: str) -> Trace:
    """The trace of a record of any line. Raises FactoryError for an unknown or ambiguous id."""
    shelves = [open_shelf(home, line) for line in open_store(home).lines()]
    if not shelves:
        raise FactoryError("There are no records yet: nothing was run in this home. `factory run` makes a line.")
    names = {"seeds": "seed_examples", "documents": "seed_documents", "candidates": "candidates", "scored": "scored"}
    frames = {name: [shelf.frame(frame) for shelf in shelves] for name, frame in names.items()}
    frames["verdicts"] = [shelf.frame(name) for shelf in shelves for name in ("accepted", "rejected")]
    found = {name: [frame for frame in given if frame is not None] for name, given in frames.items()}
    joined = {name: pl.concat(given) for name, given in found.items() if given}
    return trace_record(record_id, joined, find_releases(home.releases), [student for shelf in shelves for student in _students(shelf)])


def _students(shelf: Shelf) -> Iterator[dict[str, Any]]:
    """Every student of the line that was judged, in order, with the ids of what its phases trained on where that was kept."""
    history = shelf.frame("champion")
    if history is None:
        return
    champion = find_champion(history)
    for row in history.iter_rows(named=True):
        alias = "champion" if row["student"] == champion else None
        phase = Path(row["model"]).parent.parent.name
        trained_on = shelf.part(f"student_{phase}", row["student"])
        yield {
            "model": row["model"],
            "phase": phase,
            "release_version": row["release"],
            "alias": alias,
            "trained_on": None if trained_on is None else trained_on["record_id"],
        }
