"""Reads a real table, a synthetic one and perhaps held-out rows as typed columns, with every fault of every file at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from factory.faults import Fault, InputFaults
from factory.spec_faults import suggest
from factory.validation.columns.effects import difference_limits
from factory.validation.columns.files import RawTable, read_file
from factory.validation.columns.kinds import EXPECTED, are_whole_numbers, as_kind, infer_kind, unify_whole_numbers
from factory.validation.columns.sample import hash_rows
from factory.validation.columns.spec import read_table_spec
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z
from factory.validation.metric import LINE
from factory.validation_spec import Kind, TableSpec

SHOWN = 3
"""Bad cells that a fault names."""
LONGEST_CELL = 40
COMMON = 5
"""Equal cells from which their text is no single person's."""
MANY_CATEGORIES = 1_000
"""Categories from which a column looks like text."""
FEW_ROWS = 20
"""Rows below which nothing is said of columns with a value of its own in each row: there it is chance."""
MOST_SHARED = 0.05
"""Share of the held-out rows that may equal a real row beyond what the repeats among the real rows explain; more is refused where shown."""
EXACT = 2.0**53
"""Whole numbers from here on are not all told apart, as columns hold 64-bit floats."""


@dataclass(frozen=True)
class TableFile:
    """Where rows came from: "real", "synthetic" or "holdout", the name of the file and the SHA-256 of its bytes."""

    role: str
    name: str
    digest: str
    rows: int


@dataclass(frozen=True)
class ReadTable:
    """A table that was read. `spec` says which columns were left out, and `notices` what a reader of any figure should know."""

    columns: Columns
    spec: TableSpec
    files: tuple[TableFile, ...]
    notices: tuple[str, ...] = ()


@dataclass
class _Findings:
    """What is wrong, and what is odd, so far."""

    faults: list[Fault] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def read_table(real: Path, synthetic: Path, holdout: Path | None = None, spec_file: Path | None = None) -> ReadTable:
    """The typed columns of two or three files. Kinds are what the spec says, or else what the real table shows.

    Columns may stand in any order, and rows too: they come out in the order of a digest of what is in them, which is as good as random, so
    that nothing measured depends on the order in the files.

    Raises InputFaults with every fault of the files and the spec.
    """
    files = {"real": real, "synthetic": synthetic} | ({} if holdout is None else {"holdout": holdout})
    found = _Findings()
    raw = _read_files(files, found)
    columns = raw["real"].frame.columns if "real" in raw else None
    try:
        spec = read_table_spec(spec_file, columns, {name for table in raw.values() for name in table.frame.columns})
    except InputFaults as error:
        raise InputFaults("table", {*found.faults, *error.faults}) from None
    if columns is None:
        raise InputFaults("table", found.faults)
    kinds = _find_kinds(raw["real"], spec, found)
    frames = {role: _type_columns(role, table, kinds, spec, found) for role, table in raw.items()}
    if found.faults:
        raise InputFaults("table", set(found.faults))
    frames = _unify_categories(frames, kinds)
    _describe_columns(frames, kinds, found)
    ordered = {role: _order_rows(frame) for role, frame in frames.items()}
    if "holdout" in ordered:
        _compare_holdout(ordered["holdout"], ordered["real"], raw["holdout"], found)
    if found.faults:
        raise InputFaults("table", set(found.faults))
    roles = {"quasi_identifiers": spec.quasi_identifiers, "sensitive": spec.sensitive, "groups": spec.groups}
    unseen = ordered.get("holdout", ordered["real"].clear())
    typed = Columns(ordered["real"], ordered["synthetic"], unseen, kinds, target=spec.target, **roles)
    read = (TableFile(role, Path(table.file).name, table.digest, table.frame.height) for role, table in raw.items())
    return ReadTable(typed, spec, tuple(read), tuple(found.notices))


