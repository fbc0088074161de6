"""Walks a record back to its seeds, prompt, teacher, scores and verdict, and forward to the releases and students that hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from factory.faults import FactoryError
from factory.release.manifest import Manifest, read_manifest

SHORTEST_PREFIX = 6
_CANDIDATES = ("verdicts", "scored", "candidates")  # the frame that knows most comes first
_NEAREST = 5

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class TracedSeed:
    """A human-made example that the teacher was shown. All but the id is null where the taxonomy no longer holds it."""

    record_id: str
    leaf: str | None = None
    question: str | None = None
    answer: str | None = None
    context: str | None = None
    source: str | None = None
    split: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class TracedDocument:
    """The chunk of a document that gave the context. All but the id is null where the taxonomy no longer holds it."""

    record_id: str
    leaf: str | None = None
    document: str | None = None
    heading: str | None = None
    text: str | None = None
    licence: str | None = None
    document_digest: str | None = None


@dataclass(frozen=True)
class TracedWriting:
    """How a candidate was written."""

    flow: str
    teacher: str
    prompt_hash: str
    sampling: str
    seed: int
    depth: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    topic: str | None
    constraint: str | None
    usage: list[Row] | None  # each request: step, prompt_tokens, completion_tokens, cost
    judgements: list[Row] | None  # step, score
    refusal: str | None
    parse_fault: str | None


@dataclass(frozen=True)
class TracedScores:
    """What verifier and reward model said of a candidate; null where they were not asked."""

    verifier: str | None
    verified: bool | None
    verifier_note: str | None
    reward: float | None
    attributes: dict[str, float] | None
    reward_model: str | None
    reward_note: str | None  # why the reward model that was asked gave no score
    scoring: list[Row] | None  # each request to reward model and judges, as `usage`
    votes: list[Row] | None  # judge, rubric, score, good, note
    goodness: float | None


@dataclass(frozen=True)
class TracedVerdict:
    """Why a candidate was kept or refused; `matched_text` is the instruction or question of the record that it matched."""

    verdict: str
    reason: str
    matched_id: str | None
    matched_by: str | None
    matched_text: str | None


@dataclass(frozen=True)
class TracedChild:
    """A candidate made from a seed or a document chunk."""

    record_id: str
    leaf: str
    instruction: str | None
    verdict: str | None
    reason: str | None


@dataclass(frozen=True)
class TracedRelease:
    """A release that holds the record, or `records` of those made from it."""

    line: str
    version: str
    folder: Path
    records: int


@dataclass(frozen=True)
class TracedStudent:
    """A model that was trained on the record, or on some that were made from it; `release_version` was the newest release then."""

    model: str
    phase: str | None
    release_version: str
    alias: str | None


@dataclass(frozen=True)
class Trace:
    """A record with all that it came of and all that came of it. `kind` is "seed", "document" or "candidate".

    A seed and a document chunk have `made`; a candidate has `seeds`, `writing` and, as far as it came, `scores` and `verdict`.
    For a seed, `instruction` and `response` are its question and answer; for a chunk, `context` is its text.
    """

    record_id: str
    kind: str
    leaf: str
    language: str | None
    licence: str | None
    instruction: str | None
    context: str | None
    response: str | None
    turns: tuple[tuple[str, str], ...]  # role and content; none for one turn
    source: str | None
    seeds: tuple[TracedSeed, ...]
    document: TracedDocument | None
    writing: TracedWriting | None
    scores: TracedScores | None
    verdict: TracedVerdict | None
    made: tuple[TracedChild, ...]
    releases: tuple[TracedRelease, ...]
    students: tuple[TracedStudent, ...]


def trace_record(
    record_id: str,
    frames: Mapping[str, pl.DataFrame],
    releases: Iterable[Path] = (),
    students: Iterable[Mapping[str, Any]] = (),
) -> Trace:
    """The trace of the record that `record_id`, or a unique prefix of at least 6 digits, names.

    `frames` holds any of "seeds", "documents", "candidates", "scored", "verdicts"; `releases` are folders of releases, whose own
    records are found even where the frames have moved on; `students` are mappings with "model", "phase", "release_version", "alias", and
    "trained_on", the ids of what they were trained on, or null where nobody kept them: such a student is told by its release.

    Raises FactoryError for an unknown id (with the nearest known ones), an ambiguous or too short prefix, an unreadable release.
    """
    shelf = [_open_release(folder) for folder in sorted(releases)]
    library = _Library(frames, [records for _, _, records in shelf])
    found = _resolve_id(record_id, library)
    kind, row = library.find(found)
    made = library.made_from(found) if kind != "candidate" else []
    holding = [found] if kind == "candidate" else [child["record_id"] for child in made]
    trained = [found, *(child["record_id"] for child in made)]
    held = tuple(_hold(shelf, holding))
    return Trace(
        record_id=found,
        kind=kind,
        leaf=row["leaf"],
        language=row.get("language"),
        licence=row.get("licence"),
        instruction=row.get("instruction") or row.get("question"),
        context=row.get("context") or row.get("text"),
        response=row.get("response") or row.get("answer"),
        turns=tuple((turn["role"], turn["content"]) for turn in row.get("turns") or ()),
        source=row.get("source") or row.get("document"),
        seeds=tuple(_pick(TracedSeed, library.seed(seed)) for seed in row.get("seed_ids") or ()),
        document=_pick(TracedDocument, library.document(row["document_id"])) if row.get("document_id") else None,
        writing=_pick(TracedWriting, row) if kind == "candidate" else None,
        scores=_pick(TracedScores, row) if "verified" in row else None,
        verdict=_pick(TracedVerdict, row | {"matched_text": library.text(row["matched_id"])}) if row.get("verdict") else None,
        made=tuple(_pick(TracedChild, child) for child in made),
        releases=held,
        students=tuple(_trained_on(students, held, trained)),
    )


class _Library:
    """Every frame that may hold a record, looked up by id."""

    def __init__(self, frames: Mapping[str, pl.DataFrame], released: Sequence[pl.DataFrame]) -> None:
        self._frames = {"seed": [frames["seeds"]] if "seeds" in frames else []}
        self._frames["document"] = [frames["documents"]] if "documents" in frames else []
        self._frames["candidate"] = [*(frames[name] for name in _CANDIDATES if name in frames), *released]

    def ids(self) -> pl.Series:
        """Every known id, sorted."""
        columns = [frame["record_id"] for frames in self._frames.values() for frame in frames]
        return pl.concat([pl.Series("record_id", [], dtype=pl.String), *columns]).unique().sort()

    def find(self, record_id: str) -> tuple[str, Row]:
        """Kind and row of a known id."""
        for kind, frames in self._frames.items():
            if row := _row_of(frames, record_id):
                return kind, row
        raise KeyError(record_id)

    def seed(self, record_id: str) -> Row:
        return _row_of(self._frames["seed"], record_id) or {"record_id": record_id}

    def document(self, record_id: str) -> Row:
        """A chunk; or, where the context came from a seed example, that example as a chunk of its file."""
        if row := _row_of(self._frames["document"], record_id):
            return row
        example = self.seed(record_id)
        return example | {"text": example.get("context"), "document": example.get("source")}

    def text(self, record_id: str | None) -> str | None:
        """The instruction or question of a record; null for one that no frame holds any more."""
        row = record_id and (_row_of(self._frames["candidate"], record_id) or _row_of(self._frames["seed"], record_id))
        return row.get("instruction") or row.get("question") if row else None

    def made_from(self, record_id: str) -> list[Row]:
        """Candidates that name `record_id` as a seed or as the giver of their context, sorted by id."""
        rows: dict[str, Row] = {}
        for frame in self._frames["candidate"]:
            named = pl.col("seed_ids").list.contains(record_id) | (pl.col("document_id") == record_id)
            for row in frame.filter(named).iter_rows(named=True):
                rows.setdefault(row["record_id"], row)
        return [rows[key] for key in sorted(rows)]


def _row_of(frames: Sequence[pl.DataFrame], record_id: str) -> Row | None:
    for frame in frames:
        if not (rows := frame.filter(pl.col("record_id") == record_id)).is_empty():
            return rows.row(0, named=True)
    return None


def _resolve_id(given: str, library: _Library) -> str:
    wanted = given.strip().lower()
    ids = library.ids()
    if wanted in ids:
        return wanted
    if ids.is_empty():
        raise FactoryError(f"no record {given!r}: the line holds no record yet; run it first.")
    matches = ids.filter(ids.str.starts_with(wanted))
    if len(wanted) >= SHORTEST_PREFIX and len(matches) == 1:
        return str(matches[0])
    if len(wanted) < SHORTEST_PREFIX:
        raise FactoryError(f"{given!r} is too short for a record id: give all 20 digits, or at least the first {SHORTEST_PREFIX}.")
    if len(matches):
        shown = ", ".join(matches.head(_NEAREST)) + (" …" if len(matches) > _NEAREST else "")
        raise FactoryError(f"{given!r} is the beginning of {len(matches)} record ids: {shown}; give more digits.")
    near = sorted(ids, key=lambda known: (-_shared_prefix(known, wanted), known))[:_NEAREST]
    raise FactoryError(f"no record {given!r} among {len(ids):,}; nearest ids: {', '.join(near)}. Ids are in data.parquet and on the card.")


def _shared_prefix(one: str, other: str) -> int:
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _open_release(folder: Path) -> tuple[Path, Manifest, pl.DataFrame]:
    manifest = read_manifest(folder)
    try:
        return folder, manifest, pl.read_parquet(folder / "data.parquet")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FactoryError(f"release {folder}: data.parquet cannot be read ({error}); move the folder away or publish it anew.") from None


def _hold(shelf: Iterable[tuple[Path, Manifest, pl.DataFrame]], record_ids: list[str]) -> Iterable[TracedRelease]:
    for folder, manifest, records in shelf:
        if count := records.filter(pl.col("record_id").is_in(record_ids)).height:
            yield TracedRelease(manifest.line, manifest.version, folder, count)


def _trained_on(students: Iterable[Mapping[str, Any]], held: Sequence[TracedRelease], record_ids: list[str]) -> Iterable[TracedStudent]:
    versions = {release.version for release in held}

    def read(student: Mapping[str, Any]) -> bool:
        trained_on: pl.Series | None = student.get("trained_on")
        return student["release_version"] in versions if trained_on is None else bool(trained_on.is_in(record_ids).any())

    found = [_pick(TracedStudent, dict(student)) for student in students if read(student)]
    return sorted(found, key=lambda student: (student.release_version, student.model))


def _pick(kind: type[T], row: Row) -> T:
    """A dataclass from the columns of `row` that bear the names of its fields; null for a column that is not there."""
    return kind(**{field.name: row.get(field.name) for field in fields(kind)})  # type: ignore[arg-type]
