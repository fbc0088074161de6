"""Which release of a line followed which: a file beside the releases, so that no release depends on those that came before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from factory.faults import FactoryError
from factory.release.manifest import find_releases
from factory.spec import Spec
from factory.validation.metric import LINE

HISTORY_FILE = "history.jsonl"


class Entry(Spec):
    """A release as it became the newest of its line, the `step`-th to do so; `against_previous` holds metrics by `<report>.<metric>`."""

    step: int
    version: str
    published: datetime | None  # UTC; null for a release that is older than the history
    against_previous: dict[str, float | None]


def note_release(shelf: Path, version: str, against_previous: Mapping[str, float | None]) -> None:
    """Writes that `version` is now the newest release of the line on `shelf`; nothing where it is already."""
    entries = _read_entries(shelf) or _list_older(shelf, but=version)
    if entries and entries[-1].version == version:
        return
    now = datetime.now(UTC).replace(microsecond=0)
    entry = Entry(step=len(entries) + 1, version=version, published=now, against_previous=dict(against_previous))
    part = shelf / f".{HISTORY_FILE}.partial"
    part.write_text("".join(f"{each.model_dump_json()}\n" for each in [*entries, entry]))
    part.replace(shelf / HISTORY_FILE)


def list_history(root: Path, line: str) -> list[Entry]:
    """The releases of a line that still lie under `root`, the oldest first; one that became the newest again stands there twice.

    Raises FactoryError for a damaged history.
    """
    there = {folder.name for folder in find_releases(root, line)}
    entries = _read_entries(root / line) or _list_older(root / line)
    return [entry for entry in entries if entry.version in there]


def find_previous(root: Path, line: str, records: pl.DataFrame) -> Path | None:
    """The folder of the newest release of the line that does not hold just these `records` (by record_id); None without one.

    So a run that releases the same records again is compared with the same release as before.
    """
    ids = set(records["record_id"])
    for entry in reversed(list_history(root, line)):
        folder = root / line / entry.version
        if set(read_released(folder, ["record_id"])["record_id"]) != ids:
            return folder
    return None


def list_earlier(root: Path, line: str, version: str) -> list[Path]:
    """Folders of the releases of the line but `version`, which is the newest; the newest of them first, each once.

    So a run that releases the same again finds the same before it. Raises FactoryError for a damaged history.
    """
    newest_first = dict.fromkeys(entry.version for entry in reversed(list_history(root, line)))
    return [root / line / earlier for earlier in newest_first if earlier != version]


def read_released(folder: Path, columns: list[str]) -> pl.DataFrame:
    """Columns of the records of the release in `folder`. Raises FactoryError where they cannot be read."""
    try:
        return pl.read_parquet(folder / "data.parquet", columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FactoryError(f"release {folder}: data.parquet cannot be read ({error}); move the folder away.") from None


def read_measures(folder: Path) -> dict[str, float | None]:
    """Values of the whole line by `<report>.<metric>`, as the release in `folder` shows them; none where they cannot be read."""
    try:
        rows: list[dict[str, Any]] = json.loads((folder / "gates.json").read_bytes())
        return {f"{row['report']}.{row['metric']}": row["value"] for row in rows if row["subject"] == LINE}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _read_entries(shelf: Path) -> list[Entry]:
    file = shelf / HISTORY_FILE
    entries = []
    for number, text in enumerate(file.read_text().splitlines() if file.is_file() else [], 1):
        try:
            entries.append(Entry.model_validate_json(text))
        except ValidationError as error:
            raise FactoryError(
                f"{file}:{number}: {error.errors()[0]['msg']}; expected a release as JSON, as it was written. Remove the file: the "
                "releases then stand in the order in which they were written."
            ) from None
    return entries


def _list_older(shelf: Path, but: str = "") -> list[Entry]:
    """Releases that were published before there was a history, in the order in which they were written."""
    folders = [folder for folder in find_releases(shelf.parent, shelf.name) if folder.name != but]
    folders.sort(key=lambda folder: (folder.stat().st_mtime_ns, folder.name))
    return [Entry(step=step, version=folder.name, published=None, against_previous={}) for step, folder in enumerate(folders, 1)]
