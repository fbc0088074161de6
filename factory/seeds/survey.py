"""All seeds of a line looked over: leaves out of every source, every fault, what its licences refuse, and what is worth knowing."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from factory.faults import FactoryError, Fault, InputFaults
from factory.records import digest
from factory.seeds.examples import split_of
from factory.seeds.git import UnreachableError
from factory.seeds.layout import Known, check_verifier
from factory.seeds.leaf import Document, Example, Leaf, Topic
from factory.seeds.licences import admits
from factory.seeds.mapping import map_rows
from factory.seeds.sources import NotFetchedError, find_documents
from factory.seeds.taxonomy import read_taxonomy
from factory.seeds_spec import COMMIT, PUBLIC_GIT, DocumentsSpec, ExamplesSpec, SeedsSpec, TopicsSpec
from factory.spec_faults import suggest
from factory.yaml_source import YamlSource

MOST_TOLD = 20
"""Faulty rows of one table that are told one by one."""
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True)
class Survey:
    """The seeds of a line: the leaves that can be made by path, in order; every fault; what `licences.allow` refused; notices.

    `left_out` gives, for each leaf that cannot be made, all the reasons. `awaited`: leaves of which something is not fetched yet; the
    folder of the leaves ("" for all) where that is a table which names them.
    """

    leaves: Mapping[str, Leaf]
    faults: tuple[Fault, ...]
    refusals: tuple[str, ...]
    notices: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]
    awaited: frozenset[str]

    def may_come(self, leaf: str) -> bool:
        """Whether the leaf may be sound once everything is fetched."""
        return any(place in ("", leaf) or leaf.startswith(f"{place}/") for place in self.awaited)

    @property
    def reasons(self) -> list[str]:
        """Every fault and refusal, in words."""
        return [*map(str, self.faults), *self.refusals]


def survey_seeds(spec: SeedsSpec, cache: Path, known: Known | None = None, *, fetch: bool = True) -> Survey:
    """Reads every source of seeds. A leaf with a fault in any of its sources is left out, the others are unharmed.

    `cache` holds git repositories once fetched; without `fetch` no network is used. `known` are the names that a leaf may refer to.
    Raises FactoryError where the taxonomy is no folder or holds nothing, or where a library is missing.
    """
    surveyor = _Surveyor(spec, cache, known or Known(), fetch)
    if spec.taxonomy is not None:
        surveyor.take_taxonomy(spec.taxonomy)
    for number, examples in enumerate(spec.examples):
        surveyor.take_examples(f"seeds.examples[{number}]", examples)
    for number, topics in enumerate(spec.topics):
        surveyor.take_topics(f"seeds.topics[{number}]", topics)
    for number, documents in enumerate(spec.documents):
        surveyor.take_documents(f"seeds.documents[{number}]", documents)
    surveyor.take_upstream_documents()
    return surveyor.conclude()


class _Surveyor:
    """Gathers leaves from one source after the other."""

    def __init__(self, spec: SeedsSpec, cache: Path, known: Known, fetch: bool) -> None:
        self._spec, self._cache, self._known, self._fetch = spec, cache, known, fetch
        self._leaves: dict[str, Leaf] = {}
        self._faults: list[Fault] = []
        self._refusals: list[str] = []
        self._notices: list[str] = []
        self._left_out: dict[str, list[str]] = defaultdict(list)
        self._refused: dict[str, list[str]] = defaultdict(list)
        self._awaited: set[str] = set()

    def take_taxonomy(self, root: Path) -> None:
        taxonomy = read_taxonomy(root, self._known.verifiers, self._known.problems)
        self._notices += taxonomy.notices
        self._faults += taxonomy.faults
        for path, faults in taxonomy.broken.items():
            self._left_out[path] += map(str, faults)
        for path, leaf in taxonomy.leaves.items():
            if self._admit(leaf.licence, f"leaf {path}", path):
                self._leaves[path] = leaf

    def take_examples(self, place: str, entry: ExamplesSpec) -> None:
        subject = f"{place} ({Path(str(entry.file)).name if entry.file else entry.dataset})"
        if not self._admit(entry.licence, subject, entry.leaf if entry.columns.leaf is None else None):
            return
        try:
            mapped = map_rows(entry, fetch=self._fetch)
        except NotFetchedError as error:
            self._awaited.add(entry.leaf or "")
            self._blame([Fault(place, 0, 0, "", str(error))], [entry.leaf] if entry.leaf and entry.columns.leaf is None else [])
            return
        except InputFaults as error:
            self._blame(error.faults, [entry.leaf] if entry.leaf and entry.columns.leaf is None else [])
            return
        for path, faults in mapped.faults.items():
            self._blame_rows(subject, entry, faults, [path] if path else [*mapped.examples])
        attributes = {
            "verifier": entry.verifier.name if entry.verifier else None,
            "verifier_settings": entry.verifier.settings if entry.verifier else None,
            "problems": entry.problems,
            "groups": tuple(sorted(entry.groups.items())) or None,
        }
        self._blame(self._check_names(place, entry), [*mapped.examples])
        for path, examples in mapped.examples.items():
            language = mapped.languages.get(path) or entry.language
            leaf = self._open(place, path, {"language": language, **attributes}, entry.licence)
            self._leaves[path] = replace(leaf, examples=(*leaf.examples, *self._list_new(subject, entry, leaf, examples)))

    def take_topics(self, place: str, entry: TopicsSpec) -> None:
        if not self._admit(entry.licence, f"{place} of leaf {entry.leaf}", entry.leaf):
            return
        leaf = self._open(place, entry.leaf, {"language": entry.language}, entry.licence)
        known = {topic.text for topic in leaf.topics}
        topics = []
        for number, text in enumerate(entry.topics):
            if text in known:
                self._blame([Fault(place, 0, 0, f"topics[{number}]", f"the topic {text!r} is given twice")], [entry.leaf])
            known.add(text)
            topics.append(Topic(text, f"{place}.topics[{number}]", entry.licence))
        self._leaves[entry.leaf] = replace(leaf, topics=(*leaf.topics, *topics))

    def take_documents(self, place: str, entry: DocumentsSpec) -> None:
        leaf = self._leaves.get(entry.leaf)
        if leaf is None:
            if entry.leaf not in self._left_out and entry.leaf not in self._refused:
                hint = (
                    suggest(entry.leaf, list(self._leaves)) if difflib.get_close_matches(entry.leaf, self._leaves, n=1, cutoff=0.7) else ""
                )
                advice = hint or "give it examples or topics too"
                self._blame([Fault(place, 0, 0, "leaf", f"no source of seeds has a leaf {entry.leaf}; {advice}")], [entry.leaf])
            return
        if not self._admit(entry.licence, f"{place} for leaf {entry.leaf}", None):
            return
        try:
            found = self._find(entry.source, entry.commit, entry.patterns, entry.licence, entry.language or leaf.language)
        except FactoryError as error:
            if isinstance(error, NotFetchedError):
                self._awaited.add(entry.leaf)
            self._blame([Fault(place, 0, 0, "", str(error))], [entry.leaf])
            return
        self._leaves[entry.leaf] = replace(leaf, documents=(*leaf.documents, *found))

    def take_upstream_documents(self) -> None:
        """What `document:` of a knowledge leaf names; where it cannot be had, the contexts of the leaf's examples serve."""
        unreachable: dict[str, str] = {}
        for path, leaf in self._leaves.items():
            if leaf.remote is None:
                continue
            repo, commit = leaf.remote.repo, leaf.remote.commit
            if repo is None or commit is None or not COMMIT.fullmatch(commit):
                self._serve_contexts(path, "its document: names no repo with the hash of a commit")
                continue
            if not PUBLIC_GIT.match(repo):
                self._serve_contexts(path, "the repo of its document: is no https, ssh or git address, and a leaf may name no other")
                continue
            if repo in unreachable:
                self._serve_contexts(path, unreachable[repo])
                continue
            try:
                found = self._find(repo, commit, leaf.remote.patterns, leaf.licence, leaf.language)
            except FactoryError as error:
                if isinstance(error, UnreachableError):
                    unreachable[repo] = str(error)
                self._serve_contexts(path, str(error))
                continue
            self._leaves[path] = replace(leaf, documents=(*leaf.documents, *found))

    def conclude(self) -> Survey:
        for path, leaf in self._leaves.items():
            self._blame(_check_mixture(leaf), [path])
            self._blame(self._check_shown(leaf), [path])
        for path, reasons in self._refused.items():
            if path not in self._leaves:
                self._left_out[path] += reasons
        leaves = {path: _stamp(leaf) for path, leaf in sorted(self._leaves.items()) if path not in self._left_out}
        left_out = {path: tuple(reasons) for path, reasons in sorted(self._left_out.items())}
        return Survey(leaves, tuple(sorted(self._faults)), tuple(self._refusals), tuple(self._notices), left_out, frozenset(self._awaited))

    def _admit(self, licence: str, subject: str, leaf: str | None) -> bool:
        allow = self._spec.licences.allow
        if admits(licence, allow):
            return True
        told = f"{subject}: its licence {licence} is not among seeds.licences.allow ({', '.join(allow)})"
        self._refusals.append(told)
        if leaf:
            self._refused[leaf].append(told)
        return False

    def _blame(self, faults: Iterable[Fault], leaves: Iterable[str]) -> None:
        """Keeps faults, and the leaves from being made that have them."""
        faults = list(faults)
        self._faults += faults
        for leaf in leaves if faults else ():
            self._left_out[leaf] += map(str, faults)

    def _blame_rows(self, subject: str, entry: ExamplesSpec, faults: list[Fault], leaves: Iterable[str]) -> None:
        if not faults:
            return
        if entry.faulty_rows == "skip":
            self._notices.append(f"{subject}: {len(faults)} faulty rows are left out, the first: {faults[0]}")
            return
        rest = len(faults) - MOST_TOLD
        more = [Fault(faults[0].file, 0, 0, "", f"and {rest:,} more faults of rows")] if rest > 0 else []
        self._blame([*faults[:MOST_TOLD], *more], leaves)

    def _open(self, place: str, path: str, given: Mapping[str, object], licence: str) -> Leaf:
        """The leaf as it is so far. What is given must not contradict what another source says of it."""
        stated = {name: value for name, value in given.items() if value is not None}
        if path not in self._leaves:
            return Leaf(**({"path": path, "language": DEFAULT_LANGUAGE, "licence": licence} | stated))  # type: ignore[arg-type]
        leaf = self._leaves[path]
        for name, value in stated.items():
            if getattr(leaf, name) != value:
                told = f"{_write(value)} for leaf {path}, of which another source says {_write(getattr(leaf, name))}; a leaf has one"
                self._blame([Fault(place, 0, 0, name, told)], [path])
        return leaf

    def _check_names(self, place: str, entry: ExamplesSpec) -> Iterable[Fault]:
        if entry.verifier is not None and self._known.verifiers is not None:
            given = entry.model_dump(include={"verifier"})
            source = YamlSource(place, given, "", None)
            yield from check_verifier(source, ("verifier",), given["verifier"], self._known.verifiers)
        if entry.problems is not None and self._known.problems is not None and entry.problems not in self._known.problems:
            told = f"no problem writer is called {entry.problems!r}; {suggest(entry.problems, self._known.problems)}"
            yield Fault(place, 0, 0, "problems", told)

    def _list_new(self, subject: str, entry: ExamplesSpec, leaf: Leaf, examples: list[Example]) -> list[Example]:
        """The examples that the leaf has not; one that it has is a fault."""
        known = {example.key: example.source for example in leaf.examples}
        new, again = [], []
        for example in examples:
            if example.key in known:
                again.append(Fault(example.source, 0, 0, "", f"the same example as {known[example.key]}"))
            else:
                known[example.key] = example.source
                new.append(example)
        self._blame_rows(subject, entry, again, [leaf.path])
        return new

    def _find(self, source: str, commit: str | None, patterns: tuple[str, ...], licence: str, language: str) -> tuple[Document, ...]:
        return find_documents(source, commit, patterns, licence, language, self._cache, fetch=self._fetch)

    def _serve_contexts(self, path: str, why: str) -> None:
        self._notices.append(f"{path}: {why}; the contexts of its seed examples serve as chunks")

    def _check_shown(self, leaf: Leaf) -> Iterable[Fault]:
        """A leaf must have something that a teacher may see."""
        holdout = self._spec.holdout
        sides = {split_of(leaf.path, example.question, example.context, holdout) for example in leaf.examples}
        if not leaf.topics and "seed" not in sides:
            told = (
                f"no example is left to show to a teacher, as all {len(leaf.examples)} fall on the holdout side at seeds.holdout = "
                f"{holdout:g}; add examples or topics, or lower seeds.holdout in the line"
            )
            yield Fault(f"leaf {leaf.path}", 0, 0, "", told)


def _check_mixture(leaf: Leaf) -> Iterable[Fault]:
    grounded = [example for example in leaf.examples if example.context is not None]
    freeform = [example for example in leaf.examples if example.context is None]
    if grounded and freeform:
        odd, has = (grounded[0], "a context") if len(grounded) < len(freeform) else (freeform[0], "no context")
        told = f"has {has}, and {len(grounded)} of {len(leaf.examples)} examples of leaf {leaf.path} have one"
        yield Fault(odd.source, 0, 0, "", f"{told}; a leaf is grounded or freeform throughout, so make it two leaves")


def _stamp(leaf: Leaf) -> Leaf:
    """The leaf with the digest of all that its examples and topics are made from."""
    known = [leaf.digest, leaf.language, leaf.verifier, leaf.verifier_settings, leaf.problems, leaf.groups, leaf.tone, leaf.turns]
    examples = [[*example.key, example.source, example.licence] for example in leaf.examples]
    return replace(leaf, digest=digest([known, examples, [[topic.text, topic.source, topic.licence] for topic in leaf.topics]]))


def _write(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{name}={said}" for name, said in value) or "nothing"
    return "nothing" if value is None else repr(value)
