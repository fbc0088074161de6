"""Reads an InstructLab taxonomy: every leaf, and every fault of every file in one pass."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel

from factory.faults import FactoryError, Fault, InputFaults
from factory.records import digest
from factory.seeds.attribution import read_licence
from factory.seeds.formats import SUFFIXES, read_sections
from factory.seeds.layout import Knowledge, Known, Skill, check_layout, list_duplicates, list_entries
from factory.seeds.leaf import Document, Example, Leaf, RemoteDocuments
from factory.seeds_spec import KIND_FOLDERS, KINDS, UNKNOWN
from factory.yaml_source import YamlSource, examine_yaml, read_text

LEAF_FILE = "qna.yaml"
LICENCE_FILE = "attribution.txt"
BACKUP = re.compile(r"~$|\.(bak|orig|rej|swp|tmp)$")


@dataclass(frozen=True)
class Taxonomy:
    """What was read below `root`: sound leaves by path, in order; all that is wrong; what is worth knowing.

    `broken` gives the faults of each folder that is no leaf because of them.
    """

    root: Path
    leaves: Mapping[str, Leaf]
    faults: tuple[Fault, ...]
    notices: tuple[str, ...]
    broken: Mapping[str, tuple[Fault, ...]]


def read_taxonomy(root: Path, verifiers: Mapping[str, type[BaseModel]] | None = None, problems: Collection[str] | None = None) -> Taxonomy:
    """The taxonomy below `root`. A leaf with a fault is left out, with all its faults listed; the others are unharmed.

    With `verifiers` (names with the spec of their settings) or `problems` given, a leaf that names another is at fault. Raises FactoryError
    where there is no such folder, or nothing in it that is or was meant to be a leaf.
    """
    if not root.is_dir():
        raise FactoryError(f"no taxonomy folder {root}: give the folder that holds {KIND_FOLDERS}")
    strays: list[Fault] = []
    notices: list[str] = []
    leaves: dict[str, Leaf] = {}
    broken: dict[str, list[Fault]] = {}
    for folder in _find_leaves(root, strays):
        reader = _LeafReader(root, folder, Known(verifiers, problems))
        if leaf := reader.read():
            leaves[leaf.path] = leaf
        else:
            broken[reader.path] = reader.faults
        notices += reader.notices
    faults = [*strays, *(fault for found in broken.values() for fault in found)]
    for stray in strays:
        if (place := PurePosixPath(os.path.relpath(stray.file, root)).parent.as_posix()) not in leaves:
            broken.setdefault(place, []).append(stray)
    if not leaves and not faults:
        raise FactoryError(f"no leaf in the taxonomy folder {root}: a leaf is a folder below {KIND_FOLDERS} that holds a {LEAF_FILE}")
    told = {path: tuple(found) for path, found in sorted(broken.items())}
    return Taxonomy(root, dict(sorted(leaves.items())), tuple(sorted(faults)), tuple(sorted(notices)), told)


def _find_leaves(root: Path, faults: list[Fault]) -> Iterator[Path]:
    """Folders below `root` that hold a qna.yaml; files that were meant to be one, or lie in the wrong place, become faults."""

    def refuse(error: OSError) -> None:
        faults.append(Fault(str(error.filename), 1, 1, "", f"cannot be listed: {error.strerror}"))

    for name, folders, files in os.walk(root, onerror=refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        folder = Path(name)
        top = folder.relative_to(root).parts[:1]
        in_kind = bool(top) and top[0] in KINDS
        for file in sorted(files):
            if file != LEAF_FILE and in_kind and _is_near_miss(file):
                advice = "a leaf has one qna.yaml; delete this file" if LEAF_FILE in files else f"rename it to {LEAF_FILE}"
                faults.append(Fault(str(folder / file), 1, 1, "", f"is not read; {advice}"))
        if LEAF_FILE not in files:
            continue
        if not in_kind:
            near = difflib.get_close_matches(top[0], KINDS, n=1) if top else []
            advice = f"; did you mean {near[0]}/ for {top[0]}/?" if near else ""
            faults.append(Fault(str(folder / LEAF_FILE), 1, 1, "", f"a leaf lies below {KIND_FOLDERS}{advice}"))
        elif not _is_unicode(name):
            shown = name.encode(errors="replace").decode()
            faults.append(Fault(f"{shown}/{LEAF_FILE}", 1, 1, "", "the folder's name is not UTF-8; rename it"))
        else:
            yield folder


def _is_near_miss(file: str) -> bool:
    name = file.lower()
    if BACKUP.search(name) or name.startswith("."):
        return False
    return name.startswith("qna.") or bool(difflib.get_close_matches(name, [LEAF_FILE], cutoff=0.8))


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


class _LeafReader:
    """Reads one leaf; collects its faults and notices."""

    def __init__(self, root: Path, folder: Path, known: Known) -> None:
        self.faults: list[Fault] = []
        self.notices: list[str] = []
        self._folder, self._known = folder, known
        self.path = folder.relative_to(root).as_posix()
        self._kind = KINDS[PurePosixPath(self.path).parts[0]]

    def read(self) -> Leaf | None:
        """The leaf; null where it has a fault."""
        source, faults = examine_yaml(self._folder / LEAF_FILE)
        self.faults += faults
        if source is None:
            return None
        content, layout_faults = check_layout(source, self._kind, self._known)
        self.faults += layout_faults
        files = self._find_documents(source)
        marks = self._check_documents(files)
        if self.faults or content is None:
            return None
        attribution = self._read_attribution()
        licence = self._read_licence(attribution)
        extension = content.factory
        return Leaf(
            path=self.path,
            language=extension.language,
            description=f"{content.domain}: {content.document_outline}"
            if isinstance(content, Knowledge)
            else content.task_description.strip(),
            verifier=extension.verifier.name if extension.verifier else None,
            verifier_settings=extension.verifier.settings if extension.verifier else None,
            problems=extension.problems,
            groups=tuple(sorted(extension.groups.items())),
            licence=licence,
            tone=extension.tone,
            turns=extension.turns,
            examples=self._list_examples(source, licence),
            documents=tuple(
                Document(f"{self.path}/{file.relative_to(self._folder).as_posix()}", mark, licence, extension.language, file.read_bytes)
                for file, mark in zip(files, marks, strict=True)
            ),
            remote=None if files else _find_remote(content),
            digest=digest([self.path, source.text, attribution]),
        )

    def _list_examples(self, source: YamlSource, licence: str) -> tuple[Example, ...]:
        again = list(list_duplicates(source, self._kind))  # of version 1 only: in later versions they are faults
        self.notices += [
            f"{self.path}: the example on line {source.locate(entry.path)[0]} repeats that on line {line} and counts once"
            for entry, line in again
        ]
        repeated = {entry.path for entry, _ in again}
        return tuple(
            Example(
                entry.question.strip(),
                entry.answer.strip(),
                None if entry.context is None else entry.context.strip(),
                f"{self.path}/{LEAF_FILE}:{source.locate(entry.path)[0]}",
                licence,
            )
            for entry in list_entries(source.data, self._kind)
            if entry.path not in repeated
        )

    def _find_documents(self, source: YamlSource) -> tuple[Path, ...]:
        """The leaf's own documents that its patterns match, sorted; what is wrong with a pattern becomes a fault."""
        extension = source.data.get("factory") if isinstance(source.data, dict) else None
        patterns = extension.get("documents") if isinstance(extension, dict) and self._kind == "knowledge" else None
        found: set[Path] = set()
        for number, pattern in enumerate(patterns if isinstance(patterns, list) else []):
            if not isinstance(pattern, str) or not pattern.strip():
                continue
            matched, problem = self._match(pattern.strip())
            found |= matched
            if problem:
                self.faults.append(source.fault(["factory", "documents", number], problem))
        return tuple(sorted(found))

    def _match(self, pattern: str) -> tuple[set[Path], str | None]:
        if pattern.startswith(("/", "~")) or ".." in PurePosixPath(pattern).parts or not PurePosixPath(pattern).parts:
            return set(), f"the pattern {pattern!r} leads out of the leaf's folder; documents lie in it"
        try:
            files = {file for file in self._folder.glob(pattern) if file.is_file() and file.name not in (LEAF_FILE, LICENCE_FILE)}
        except (ValueError, NotImplementedError) as error:
            return set(), f"the pattern {pattern!r} cannot be read: {error}"
        outside = sorted(file for file in files if not file.resolve().is_relative_to(self._folder.resolve()))
        unread = sorted(file for file in files if file.suffix.lower() not in SUFFIXES)
        if not files:
            return set(), f"the pattern {pattern!r} matches no file in {self._folder}"
        if outside:
            return set(), f"{outside[0].name}, which {pattern!r} matches, is a link that leads out of the leaf's folder"
        if unread:
            return set(), f"{unread[0].name}, which {pattern!r} matches, is of no kind that is read ({', '.join(SUFFIXES)})"
        return files, None

    def _check_documents(self, files: tuple[Path, ...]) -> list[str]:
        """The SHA-256 of each document; one that cannot be read or holds no text becomes a fault."""
        marks = []
        for file in files:
            try:
                content = file.read_bytes()
            except OSError as error:
                self.faults.append(Fault(str(file), 1, 1, "", f"cannot be read: {error.strerror}"))
                continue
            try:
                read_sections(str(file), content)
            except InputFaults as error:
                self.faults += error.faults
            marks.append(hashlib.sha256(content).hexdigest())
        return marks

    def _read_attribution(self) -> str | None:
        file = self._folder / LICENCE_FILE
        if not file.is_file():
            self.notices.append(f"{self.path}: no {LICENCE_FILE}, so its licence is unknown")
            return None
        text = read_text(file, str(file))
        if isinstance(text, Fault):
            self.notices.append(f"{self.path}: {text}; its licence is unknown")
            return None
        return text

    def _read_licence(self, attribution: str | None) -> str:
        if attribution is None:
            return UNKNOWN
        licence, unread = read_licence(attribution)
        self.notices += [f"{self.path}: {LICENCE_FILE}: {problem}, so the leaf's licence is unknown" for problem in unread]
        return licence


def _find_remote(content: Skill | Knowledge) -> RemoteDocuments | None:
    if not isinstance(content, Knowledge) or content.document is None:
        return None
    return RemoteDocuments(content.document.repo, content.document.commit, tuple(content.document.patterns))
