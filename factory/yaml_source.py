"""Reads a YAML file and remembers where each value stands, so that a fault can name its line and column."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from factory.faults import Fault

YamlPath = Sequence[str | int]
CORE = "tag:yaml.org,2002:"
TEXT_TAGS = (CORE + "str", CORE + "value", CORE + "merge")
MOST_VALUES = 1_000_000
"""Most values that a document may hold once its aliases are written out; a "billion laughs" document holds more."""
DEEPEST = 60
"""Deepest nesting of lists and mappings; a leaf or a line needs six."""
SURELY_SHALLOW = 2000
"""Fewer characters that may open a level than this cannot nest deep enough to exhaust the stack of PyYAML's recursive composer, which
ends the process between 20,000 and 50,000 levels."""


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]
    """libyaml's parser with the plain scalars of YAML 1.1, which InstructLab reads leaves with."""


# PyYAML reads `1e-3` as text and wants `1.0e-3`; YAML 1.2 and every person who writes a learning rate read a number.
_Loader.add_implicit_resolver(CORE + "float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789"))


@dataclass(frozen=True)
class YamlSource:
    """A parsed YAML document. `data` holds plain mappings, lists and scalars; `name` is the file as faults show it."""

    name: str
    data: Any
    text: str = field(repr=False)
    root: yaml.Node | None = field(repr=False)

    def locate(self, path: YamlPath) -> tuple[int, int]:
        """Line and column, from 1, of the value at `path` (of its key, where it is a mapping or list); of its nearest parent where it is
        missing."""
        node, place = self.root, 0
        for step in path:
            found = _step(node, step)
            if found is None:
                break
            key, node = found
            place = (key if key is not None and isinstance(node, yaml.CollectionNode) else node).start_mark.index
        return self._place(place)

    def locate_key(self, path: YamlPath) -> tuple[int, int]:
        """Line and column, from 1, of the key that `path` ends with; for a key that should not be there."""
        node = self.root
        for step in path[:-1]:
            found = _step(node, step)
            node = found[1] if found else None
        found = _step(node, path[-1])
        if found is None or found[0] is None:
            raise KeyError(write_path(path))
        return self._place(found[0].start_mark.index)

    def fault(self, path: YamlPath, message: str, *, at_key: bool = False) -> Fault:
        """A fault at the value (or the key) at `path`; without a line where the data came from no text."""
        if self.root is None and self.data is not None:
            return Fault(self.name, 0, 0, write_path(path), message)
        line, column = self.locate_key(path) if at_key else self.locate(path)
        return Fault(self.name, line, column, write_path(path), message)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", self.text))]

    def _place(self, index: int) -> tuple[int, int]:
        # libyaml's own line numbers also count U+0085, U+2028 and U+2029, which editors do not.
        line = bisect_right(self._line_starts, index)
        return line, index - self._line_starts[line - 1] + 1


def _step(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    """The key (null in a list) and the value that `step` leads to."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def write_path(path: YamlPath) -> str:
    """`["seed_examples", 2, "question"]` as `seed_examples[2].question`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def read_text(file: Path, name: str) -> str | Fault:
    """The text of a UTF-8 file, or what keeps it from being read."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        return Fault(name, 1, 1, "", f"cannot be read: {error.strerror}")
    return decode_text(raw, name)


def decode_text(raw: bytes, name: str) -> str | Fault:
    """The text that UTF-8 bytes hold, without a byte order mark, or where they are none."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        before = raw[raw.rfind(b"\n", 0, error.start) + 1 : error.start].decode(errors="replace")
        return Fault(name, line, len(before) + 1, "", f"not UTF-8 (byte 0x{raw[error.start]:02x}); save the file as UTF-8")


def read_yaml(file: Path, name: str | None = None) -> YamlSource | Fault:
    """The document in `file`, or the first fault that keeps it from being read; `examine_yaml` gives them all."""
    source, faults = examine_yaml(file, name)
    return source if source is not None and not faults else faults[0]


def examine_yaml(file: Path, name: str | None = None) -> tuple[YamlSource | None, tuple[Fault, ...]]:
    """The document in `file` and what is wrong with it as YAML; no document where the file cannot be read at all.

    `name` is how faults call the file; by default its path. A duplicate key, a key that is not text, a tag, a recursive alias and a date
    that is none leave a document (the first of two equal keys counts) with a fault each. Only plain data comes out: no tag makes an object.
    """
    name = name or str(file)
    text = read_text(file, name)
    if isinstance(text, Fault):
        return None, (text,)
    try:
        _refuse_depth(text)
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        return None, (_explain_error(YamlSource(name, None, text, None), error),)
    builder = _Builder(YamlSource(name, None, text, root), loader)
    data, _ = builder.build(root, ()) if root is not None else (None, 0)
    return YamlSource(name, data, text, root), tuple(builder.faults)


def _refuse_depth(text: str) -> None:
    """Raises ComposerError at the first value that is nested too deep to be composed."""
    if sum(map(text.count, "[{-?:")) < SURELY_SHALLOW:
        return
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEEPEST} deep", event.start_mark)


