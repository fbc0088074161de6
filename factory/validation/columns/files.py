"""Reads the file of a table, CSV, JSON lines or Parquet, as raw columns whose rows can be found again in the file."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import Fault, InputFaults
from factory.seeds.tables import READERS as ROW_READERS
from factory.seeds.tables import Row
from factory.spec_faults import name_kind, suggest
from factory.yaml_source import decode_text

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MOST_RAGGED = 20
"""Rows of a wrong length that are named; the others are counted."""
_NUMBER_NAME = re.compile(r"[-+]?\d+(\.\d+)?")


@dataclass(frozen=True)
class RawTable:
    """One file. `frame` has a row for each row of the file, its cells as they stand there: text, or what the file's types say.

    `find_lines` gives the lines, from 1, of rows, from 0; it gives nothing for a file that has no lines.
    """

    file: str
    digest: str
    frame: pl.DataFrame
    find_lines: Callable[[Sequence[int]], Sequence[int]] = field(repr=False)
    notices: tuple[str, ...] = ()

    def fault(self, column: str, message: str, row: int | None = None) -> Fault:
        """A fault of a column; `row`, from 0, is its first bad cell."""
        if row is None:
            return Fault(self.file, 0, 0, column, message)
        if lines := self.find_lines([row]):
            return Fault(self.file, lines[0], 1, column, message)
        return Fault(self.file, 0, 0, f"row {row + 1}: {column}", message)

    def name_rows(self, rows: Sequence[int]) -> str:
        """Where rows, from 0, stand, in words."""
        lines = self.find_lines(rows)
        what, places = ("line", list(lines)) if lines else ("row", [row + 1 for row in rows])
        return f"{what if len(places) == 1 else f'{what}s'} {', '.join(map(str, places))}"


def read_file(file: Path) -> RawTable:
    """The table in `file`, by its suffix; also gzipped. Raises InputFaults with everything that keeps it from being read."""
    name = str(file)
    suffixes = [suffix.lower() for suffix in file.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    suffix = next(iter(suffixes[-2:-1] if zipped else suffixes[-1:]), "")
    if suffix not in READERS:
        raise _refuse(name, f"is of no format that is read here (by its name); {suggest(suffix, READERS)}, and each of them with .gz")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _refuse(name, f"cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(content).hexdigest()
    if zipped:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise _refuse(name, f"is no gzip file that can be read: {error}") from None
    if not content.strip():
        raise _refuse(name, "is empty: expected a table")
    frame, find_lines, notices = READERS[suffix](name, content)
    if twice := sorted({column for column in frame.columns if column.strip() != column and column.strip() in frame.columns}):
        raise _refuse(name, f"the column {twice[0].strip()!r} is there twice, once with blanks around it")
    frame = frame.rename({column: column.strip() for column in frame.columns})
    if not frame.width:
        raise _refuse(name, "has no columns")
    if not frame.height:
        raise _refuse(name, f"has no rows, only the names of {frame.width} columns")
    return RawTable(name, digest, frame, find_lines, tuple(notices))


Read = tuple[pl.DataFrame, Callable[[Sequence[int]], Sequence[int]], Sequence[str]]


def _read_csv(name: str, content: bytes) -> Read:
    """Cells as text; null is an empty cell."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    text = decode_text(content, name)
    if isinstance(text, Fault):
        raise InputFaults("table", [text])
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refuse(name, "holds a null byte: the file is damaged, or it is UTF-16; save it as UTF-8", line)
    delimiter = "\t" if ".tsv" in Path(name).suffixes else _find_delimiter(text)
    header, start = _read_header(name, text, delimiter)
    if text.count('"') % 2:
        raise _refuse(name, *_find_open_quote(text, delimiter))
    body = "".join(itertools.islice(io.StringIO(text, newline=""), start, None)).encode()
    ragged = 0

    def count_ragged(_: Any) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    alone = len(header) == 1
    keys = [str(place) for place in range(len(header))]
    # In a table of one column an empty line is a row whose cell is empty.
    parse = pa_csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=not alone, invalid_row_handler=count_ragged
    )
    read = pa_csv.ReadOptions(use_threads=False, block_size=min(len(body) + 1, 2**31 - 1), column_names=keys)
    text_only = dict.fromkeys(keys, pa.large_string())
    convert = pa_csv.ConvertOptions(column_types=text_only, strings_can_be_null=True, null_values=[""])
    empty = pa.table({key: pa.array([], pa.large_string()) for key in keys})
    table = pa_csv.read_csv(pa.BufferReader(body), read, parse, convert) if body else empty
    if ragged:
        raise InputFaults("table", _find_ragged(name, text, delimiter, len(header)))
    notices = [] if delimiter == "," or name.lower().endswith((".tsv", ".tsv.gz")) else [f"cells are parted by {DELIMITERS[delimiter]}"]
    if numbers := [column for column in header if _NUMBER_NAME.fullmatch(column)]:
        notices.append(f"{len(numbers)} columns are named by numbers ({numbers[0]} first): does line 1 hold the names of the columns?")
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)

    def find_lines(rows: Sequence[int]) -> list[int]:
        lines = (line for line, _, cells in _number_lines(text, delimiter) if cells or alone)
        next(lines)
        wanted, last = set(rows), max(rows, default=-1)
        found = {row: line for row, line in enumerate(itertools.islice(lines, last + 1)) if row in wanted}
        return [found[row] for row in rows]

    return frame.rename(dict(zip(keys, header, strict=True))), find_lines, notices


