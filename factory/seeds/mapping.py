"""Rows of a table mapped into the examples of leaves: which column is what, which leaf a row goes to, and what is wrong with each row."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from factory.faults import Fault, InputFaults
from factory.seeds.leaf import Example
from factory.seeds.tables import Row, read_rows
from factory.seeds_spec import ExamplesSpec, check_language, check_leaf
from factory.spec_faults import name_kind, suggest

NOT_A_STEP = re.compile(r"[^\w-]+")


@dataclass
class Mapped:
    """What a table gives: examples and the language of each leaf, and the faulty rows of each leaf ("" where a row names none)."""

    examples: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))
    languages: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))


def map_rows(spec: ExamplesSpec, *, fetch: bool = True) -> Mapped:
    """The examples of a table by leaf, in the order of its rows, with the faults of every row.

    Raises InputFaults where the whole table is at fault: it cannot be read, holds no row, or lacks a column. Raises FactoryError where the
    library that reads it is not installed; NotFetchedError for a dataset on the hub without `fetch`.
    """
    rows, faults = read_rows(spec, fetch=fetch)
    if not rows and not faults:
        raise InputFaults("table", [Fault(str(spec.file or spec.dataset), 0, 0, "", "holds no row")])
    if absent := _find_absent(spec, rows):
        raise InputFaults("table", [*absent, *faults])
    mapped = Mapped()
    mapped.faults[spec.leaf if spec.leaf and not spec.columns.leaf else ""] += faults
    for row in rows:
        _map_row(spec, row, mapped)
    return mapped


def _find_absent(spec: ExamplesSpec, rows: Sequence[Row]) -> list[Fault]:
    """A fault for each column of the mapping that no row has."""
    have: dict[str, None] = {}
    for row in rows:
        have |= dict.fromkeys(row.cells)
    asked = {role: column for role, column in spec.columns.model_dump().items() if column is not None}
    return [
        Fault(rows[0].file, 0, 0, "", f"no column {column!r} for the {role}; {suggest(column, list(have))}")
        for role, column in asked.items()
        if rows and column not in have
    ]


def _map_row(spec: ExamplesSpec, row: Row, mapped: Mapped) -> None:
    columns = spec.columns
    faults: list[Fault] = []
    cells: dict[str, str | None] = {}
    for role, column in columns.model_dump().items():
        if column is not None:
            cells[role], problem = _read_cell(row.cells, column, needed=role != "context")
            if problem:
                faults.append(row.fault(column, problem))
    leaf = spec.leaf if columns.leaf is None else None
    if columns.leaf and cells["leaf"]:
        leaf, problem = _name_leaf(spec.leaf, cells["leaf"])
        if problem:
            faults.append(row.fault(columns.leaf, problem))
    language = cells.get("language")
    if language and (problem := _judge_language(leaf, language, mapped)):
        faults.append(row.fault(str(columns.language), problem))
    if faults or leaf is None:
        mapped.faults[leaf or ""] += faults
        return
    if language:
        mapped.languages.setdefault(leaf, language)
    example = Example(str(cells["question"]), str(cells["answer"]), cells.get("context"), row.source, spec.licence)
    mapped.examples[leaf].append(example)


def _read_cell(cells: Mapping[str, Any], column: str, *, needed: bool) -> tuple[str | None, str | None]:
    """The text of a cell, or what is wrong with it. A whole number is its digits."""
    value = cells.get(column)
    if value is None:
        return None, ("is missing" if column not in cells else "is empty") if needed else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value), None
    if not isinstance(value, str):
        return None, f"expected text, found {name_kind(value)}"
    if not value.strip():
        return None, "is empty" if needed else None
    if any("\ud800" <= character <= "\udfff" for character in value):
        return None, "holds half of a character (a lone surrogate such as \\ud83d)"
    return value.strip(), None


def _name_leaf(below: str | None, value: str) -> tuple[str | None, str | None]:
    """The leaf that a cell names: a whole path, or steps below `below`, in which other signs than letters and digits become '_'."""
    steps = [value] if below is None else [below, *(NOT_A_STEP.sub("_", step).strip("_") for step in value.split("/"))]
    try:
        return check_leaf("/".join(steps)), None
    except ValueError as error:
        return None, f"{value!r} names no leaf: {error}"


def _judge_language(leaf: str | None, language: str, mapped: Mapped) -> str | None:
    try:
        check_language(language)
    except ValueError as error:
        return f"{language!r}: {error}"
    first = mapped.languages.get(leaf, language) if leaf else language
    return None if first == language else f"{language!r} in a leaf of {first!r}; a leaf has one language, so let columns.leaf part them"
