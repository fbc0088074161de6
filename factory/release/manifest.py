"""The manifest of a release: what it holds, how it came about, and the SHA-256 of every file; writing, reading, verifying it."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from factory.faults import FactoryError
from factory.records import digest
from factory.release.contents import Contents
from factory.spec import Spec

MANIFEST_FILE = "manifest.json"


class FileSum(Spec):
    """One file as it was published."""

    sha256: str
    bytes: int


class SeedSum(Spec):
    """The human-made examples behind the release."""

    digest: str
    examples: int
    holdout: int


class GateVerdict(Spec):
    """One gate as the release passed it, or as a named person waived it."""

    gate: str  # "<report>.<metric>"
    subject: str
    value: float | None
    low: float | None
    high: float | None
    direction: str
    threshold: float
    passed: bool
    waived_by: str | None
    waiver_reason: str | None
    waived_until: date | None
    severity: str


class Manifest(Spec):
    """Says what is in a release. It holds no time and no path, so that the same release gives the same bytes.

    `digest` covers all the rest of the manifest and so, by their checksums, every file. `tokens` were written by the teacher for
    the released records; counts are of released records.
    """

    line: str
    version: str
    digest: str
    records: int
    tokens: int
    leaves: dict[str, int]
    kinds: dict[str, int]
    languages: dict[str, int]
    licences: dict[str, int]
    depths: dict[str, int]
    teacher: str
    reward_model: str | None
    seeds: SeedSum
    settings: dict[str, Any]
    gates: tuple[GateVerdict, ...]
    files: dict[str, FileSum]


def build_manifest(contents: Contents, files: dict[str, bytes]) -> Manifest:
    """The manifest over `contents` and the bytes of every other file of the release."""
    accepted, seeds = contents.accepted, contents.seeds
    held_out = seeds.filter(pl.col("split") == "holdout").height
    fields: dict[str, Any] = {
        "line": contents.line.name,
        "version": contents.version,
        "records": accepted.height,
        "tokens": count_tokens(accepted),
        "leaves": count_by(accepted, "leaf"),
        "kinds": count_by(accepted, "kind"),
        "languages": count_by(accepted, "language"),
        "licences": count_by(accepted, "licence"),
        "depths": count_by(accepted, "depth"),
        "teacher": contents.teacher,
        "reward_model": contents.reward_model,
        "seeds": {"digest": contents.seeds_digest, "examples": seeds.height - held_out, "holdout": held_out},
        "settings": contents.settings,
        "gates": [_judge_gate(row) for row in contents.gates.iter_rows(named=True) if row["threshold"] is not None],
        "files": {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in sorted(files.items())},
    }
    return Manifest.model_validate(fields | {"digest": digest(fields)})


def write_manifest(manifest: Manifest) -> bytes:
    """The manifest as indented JSON."""
    return (json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the release in `folder`.

    Raises FactoryError when it is missing, cannot be read as a manifest, or was changed since it was published.
    """
    file = folder / MANIFEST_FILE
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except OSError as error:
        raise FactoryError(f"{folder} is no release: {MANIFEST_FILE} cannot be read ({error.strerror}). {_ADVICE}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise FactoryError(f"{file} is not a manifest of a release: {where}: {first['msg']}. {_ADVICE}") from None
    if digest(manifest.model_dump(mode="json", exclude={"digest"})) != manifest.digest:
        raise FactoryError(f"{file} was changed after it was published: its digest is not {manifest.digest}. {_ADVICE}")
    return manifest


def verify_release(folder: Path) -> Manifest:
    """Checks every file of the release in `folder` against its manifest, and returns the manifest.

    Raises FactoryError that names each file that is missing, changed, or does not belong there.
    """
    manifest = read_manifest(folder)
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()} - {MANIFEST_FILE}
    faults = [f"{name} does not belong there" for name in sorted(there - manifest.files.keys())]
    for name, published in manifest.files.items():
        if name not in there:
            faults.append(f"{name} is missing")
        elif (found := _sum_file(folder / name)) != published:
            size = f"{found.bytes} bytes, published with {published.bytes}" if found.bytes != published.bytes else "same size"
            faults.append(f"{name} was changed ({size})")
    if faults:
        raise FactoryError(f"release {folder} is not as it was published: {'; '.join(faults)}. {_ADVICE}")
    return manifest


def find_releases(root: Path, line: str | None = None) -> list[Path]:
    """Folders of the releases under `root`, of one line or of all, sorted by line and version."""
    return sorted(file.parent for file in root.glob(f"{line or '*'}/v-*/{MANIFEST_FILE}"))


def count_by(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """Rows for each value of `column`, sorted by value; a missing value counts as "unknown"."""
    counts = frame.group_by(column).len().sort(column, nulls_last=True)
    return {"unknown" if value is None else str(value): count for value, count in counts.iter_rows()}


def count_tokens(records: pl.DataFrame) -> int:
    """Tokens that the teacher wrote for `records`."""
    return int(records["completion_tokens"].cast(pl.Int64).sum())


_ADVICE = "Releases are immutable: move the folder away, and run the line again to publish it anew."


def _judge_gate(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("subject", "value", "low", "high", "direction", "threshold", "waived_by", "waiver_reason", "severity")
    until = row["waived_until"] and row["waived_until"].isoformat()
    return (
        {"gate": f"{row['report']}.{row['metric']}", "passed": bool(row["passed"])}
        | {name: row[name] for name in kept}
        | {"waived_until": until}
    )


def _sum_file(file: Path) -> FileSum:
    with file.open("rb") as stream:
        return FileSum(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=file.stat().st_size)
