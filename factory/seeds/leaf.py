"""A leaf as every reader of seeds gives it: its attributes, examples, topics and documents, each with its own provenance and licence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from factory.seeds_spec import KINDS, Kind


@dataclass(frozen=True)
class Example:
    """A question with its answer; `source` is "<file>:<line>" (or ": row <number>") of where it stands."""

    question: str
    answer: str
    context: str | None
    source: str
    licence: str

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What makes an example unique in its leaf."""
        return self.question, self.answer, self.context


@dataclass(frozen=True)
class Topic:
    """What a teacher may write about, given by hand."""

    text: str
    source: str
    licence: str


@dataclass(frozen=True)
class Document:
    """A document that can be read. `mark` changes when its content does; `name` is what records call it."""

    name: str
    mark: str
    licence: str
    language: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class RemoteDocuments:
    """Where upstream keeps a knowledge leaf's documents; `repo` or `commit` may be missing there."""

    repo: str | None
    commit: str | None
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Leaf:
    """What one skill or field of knowledge is made from. `path` begins with the folder of its kind; `digest` is of all but `documents`."""

    path: str
    language: str
    description: str = ""
    verifier: str | None = None
    verifier_settings: str | None = None
    problems: str | None = None
    groups: tuple[tuple[str, str], ...] = ()
    licence: str = "unknown"
    tone: str | None = None
    turns: int | None = None
    examples: tuple[Example, ...] = ()
    topics: tuple[Topic, ...] = ()
    documents: tuple[Document, ...] = ()
    remote: RemoteDocuments | None = None
    digest: str = ""

    @property
    def kind(self) -> Kind:
        """By its first folder."""
        return KINDS[self.path.split("/")[0]]

    @property
    def grounded(self) -> bool:
        """Whether its examples have a context."""
        return any(example.context is not None for example in self.examples)