def _read_files(files: Mapping[str, Path], found: _Findings) -> dict[str, RawTable]:
    """The files that can be read, by role."""
    raw: dict[str, RawTable] = {}
    for role, file in files.items():
        try:
            raw[role] = read_file(file)
        except InputFaults as error:
            found.faults += [fault for fault in error.faults if fault not in found.faults]
    found.notices += [f"{role}: {notice}" for role, table in raw.items() for notice in table.notices]
    digests = {role: table.digest for role, table in raw.items()}
    if "real" in raw and digests["real"] == digests.get("synthetic"):
        found.notices.append("The real and the synthetic file are the same, byte for byte: as alike, and as little private, as can be.")
    for role in ("real", "synthetic"):
        if role in raw and digests[role] == digests.get("holdout"):
            told = f"is the {role} file, byte for byte: expected real rows that the generator has never seen"
            found.faults.append(raw["holdout"].fault("", told))
    return raw


def _find_kinds(real: RawTable, spec: TableSpec, found: _Findings) -> dict[str, Kind]:
    """The kinds of the columns that are compared; a fault for each that a person must decide."""
    kinds: dict[str, Kind] = {}
    for series in real.frame:
        if series.name in spec.ignore:
            continue
        if series.name == LINE:
            found.faults.append(
                real.fault(LINE, f"no column may be called {LINE!r}, which is what figures of all rows go by; rename it in all files")
            )
        if series.name in spec.kinds:
            kinds[series.name] = spec.kinds[series.name]
            continue
        guess = infer_kind(series, spec.missing)
        kinds[series.name] = guess.kind or "category"
        if guess.kind is None:
            found.notices.append(f"real: {series.name}: every cell is missing, so nothing can be compared; name the column under ignore.")
        if guess.unlike is not None:
            rows = guess.unlike.arg_true().to_list()
            told = f"{guess.doubt}, but {_show_cells(real, series, rows)}; mend them, name them under missing, or say the kind under kinds"
            found.faults.append(real.fault(series.name, told, rows[0]))
    for place, name in enumerate(spec.groups):
        if kinds.get(name) in ("number", "date"):
            told = f"is a {kinds[name]}: fairness is measured between categories or booleans; make bands of it in all files"
            found.faults.append(real.fault(name, f"{told}, or take it off groups[{place}]"))
    return kinds


def _type_columns(role: str, table: RawTable, kinds: Mapping[str, Kind], spec: TableSpec, found: _Findings) -> pl.DataFrame:
    """The columns of one file as the kinds that they should be."""
    extra = [name for name in table.frame.columns if name not in kinds and name not in spec.ignore]
    missing = [name for name in kinds if name not in table.frame.columns]
    for name in missing:
        found.faults.append(table.fault(name, f"the column is missing; {suggest(name, extra) if extra else 'the real table has it'}"))
    if role == "synthetic" and extra and not missing:
        told = "the real table has no such column, so nothing would vouch for it; drop it, or name it under ignore"
        found.faults += [table.fault(name, told) for name in extra]
    elif extra:
        found.notices.append(f"{role}: columns that the real table has not, left out: {', '.join(extra)}.")
    typed = []
    for name in (name for name in kinds if name not in missing):
        cells = as_kind(table.frame[name], kinds[name], spec.missing)
        if rows := cells.unread.arg_true().to_list():
            told = f"expected {EXPECTED[kinds[name]]}, found {_show_cells(table, table.frame[name], rows)}"
            if not any(fault.where.endswith(name) and fault.file == table.file for fault in found.faults):
                found.faults.append(table.fault(name, told, rows[0]))
        if rows := cells.infinite.arg_true().to_list():
            where = table.name_rows(rows[:SHOWN]) + (" and on" if len(rows) > SHOWN else "")
            found.notices.append(f"{role}: {name}: {_count(len(rows), 'infinite value')} taken as missing ({where}).")
        typed.append(cells.values.alias(name))
    return pl.DataFrame(typed)


def _unify_categories(frames: Mapping[str, pl.DataFrame], kinds: Mapping[str, Kind]) -> dict[str, pl.DataFrame]:
    coded = [name for name, kind in kinds.items() if kind == "category" and are_whole_numbers(frames["real"][name])]
    return {role: frame.with_columns(unify_whole_numbers(frame[name]) for name in coded) for role, frame in frames.items()}


