"""The section `seeds:` of a line: where human-made examples, documents and topics come from, and under which licences."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_serializer, model_validator

from factory.faults import Fault
from factory.records import write_canonical
from factory.spec import Share, Spec
from factory.yaml_source import YamlSource

Kind = Literal["compositional", "foundational", "knowledge"]
KINDS: dict[str, Kind] = {"compositional_skills": "compositional", "foundational_skills": "foundational", "knowledge": "knowledge"}
"""Kind of a leaf by its first folder."""
KIND_FOLDERS = "compositional_skills/, foundational_skills/ or knowledge/"
UNKNOWN = "unknown"
"""Stands where no licence is given, or none that can be read."""
TABLE_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
DOCUMENT_SUFFIXES = (".md", ".markdown", ".txt", ".html", ".htm", ".xhtml", ".pdf")
"""Those of the readers in factory.seeds.formats."""
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
COMMIT = re.compile(r"[0-9a-f]{7,64}")
STEP = re.compile(r"(?!\.)[\w.-]+")
"""One step of a leaf's path."""
REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:", re.IGNORECASE)
"""How a URL, or git's own `user@host:path`, begins."""
CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*:[^/?#\s]*@|(?<=https://)[^/?#\s]+@|(?<=http://)[^/?#\s]+@", re.IGNORECASE)
"""User and password in a URL, or a token alone, up to the last @ before its path; of ssh a user alone is none."""
PUBLIC_GIT = re.compile(r"(https|ssh|git)://|[\w.-]+@[\w.-]+:", re.IGNORECASE)
"""How the address of a repository begins that a leaf may name: whoever contributes a leaf is to reach no folder of this machine."""
GIT_HOSTS = re.compile(r"\.git/?$|^git@|://(www\.)?(github|gitlab|codeberg|bitbucket)\.", re.IGNORECASE)


def check_language(tag: str) -> str:
    """The tag; ValueError where it has not the form of BCP 47."""
    if not LANGUAGE.fullmatch(tag):
        raise ValueError("expected a BCP 47 tag such as en, id or zh-Hant")
    return tag


def check_leaf(path: str) -> str:
    """The path of a leaf; ValueError where no folder of a taxonomy could have it."""
    steps = path.split("/")
    if steps[0] not in KINDS or len(steps) < 2:
        near = difflib.get_close_matches(steps[0], KINDS, n=1)
        raise ValueError(f"a leaf lies below {KIND_FOLDERS}{f'; did you mean {near[0]}/?' if near else ''}")
    if bad := [step for step in steps if not STEP.fullmatch(step) or ".." in step]:
        raise ValueError(f"the step {bad[0]!r} of a leaf's path must be letters, digits, '_', '-' and '.'")
    return path


def check_licence(licence: str) -> str:
    """The SPDX expression in its canonical spelling, or "unknown"; ValueError for another text."""
    if licence == UNKNOWN:
        return UNKNOWN
    try:
        return str(canonicalize_license_expression(licence))
    except InvalidLicenseExpression:
        from license_expression import get_spdx_licensing

        near = difflib.get_close_matches(licence.replace(" ", "-"), get_spdx_licensing().known_symbols, n=1)
        hint = f"did you mean {near[0]}?" if near else "write one such as CC-BY-4.0"
        raise ValueError(f"no SPDX licence, nor '{UNKNOWN}'; {hint}") from None


def _check_one_licence(licence: str) -> str:
    checked = check_licence(licence)
    if re.search(r" (AND|OR) ", checked):
        raise ValueError("give each licence as an entry of its own; a leaf under 'A OR B' needs one of them, under 'A AND B' both")
    return checked


def _check_commit(commit: str) -> str:
    if not COMMIT.fullmatch(commit):
        raise ValueError("expected a commit's hash (7 to 64 hex digits); a branch or tag may move")
    return commit


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Language = Annotated[str, AfterValidator(check_language)]
Licence = Annotated[str, AfterValidator(check_licence)]
LeafPath = Annotated[str, AfterValidator(check_leaf)]


class VerifierSpec(BaseModel):
    """Which verifier decides, and what is set of it: a name alone, or keys and values with `name` among them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Text

    @model_validator(mode="before")
    @classmethod
    def _read_name(cls, given: Any) -> Any:
        if isinstance(given, str):
            if not given.strip():
                raise ValueError("is empty")
            return {"name": given}
        if not isinstance(given, dict):
            raise ValueError("expected the name of a verifier, or keys and values with a name")
        return given

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        try:
            write_canonical(self.model_extra)
        except (TypeError, ValueError):
            raise ValueError("holds what JSON has not, such as a date or .inf; put it in quotes") from None
        return self

    @model_serializer
    def _write(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.model_extra} if self.model_extra else self.name

    @property
    def settings(self) -> str | None:
        """All but the name as canonical JSON; null where nothing is set."""
        return write_canonical(self.model_extra) if self.model_extra else None


class LicencesSpec(Spec):
    """Under which licences seeds may be used."""

    allow: tuple[Annotated[str, AfterValidator(_check_one_licence)], ...] = Field(
        default=(), description="SPDX ids, and 'unknown' for what has no readable licence; where none is given, all are allowed."
    )


class DocumentsSpec(Spec):
    """Documents that are added to a leaf."""

    leaf: LeafPath
    source: Text = Field(description="A folder, a git repository (then with `commit`), or a URL of an object store.")
    commit: Annotated[str, AfterValidator(_check_commit)] | None = None
    patterns: tuple[Text, ...] = Field(min_length=1, description="Which files: '*.md' in the folder itself, '**/*.md' below it too.")
    licence: Licence = UNKNOWN
    language: Language | None = Field(default=None, description="That of the leaf where absent.")


class ColumnsSpec(Spec):
    """Which column of a table holds what."""

    question: Text = "question"
    answer: Text = "answer"
    context: Text | None = None
    language: Text | None = None
    leaf: Text | None = Field(default=None, description="Its values are leaves, or with `leaf` given, steps below that.")


class ExamplesSpec(Spec):
    """A table of instruction pairs that becomes the examples of leaves."""

    leaf: str | None = None
    file: Path | None = Field(default=None, description="JSON lines, CSV, TSV or Parquet.")
    dataset: Text | None = Field(default=None, description="A Hugging Face dataset: a folder or a hub id.")
    config: Text | None = Field(default=None, description="Configuration of the dataset.")
    split: Text = Field(default="train", description="Split of the dataset.")
    revision: Text | None = Field(default=None, description="Revision of a dataset on the hub.")
    columns: ColumnsSpec = ColumnsSpec()
    licence: Licence = UNKNOWN
    language: Language | None = Field(default=None, description="That of the leaf where absent, else en.")
    verifier: VerifierSpec | None = None
    problems: Text | None = None
    groups: dict[str, Text] = Field(default={})
    limit: int | None = Field(default=None, ge=1, description="Only the first so many rows.")
    faulty_rows: Literal["refuse", "skip"] = Field(
        default="refuse", description="A row with a fault keeps its leaf from being made, or is left out and counted."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.file is None) == (self.dataset is None):
            raise ValueError("give exactly one of file and dataset")
        if self.leaf is None and self.columns.leaf is None:
            raise ValueError("give leaf, or under columns the column that names it")
        if self.leaf is not None:
            check_leaf(self.leaf if self.columns.leaf is None else f"{self.leaf}/leaf")
        if self.columns.language and self.language:
            raise ValueError("give language or columns.language, not both")
        return self


class TopicsSpec(Spec):
    """Topics given by hand, from which a teacher may start in place of examples."""

    leaf: LeafPath
    topics: tuple[Text, ...] = Field(min_length=1)
    language: Language | None = Field(default=None, description="That of the leaf where absent, else en.")
    licence: Licence = UNKNOWN


class CanariesSpec(Spec):
    """Made-up secrets that are planted among the examples that a teacher is shown, to measure what it repeats of them."""

    per_leaf: int = Field(default=1, ge=1, le=20, description="Canaries in each leaf; each takes the place of an example in some prompts.")
    leaves: tuple[Text, ...] = Field(default=("*",), min_length=1, description="In which leaves, by pattern.")


class SeedsSpec(Spec):
    """Where human-made seeds come from: a taxonomy, tables of examples, topics; and documents for their leaves."""

    taxonomy: Path | None = Field(default=None, description="Folder of an InstructLab taxonomy; relative to the line's file.")
    examples: tuple[ExamplesSpec, ...] = ()
    topics: tuple[TopicsSpec, ...] = ()
    documents: tuple[DocumentsSpec, ...] = ()
    licences: LicencesSpec = LicencesSpec()
    canaries: CanariesSpec | None = Field(default=None, description="Planted secrets, looked for by the privacy report; none where absent.")
    holdout: Share = Field(default=0.3, lt=1, description="Share of each leaf's examples kept from the teacher, for evaluation.")
    chunk_tokens: int = Field(default=160, ge=20, description="Most of the teacher's tokens in one chunk of a document.")

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if self.taxonomy is None and not self.examples and not self.topics:
            raise ValueError("give at least one of taxonomy, examples and topics")
        return self

    def describe(self) -> dict[str, Any]:
        """The section as JSON values that tell no folder of this machine: what a release says of its seeds."""
        told = self.model_dump(mode="json", exclude={"taxonomy"})
        for entry in (*told["examples"], *told["documents"]):
            for key in ("file", "dataset", "source"):
                if entry.get(key) and Path(entry[key]).is_absolute():
                    entry[key] = Path(entry[key]).name
        return told


def find_seed_faults(source: YamlSource, folder: Path) -> Iterator[Fault]:
    """What types cannot say about `seeds:`: folders and files that are not there, passwords in a URL. Paths are relative to `folder`."""
    seeds = source.data.get("seeds")
    seeds = seeds if isinstance(seeds, dict) else {}
    taxonomy = seeds.get("taxonomy")
    if isinstance(taxonomy, str) and not (taxonomy and (folder / taxonomy).is_dir()):
        absent = f"no folder {(folder / taxonomy).resolve()}" if taxonomy else "is empty"
        yield source.fault(("seeds", "taxonomy"), f"{absent}; give the folder that holds knowledge/ and compositional_skills/")
    for section, key, find in (
        ("examples", "file", _find_file_fault),
        ("examples", "dataset", _find_dataset_fault),
        ("documents", "source", _find_source_fault),
    ):
        entries = seeds.get(section)
        for number, entry in enumerate(entries if isinstance(entries, list) else []):
            given = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(given, str) and given and (problem := find(folder, given, entry)):
                yield source.fault(("seeds", section, number, key), problem)


def _find_file_fault(folder: Path, given: str, entry: dict[str, Any]) -> str | None:
    if Path(given).suffix.lower() not in TABLE_SUFFIXES:
        return f"{given!r} is of no kind that is read ({', '.join(TABLE_SUFFIXES)})"
    return None if (folder / given).is_file() else f"no file {(folder / given).resolve()}"


def _find_dataset_fault(folder: Path, given: str, entry: dict[str, Any]) -> str | None:
    if (folder / given).is_dir() or re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", given):
        return None
    return f"no folder {(folder / given).resolve()}; give the folder of a dataset, or a hub id 'owner/name'"


def _find_source_fault(folder: Path, given: str, entry: dict[str, Any]) -> str | None:
    if CREDENTIALS.search(given):
        return "holds a password, and a line is no place for one; leave it to git's credential helper or the store's own variables"
    if entry.get("commit") is None:
        if GIT_HOSTS.search(given):
            return "a git repository needs a commit: give its hash under commit"
        return None if REMOTE.match(given) or (folder / given).is_dir() else f"no folder {(folder / given).resolve()}"
    return None if REMOTE.match(given) or (folder / given).is_dir() else f"no git repository {(folder / given).resolve()}"


def resolve_seed_paths(seeds: SeedsSpec, folder: Path) -> SeedsSpec:
    """`seeds` with every path relative to `folder` made absolute."""

    def place(given: str | Path | None) -> str | Path | None:
        return given if given is None or not (folder / given).exists() else str((folder / given).resolve())

    data = seeds.model_dump()
    data["taxonomy"] = place(data["taxonomy"])
    for entry in data["examples"]:
        entry |= {"file": place(entry["file"]), "dataset": place(entry["dataset"])}
    for entry in data["documents"]:
        entry["source"] = place(entry["source"])
    return SeedsSpec.model_validate(data)
