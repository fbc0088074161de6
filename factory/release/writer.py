"""Publishes a release: one immutable, checksummed folder, whole or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from filelock import FileLock

from factory.faults import FactoryError
from factory.line import Line
from factory.release.card import render_html, render_markdown
from factory.release.contents import Contents, Judged, arrange_contents
from factory.release.croissant import CROISSANT_FILE, write_croissant
from factory.release.gate_rows import part_history
from factory.release.history import note_release
from factory.release.manifest import MANIFEST_FILE, Manifest, build_manifest, verify_release, write_manifest
from factory.release.plots import draw_plots
from factory.release.trend import TREND_FILE, list_shown, read_trend, render_trend

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Release:
    """A published dataset. `digest` covers every file of `folder`; `tokens` were written by the teacher for its records."""

    line: str
    version: str
    folder: Path
    digest: str
    records: int
    tokens: int


def publish_release(
    root: Path,
    line: Line,
    accepted: pl.DataFrame,
    seeds: pl.DataFrame,
    funnel: pl.DataFrame,
    gates: pl.DataFrame,
    verdicts: pl.DataFrame,
    *,
    models: Mapping[str, str],
    judged: Sequence[Judged] = (),
) -> Release:
    """Writes the release to `root/<line>/<version>`, or verifies and returns it where that version exists.

    The version is a digest over all that the files show, so the same work gives the same version and the same bytes. Frames are
    those of the stages: accepted and verdicts VERDICT (refused rows are taken from `verdicts`), seeds SEED, funnel FUNNEL, gates
    METRIC as decided. `models` gives "teacher" and, where one was asked, "reward" as "<name>@<revision>". `judged` are the judges and
    reward models with their calibrations, which the cards show: they are no part of the version, so they stand in the cards as they were
    known when the version was first published. Beside the releases stand the line's history and the page of its trend, which follow from
    what was released before, and so are part of no release; metrics that compare with the previous release go there.

    Raises FactoryError when nothing was accepted, a gate failed without a waiver, an existing version was tampered with, or the
    folder cannot be written; then nothing of the release is left.
    """
    contents = arrange_contents(line, accepted, seeds, funnel, gates, verdicts, models, judged)
    shelf = root / line.name
    folder = shelf / contents.version
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with FileLock(shelf / ".publish.lock"):
            if not folder.exists():
                _write_folder(folder, contents)
            manifest = verify_release(folder)
            note_release(shelf, contents.version, part_history(gates)[1])
            _write_trend(root, line.name, manifest)
            return _open_release(folder, manifest)
    except OSError as error:
        raise FactoryError(_explain_failure(folder, error)) from error


def chat_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """A record as chat messages, all turns of a dialogue; a grounded record's context stands before its instruction."""
    messages = row["turns"] or [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["response"]}]
    if row["context"] is not None:
        messages = [{**messages[0], "content": f"{row['context']}\n\n{messages[0]['content']}"}, *messages[1:]]
    return {"messages": messages, "record_id": row["record_id"], "leaf": row["leaf"]}


def _open_release(folder: Path, manifest: Manifest) -> Release:
    return Release(manifest.line, manifest.version, folder, manifest.digest, manifest.records, manifest.tokens)


def _write_folder(folder: Path, contents: Contents) -> None:
    """Writes beside `folder` under a name that no reader takes for a release, then moves it in place."""
    for left_over in folder.parent.glob(".v-*.partial"):
        shutil.rmtree(left_over)
    partial = folder.parent / f".{folder.name}.partial"
    try:
        partial.mkdir()
        files = _render_files(contents)
        for name, data in files.items():
            _write_file(partial / name, data)
        _write_file(partial / MANIFEST_FILE, write_manifest(build_manifest(contents, files)))
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_trend(root: Path, line: str, manifest: Manifest) -> None:
    points = read_trend(root, line)
    shown = list_shown(points, [gate.gate for gate in manifest.gates])
    part = root / line / f".{TREND_FILE}.partial"
    part.write_text(render_trend(line, points, shown))
    part.replace(root / line / TREND_FILE)


def _render_files(contents: Contents) -> dict[str, bytes]:
    plots = draw_plots(contents.accepted, contents.refused, contents.seeds, contents.funnel, "png")
    files = {
        "data.parquet": _write_parquet(contents.accepted),
        "data.jsonl": "".join(f"{_write_json(chat_line(row))}\n" for row in contents.accepted.iter_rows(named=True)).encode(),
        "gates.json": _write_rows(contents.gates),
        "funnel.json": _write_rows(contents.funnel),
        "README.md": render_markdown(contents).encode(),
        "card.html": render_html(contents).encode(),
    } | {f"plots/{name}.png": data for name, data in plots.items()}
    return files | {CROISSANT_FILE: write_croissant(contents, files)}


def _write_parquet(frame: pl.DataFrame) -> bytes:
    """Compression and row groups are fixed: a default that moves between two runs would move the checksum."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=3, row_group_size=50_000)
    return buffer.getvalue()


def _write_rows(frame: pl.DataFrame) -> bytes:
    """A JSON array with one row on each line."""
    rows = ",\n".join(_write_json(row) for row in frame.with_columns(cs.date().dt.to_string()).iter_rows(named=True))
    return f"[\n{rows}\n]\n".encode()


def _write_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _write_file(file: Path, data: bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _explain_failure(folder: Path, error: OSError) -> str:
    advice = "free some space there" if error.errno in _FULL else "make the folder writable"
    return (
        f"release {folder.parent.name}/{folder.name} could not be written to {folder.parent}: {error.strerror or error}. "
        f"Nothing of it was kept, and no earlier release was touched; {advice}, then run again."
    )