def _describe_columns(frames: Mapping[str, pl.DataFrame], kinds: Mapping[str, Kind], found: _Findings) -> None:
    """What about the columns makes figures of them say little."""
    for role, frame in frames.items():
        if frame.height == 1:
            found.notices.append(f"{role}: one row: nothing can be shown of a single row.")
    for series in frames["real"]:
        values = series.drop_nulls()
        count = values.n_unique()
        if count == 1 and series.len() > 1:
            found.notices.append(f"real: {series.name}: constant, so likeness is easy and says little.")
        elif kinds[series.name] == "category" and count == series.len() >= FEW_ROWS:
            found.notices.append(f"real: {series.name}: another category in each row; if it is an identifier, name it under ignore.")
        elif kinds[series.name] == "category" and count > MANY_CATEGORIES:
            found.notices.append(f"real: {series.name}: {count:,} categories; if it is text or an identifier, name it under ignore.")
        elif kinds[series.name] == "number" and _is_identifier(values):
            found.notices.append(f"real: {series.name}: looks like a number of each row; if it is an identifier, name it under ignore.")
        if values.is_empty() and frames["synthetic"][series.name].drop_nulls().len():
            found.notices.append(f"synthetic: {series.name}: has values where the real table has none.")
    for role, frame in frames.items():
        for series in frame if role != "real" else ():
            if series.null_count() == series.len() > 0 and frames["real"][series.name].drop_nulls().len():
                found.notices.append(f"{role}: {series.name}: every cell is missing.")


def _compare_holdout(holdout: pl.DataFrame, real: pl.DataFrame, file: RawTable, found: _Findings) -> None:
    """How many held-out rows equal a real row; a fault where they are more than people who are alike make.

    A row that is drawn anew equals one of a table with about the chance that a row of the table equals another of it (Good 1953,
    Biometrika 40:237).
    """
    unseen, seen = hash_rows(holdout), hash_rows(real)
    size, others = unseen.len(), seen.len()
    if not size or not others:
        return
    shared, repeated = int(unseen.is_in(seen.implode()).sum()), int(seen.is_duplicated().sum())
    told = f"{shared:,} of {_count(size, 'row')} equal a real row, while {repeated:,} of {_count(others, 'real row')} equal another one"
    found.notices.append(f"holdout: {told}.")
    if float(difference_limits(shared, size, repeated, others, Z)[0]) > MOST_SHARED:
        expected = "expected real rows that the generator has never seen, split off before it was trained"
        found.faults.append(file.fault("", f"{told}: {expected}; take out the rows that are in both files"))


def _is_identifier(numbers: pl.Series) -> bool:
    """Whether whole numbers count the rows, or are too long for a quantity."""
    if numbers.len() < FEW_ROWS or not (numbers == numbers.floor()).all():
        return False
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    return max(abs(low), abs(high)) >= EXACT or (numbers.n_unique() == numbers.len() and high - low == numbers.len() - 1)


def _order_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows by a digest of what is in them."""
    written = frame.select(
        pl.concat_str([pl.col(name).cast(pl.String).fill_null("\0") for name in sorted(frame.columns)], separator="\x1f")
    ).to_series()
    digests = [hashlib.blake2b(row.encode(), digest_size=8).digest() for row in written]
    return frame[pl.Series(digests, dtype=pl.Binary).arg_sort()]


def _show_cells(table: RawTable, series: pl.Series, rows: list[int]) -> str:
    """How many cells, and the first of them with their places; of what a single person may have filled in, the form alone."""
    counts = Counter(series[row] for row in rows)
    first = [series[row] for row in rows[:SHOWN]]
    shown = ", ".join(repr(_shorten(str(cell) if counts[cell] >= COMMON else _write_form(str(cell)))) for cell in first)
    return f"{_count(len(rows), 'cell')} such as {shown} ({table.name_rows(rows[:SHOWN])})"


def _write_form(cell: str) -> str:
    """The cell with a for every letter and 9 for every digit."""
    return "".join("a" if character.isalpha() else "9" if character.isdigit() else character for character in cell)


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
