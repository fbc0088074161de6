"""The layout of a leaf's qna.yaml: InstructLab's three versions, our `factory:` key, and the rules that types cannot say.

Source: the JSON schemas of github.com/instructlab/schema (src/instructlab/schema/v1 to v3). Stricter than upstream in three things: text
of spaces alone is empty, a question-answer pair of a knowledge leaf has no further keys, and a leaf is grounded or freeform throughout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from factory.faults import Fault
from factory.seeds_spec import Kind, Language, Text, VerifierSpec
from factory.spec_faults import list_faults, name_kind, suggest
from factory.yaml_source import YamlSource

LAST_VERSION = 3
LEAST_EXAMPLES = {1: 1, 2: 5, 3: 5}
"""Fewest seed examples by version; of a knowledge leaf, contexts."""
LEAST_PAIRS = 3
"""Fewest question-answer pairs of one context."""


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("is empty; write a value or delete the key")
    return value


Given = BeforeValidator(_given)


class Part(BaseModel):
    """A part of a qna.yaml: immutable, and an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pair(Part):
    """A question with its answer."""

    question: Text
    answer: Text


class SkillExample(Pair):
    """A seed example of a skill; with `context` it is grounded."""

    context: Annotated[Text | None, Given] = None


class KnowledgeExample(Part):
    """A passage of a document with questions about it."""

    context: Text
    questions_and_answers: list[Pair]


class RemoteDocument(Part):
    """Where upstream keeps a knowledge leaf's documents."""

    patterns: list[Text]
    repo: Annotated[Text | None, Given] = None
    commit: Annotated[Text | None, Given] = None
    folder: Annotated[Text | None, Given] = None


class Extension(Part):
    """Our key `factory:`. A leaf without it is a plain InstructLab leaf."""

    language: Annotated[Language, Given] = "en"
    verifier: Annotated[VerifierSpec | None, Given] = None
    problems: Annotated[Text | None, Given] = None
    groups: dict[str, Text] = {}
    documents: list[Text] = []
    tone: Annotated[Text | None, Given] = None
    turns: Annotated[Annotated[int, Field(strict=True, ge=1)] | None, Given] = None


class Skill(Part):
    """A compositional or foundational leaf of version 2 or 3."""

    version: Any = None  # judged by `read_version`
    task_description: Text
    created_by: Text
    seed_examples: list[SkillExample]
    factory: Extension = Extension()


class FirstSkill(Skill):
    """A leaf of version 1, whose description may be empty."""

    task_description: str


class Knowledge(Part):
    """A knowledge leaf of version 3."""

    version: Any = None
    domain: Text
    created_by: Text
    document_outline: Text
    seed_examples: list[KnowledgeExample]
    document: Annotated[RemoteDocument | None, Given] = None
    factory: Extension = Extension()


@dataclass(frozen=True)
class Known:
    """Names that a leaf may refer to, verifiers with the spec of their settings; null where any name will do."""

    verifiers: Mapping[str, type[BaseModel]] | None = None
    problems: Collection[str] | None = None


@dataclass(frozen=True)
class Entry:
    """A question-answer pair as it stands in the file, well-formed or not; `path` leads to it."""

    path: tuple[str | int, ...]
    question: Any
    answer: Any
    context: Any

    def key(self) -> tuple[str, ...] | None:
        """What makes the pair unique; null where it is not well-formed."""
        parts = (self.question, self.answer) if self.context is None else (self.question, self.answer, self.context)
        return tuple(part.strip() for part in parts) if all(isinstance(part, str) for part in parts) else None


def check_layout(source: YamlSource, kind: Kind, known: Known) -> tuple[Skill | Knowledge | None, list[Fault]]:
    """The leaf's typed content and everything wrong with it; content only where nothing is wrong."""
    if not isinstance(source.data, dict):
        found = "the file is empty" if source.data is None else f"found {name_kind(source.data)}"
        return None, [Fault(source.name, 1, 1, "", f"expected keys and values such as 'version: 3'; {found}")]
    version, faults = read_version(source, kind)
    if version is None:
        return None, faults
    model = Knowledge if kind == "knowledge" else FirstSkill if version == 1 else Skill
    content: Skill | Knowledge | None = None
    try:
        content = model.model_validate(source.data)
    except ValidationError as error:
        faults += list_faults(source, model, error)
    faults += [*_check_counts(source, kind, version), *_check_mixture(source, kind), *_check_extension(source, kind, known)]
    if version > 1:
        faults += [source.fault(again.path, f"the same example as on line {line}") for again, line in list_duplicates(source, kind)]
    return (None if faults else content), faults


def read_version(source: YamlSource, kind: Kind) -> tuple[int | None, list[Fault]]:
    """The version to judge the leaf by (null where none fits) and what is wrong with it; a file without one is of version 1."""
    given = source.data.get("version", 1)
    version, faults = given, []
    if isinstance(given, bool) or not isinstance(given, int):
        number = str(given).removesuffix(".0")
        version = int(number) if number.isdecimal() else LAST_VERSION
        faults = [source.fault(["version"], f"expected the number {LAST_VERSION}, found {name_kind(given)}")]
    if not 1 <= version <= LAST_VERSION:
        return None, [source.fault(["version"], f"version {version} is not known; write 'version: {LAST_VERSION}'")]
    if kind == "knowledge" and version < LAST_VERSION:
        said = f"version {version}" if "version" in source.data else "a file without 'version:' (so of version 1)"
        return None, [source.fault(["version"], f"{said} is too old for knowledge; upstream reads version {LAST_VERSION} alone")]
    return version, faults