def _number_lines(text: str, delimiter: str, *, strict: bool = False) -> Iterator[tuple[int, int, list[str]]]:
    """The cells of each record with the first and the last of its lines."""
    limit = csv.field_size_limit(2**31 - 1)  # the format has none
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
        line = 1
        for cells in reader:
            yield line, reader.line_num, cells
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def _find_delimiter(text: str) -> str:
    """The delimiter that parts the first line into most cells; a comma where none does better."""
    first = re.sub(r'"[^"]*"', "", next(line for line in text.split("\n") if line.strip()))
    return max(DELIMITERS, key=lambda delimiter: (first.count(delimiter), delimiter == ","))


def _read_header(name: str, text: str, delimiter: str) -> tuple[list[str], int]:
    """The names of the columns, and the lines that lie before the first row."""
    line, last, header = next(record for record in _number_lines(text, delimiter) if record[2])
    names = [cell.strip() for cell in header]
    twice = sorted({column for column in names if column and names.count(column) > 1})
    faults = [Fault(name, line, 1, column, "two columns have this name") for column in twice]
    unnamed = "has no name; an index that pandas wrote? index=False leaves it out"
    faults += [Fault(name, line, 1, f"column {place}", unnamed) for place, column in enumerate(names, 1) if not column]
    if faults:
        raise InputFaults("table", faults)
    return names, last


def _find_open_quote(text: str, delimiter: str) -> tuple[str, int]:
    """What is wrong with the quotes of a text that has an odd number of them, and the line."""
    last = 0
    try:
        for record in _number_lines(text, delimiter, strict=True):
            last = record[1]
    except csv.Error as error:
        return f"not CSV: {error}; a cell with a quote is quoted whole, and each quote in it doubled", last + 1
    line = next(number for number, read in enumerate(text.split("\n"), 1) if read.count('"') % 2)
    return "a quote stands inside a cell that has none around it; quote the cell whole, and double each quote in it", line


def _find_ragged(name: str, text: str, delimiter: str, width: int) -> Iterator[Fault]:
    wrong = [(line, len(cells)) for line, _, cells in _number_lines(text, delimiter) if cells and len(cells) != width]
    for line, cells in wrong[:MOST_RAGGED]:
        told = f"{cells} cell{'' if cells == 1 else 's'} under {width} columns; a cell that holds the delimiter must be in quotes"
        yield Fault(name, line, 1, "", told)
    if len(wrong) > MOST_RAGGED:
        yield Fault(name, wrong[MOST_RAGGED][0], 1, "", f"this and {len(wrong) - MOST_RAGGED - 1} more rows have a wrong number of cells")


def _read_json_lines(name: str, content: bytes) -> Read:
    """Cells as JSON has them; a key that a row lacks is a missing cell, and a column of several types is text."""
    rows, faults = [], []
    for row in ROW_READERS[".jsonl"](name, content):
        if isinstance(row, Row):
            rows.append(row)
        else:
            faults.append(row)
    names = list(dict.fromkeys(column for row in rows for column in row.cells))
    for column in names:
        nested = [row for row in rows if isinstance(row.cells.get(column), (list, dict))]
        if nested:
            found = name_kind(nested[0].cells[column])
            told = f"{len(nested)} cells hold more than one value: expected a number, text, true, false or null, found {found}"
            faults.append(Fault(name, nested[0].line, 1, column, f"{told}; leave the column out of the file"))
    if faults:
        raise InputFaults("table", faults)
    lines = [row.line for row in rows]
    frame = pl.DataFrame([_make_series(column, [row.cells.get(column) for row in rows]) for column in names])
    return frame, lambda wanted: [lines[row] for row in wanted], []


def _make_series(column: str, values: list[Any]) -> pl.Series:
    types = {type(value) for value in values if value is not None}
    if types <= {bool}:
        return pl.Series(column, values, pl.Boolean if types else pl.String)
    if types <= {int, float}:
        return pl.Series(column, [None if value is None else _as_float(value) for value in values], pl.Float64)
    return pl.Series(column, [None if value is None else _as_text(value) for value in values], pl.String)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_parquet(name: str, content: bytes) -> Read:
    """Cells as the file's types say; times of day and durations in seconds."""
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _refuse(name, f"is no Parquet file that can be read: {' '.join(str(error).split())}") from None
    faults = [
        Fault(name, 0, 0, column, f"is of type {kind}: expected numbers, text, dates or booleans; leave the column out of the file")
        for column, kind in frame.schema.items()
        if kind.is_nested() or kind in (pl.Binary, pl.Object)
    ]
    if faults:
        raise InputFaults("table", faults)
    seconds = [
        (pl.col(column).cast(pl.Int64) / 1e9 if kind == pl.Time else pl.col(column).dt.total_microseconds() / 1e6).alias(column)
        for column, kind in frame.schema.items()
        if kind in (pl.Time, pl.Duration)
    ]
    return frame.with_columns(seconds), lambda _: (), []


def _refuse(name: str, problem: str, line: int = 0) -> InputFaults:
    return InputFaults("table", [Fault(name, line, min(line, 1), "", problem)])


READERS: dict[str, Callable[[str, bytes], Read]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
"""Formats by suffix. A reader gives the raw columns, where their rows stand, and what is worth to be said."""
