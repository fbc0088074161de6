"""Reads the sets that models are evaluated on: each item's texts, with the place where it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from factory.faults import Fault, InputFaults
from factory.records import digest
from factory.reward_spec import ContaminationSpec, split_field
from factory.seeds.tables import READERS, Row
from factory.spec_faults import suggest
from factory.yaml_source import decode_text

TEXT_SUFFIXES = (".txt", ".text")
MOST_FAULTS = 20
"""Of one set, told one by one."""


@dataclass(frozen=True)
class Item:
    """One text of an evaluation set. `place` is "<set>:<line>", of a Parquet file "<set>:<number of the row>"."""

    place: str
    text: str


def read_sets(spec: ContaminationSpec) -> list[Item]:
    """The texts of all sets, in the order of the line and of the files: each text field of a table's row, each line of a text file.

    A path may end in `#<field>`: then only that field of each row is read. Lists and objects in a field are read with all texts in them.
    Raises InputFaults with every fault of every set.
    """
    items: list[Item] = []
    faults: list[Fault] = []
    for name, given in spec.sets.items():
        try:
            for found in _read_set(name, given):
                if isinstance(found, Item):
                    items.append(found)
                else:
                    faults.append(found)
        except InputFaults as error:
            faults += error.faults
    if faults:
        raise InputFaults("evaluation sets", faults)
    return items


def digest_sets(spec: ContaminationSpec) -> str:
    """Digest of what the sets hold, with their names and fields; where the files lie makes no difference.

    Raises InputFaults where a file cannot be read.
    """
    contents: dict[str, list[str | None]] = {}
    faults = []
    for name, given in spec.sets.items():
        file, field = split_field(given)
        try:
            with file.open("rb") as opened:
                contents[name] = [file.suffix.lower(), field, hashlib.file_digest(opened, "sha256").hexdigest()]
        except OSError as error:
            faults.append(Fault(str(file), 0, 0, f"set {name}", f"cannot be read: {error.strerror}"))
    if faults:
        raise InputFaults("evaluation sets", faults)
    return digest(contents)


def _read_set(name: str, given: str) -> Iterator[Item | Fault]:
    """Raises InputFaults where the whole file cannot be read, or too much of it."""
    file, field = split_field(given)
    shown, suffix = str(file), file.suffix.lower()
    if suffix not in READERS and suffix not in TEXT_SUFFIXES:
        known = ", ".join((*READERS, *TEXT_SUFFIXES))
        raise _refuse(shown, name, f"what a file that ends in {suffix or 'nothing'} holds is not known; give one of {known}")
    if field is not None and suffix in TEXT_SUFFIXES:
        raise _refuse(shown, name, f"a text file has no field {field!r}; give its path alone")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _refuse(shown, name, f"cannot be read: {error.strerror}") from None
    found_text, told = False, 0
    rows = _read_lines(shown, content) if suffix in TEXT_SUFFIXES else READERS[suffix](shown, content)
    for row in rows:
        read = [row] if isinstance(row, Fault) else list(_read_row(name, row, field))
        for each in read:
            found_text = True
            told += isinstance(each, Fault)
            if told > MOST_FAULTS:
                yield Fault(shown, 0, 0, f"set {name}", f"more than {MOST_FAULTS} faults; the others are not told")
                return
            yield each
    if not found_text:
        raise _refuse(shown, name, "holds no text, so nothing could be found in it; give what models are evaluated on")


def _read_row(name: str, row: Row, field: str | None) -> Iterator[Item | Fault]:
    if field is not None and field not in row.cells:
        yield row.fault(field, f"is missing; {suggest(field, [str(column) for column in row.cells])}")
        return
    cells = row.cells if field is None else {field: row.cells[field]}
    for text in _list_texts(cells):
        if text.strip():
            yield Item(f"{name}:{row.line or row.number}", text)


def _read_lines(shown: str, content: bytes) -> Iterator[Row | Fault]:
    text = decode_text(content, shown)
    if isinstance(text, Fault):
        raise InputFaults("evaluation sets", [text])
    for number, line in enumerate(text.split("\n"), 1):
        yield Row({"text": line}, shown, number, number)


def _list_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _list_texts(each)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for each in value:
            yield from _list_texts(each)


def _refuse(shown: str, name: str, problem: str) -> InputFaults:
    return InputFaults("evaluation sets", [Fault(shown, 0, 0, f"set {name}", problem)])