def list_entries(data: dict[str, Any], kind: Kind) -> list[Entry]:
    """Every question-answer pair of the leaf, in order."""
    entries = []
    for number, example in enumerate(_list(data, "seed_examples")):
        if kind != "knowledge" and isinstance(example, dict):
            entries.append(_entry(("seed_examples", number), example, example.get("context")))
        elif isinstance(example, dict):
            for position, pair in enumerate(_list(example, "questions_and_answers")):
                if isinstance(pair, dict):
                    path = ("seed_examples", number, "questions_and_answers", position)
                    entries.append(_entry(path, pair, example.get("context")))
    return entries


def list_duplicates(source: YamlSource, kind: Kind) -> Iterator[tuple[Entry, int]]:
    """Each pair that stands in the file already, with the line of the first."""
    first: dict[tuple[str, ...], Entry] = {}
    for entry in list_entries(source.data, kind):
        if (key := entry.key()) is None:
            continue
        if key in first:
            yield entry, source.locate(first[key].path)[0]
        else:
            first[key] = entry


def _entry(path: tuple[str | int, ...], pair: dict[str, Any], context: Any) -> Entry:
    return Entry(path, pair.get("question"), pair.get("answer"), context)


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _check_counts(source: YamlSource, kind: Kind, version: int) -> Iterator[Fault]:
    least, examples = LEAST_EXAMPLES[version], source.data.get("seed_examples")
    if isinstance(examples, list) and len(examples) < least:
        what = ("contexts" if kind == "knowledge" else "examples") if least > 1 else "example"
        yield source.fault(["seed_examples"], f"at least {least} {what} needed; there {_are(len(examples))}")
    for number, example in enumerate(_list(source.data, "seed_examples") if kind == "knowledge" else []):
        pairs = example.get("questions_and_answers") if isinstance(example, dict) else None
        if isinstance(pairs, list) and len(pairs) < LEAST_PAIRS:
            path = ("seed_examples", number, "questions_and_answers")
            yield source.fault(path, f"at least {LEAST_PAIRS} questions with answers needed; there {_are(len(pairs))}")
    document = source.data.get("document")
    if kind == "knowledge" and isinstance(document, dict) and document.get("patterns") == []:
        yield source.fault(["document", "patterns"], "at least 1 pattern needed; there are none")
    patterns = _list(document, "patterns") if kind == "knowledge" and isinstance(document, dict) else []
    for number, pattern in enumerate(patterns):
        if pattern in patterns[:number]:
            yield source.fault(["document", "patterns", number], "the same pattern as before")


def _are(count: int) -> str:
    return "are none" if count == 0 else "is 1" if count == 1 else f"are {count}"


def _check_mixture(source: YamlSource, kind: Kind) -> Iterator[Fault]:
    entries = [] if kind == "knowledge" else list_entries(source.data, kind)
    grounded = [entry for entry in entries if entry.context is not None]
    freeform = [entry for entry in entries if entry.context is None]
    if grounded and freeform:
        odd, have = (grounded[0], "has a context") if len(grounded) < len(freeform) else (freeform[0], "has no context")
        count = f"{len(grounded)} of {len(entries)} examples have one"
        yield source.fault(odd.path, f"{have}, and {count}; a leaf is grounded or freeform throughout, so split it into two leaves")


def _check_extension(source: YamlSource, kind: Kind, known: Known) -> Iterator[Fault]:
    extension = source.data.get("factory")
    extension = extension if isinstance(extension, dict) else {}
    if known.verifiers is not None and "verifier" in extension:
        yield from check_verifier(source, ("factory", "verifier"), extension["verifier"], known.verifiers)
    writer, writers = extension.get("problems"), known.problems
    if writers is not None and isinstance(writer, str) and writer.strip() and writer.strip() not in writers:
        yield source.fault(["factory", "problems"], f"no problem writer is called {writer!r}; {suggest(writer, writers)}")
    if kind != "knowledge" and "documents" in extension:
        yield source.fault(["factory", "documents"], "only a leaf below knowledge/ has documents", at_key=True)
    if kind == "knowledge" and "document" not in source.data and not extension.get("documents"):
        yield source.fault(["document"], "is missing; give upstream's document: or our factory.documents:")


def check_verifier(
    source: YamlSource, path: tuple[str | int, ...], given: Any, verifiers: Mapping[str, type[BaseModel]]
) -> Iterator[Fault]:
    """What is wrong with a verifier's name and settings at `path`, which VerifierSpec does not know."""
    name = given.get("name") if isinstance(given, dict) else given
    if not isinstance(name, str) or not name.strip():
        return
    if name.strip() not in verifiers:
        place = [*path, "name"] if isinstance(given, dict) else path
        yield source.fault(place, f"no verifier is called {name!r}; {suggest(name, verifiers)}")
        return
    settings = {key: value for key, value in given.items() if key != "name"} if isinstance(given, dict) else {}
    model = verifiers[name.strip()]
    try:
        model.model_validate(settings)
    except ValidationError as error:
        yield from list_faults(source, model, error, path)