class _Builder:
    """Plain data from the nodes of one document; collects what cannot be plain data."""

    def __init__(self, source: YamlSource, loader: _Loader) -> None:
        self.faults: list[Fault] = []
        self._source, self._loader = source, loader
        self._built: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: tuple[str | int, ...]) -> tuple[Any, int]:
        """The data of `node` and how many values it holds with its aliases written out."""
        if isinstance(node, yaml.ScalarNode):
            return (node.value if node.tag == TEXT_TAGS[0] else self._scalar(node, path)), 1
        if id(node) in self._built:
            return self._built[id(node)]
        if id(node) in self._open or len(path) >= DEEPEST:
            self._fault(node, path, "an alias to itself" if id(node) in self._open else f"nested more than {DEEPEST} deep")
            return None, 1
        if node.tag not in (CORE + "map", CORE + "seq"):
            self._fault(node, path, f"the tag {node.tag.replace(CORE, '!!')} is not plain data; leave it out")
        self._open.add(id(node))
        data: Any = [] if isinstance(node, yaml.SequenceNode) else {}
        size = 1
        for key, value in self._items(node, path):
            built, count = self.build(value, (*path, key))
            size += count
            if isinstance(key, int):
                data.append(built)
            else:
                data[key] = built
        self._merge(node, data)
        self._open.remove(id(node))
        if size > MOST_VALUES:
            self._fault(node, path, f"its aliases stand for more than {MOST_VALUES:,} values; write out what is meant")
            data, size = None, 1
        self._built[id(node)] = data, size
        return data, size

    def _items(self, node: yaml.Node, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, yaml.Node]]:
        if isinstance(node, yaml.SequenceNode):
            yield from enumerate(node.value)
            return
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, path, "a key must be text, not a list or mapping")
            elif key.value in lines:
                self._fault(key, (*path, key.value), f"this key is given twice; the first is on line {lines[key.value]}")
            else:
                lines[key.value], _ = self._source._place(key.start_mark.index)
                if key.tag not in TEXT_TAGS:
                    self._fault(key, (*path, key.value), f"a key must be text; put it in quotes: '{key.value}'")
                if key.tag != CORE + "merge":
                    yield key.value, value

    def _merge(self, node: yaml.Node, data: Any) -> None:
        """`<<: *base` (YAML 1.1 merge keys): the keys of `base` that are not given here."""
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == CORE + "merge":
                bases = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for base, _ in (self.build(base, ("<<",)) for base in bases):
                    if not isinstance(base, dict):
                        self._fault(value, ("<<",), "expected an alias of a mapping")
                        continue
                    for name, built in base.items():
                        data.setdefault(name, built)

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str | int, ...]) -> Any:
        if node.tag in TEXT_TAGS:
            return node.value
        kind = node.tag.removeprefix(CORE)
        if kind not in ("null", "bool", "int", "float", "timestamp"):
            self._fault(node, path, f"the tag {node.tag.replace(CORE, '!!')} is not plain data; leave it out")
            return node.value
        try:
            return self._loader.yaml_constructors[node.tag](self._loader, node)
        except (ValueError, KeyError):  # a date such as 2024-13-45, or `!!int five`
            self._fault(node, path, f"{node.value} reads as {'a date' if kind == 'timestamp' else kind} and is none; put it in quotes")
            return node.value

    def _fault(self, node: yaml.Node, path: tuple[str | int, ...], message: str) -> None:
        line, column = self._source._place(node.start_mark.index)
        self.faults.append(Fault(self._source.name, line, column, write_path(path), message))


def _explain_error(source: YamlSource, error: yaml.YAMLError) -> Fault:
    if isinstance(error, yaml.reader.ReaderError):
        index = len(source.text.encode()[: error.position].decode(errors="ignore"))
        line, column = source._place(index)
        return Fault(source.name, line, column, "", f"not YAML: the control character U+{ord(source.text[index]):04X}; delete it")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Fault(source.name, 1, 1, "", f"not YAML: {error}")
    unclosed = error.problem == "found unexpected end of stream" and error.context_mark is not None
    line, column = source._place((error.context_mark if unclosed else error.problem_mark).index)
    return Fault(source.name, line, column, "", f"not YAML: {_explain_problem(source.text, line, column, error, unclosed)}")


def _explain_problem(text: str, line: int, column: int, error: yaml.MarkedYAMLError, unclosed: bool) -> str:
    lines = re.split(r"\r\n|\n|\r", text)
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return "a tab indents this line; YAML indents with spaces"
    if unclosed:
        return "this quote is never closed"
    match error.problem:
        case "mapping values are not allowed in this context":
            return "a ': ' that starts no value here: put text that holds ': ' in quotes, or mend the indentation"
        case "found character that cannot start any token":
            return f"plain text cannot start with {written[column - 1 : column]!r}; put it in quotes"
        case "found undefined alias":
            return "plain text cannot start with '*' (it stands for an alias, which is nowhere defined); put it in quotes"
        case "but found another document":
            return "a second document starts here; one file holds one document"
    return ", ".join(part for part in (error.context, error.problem) if part)
