"""Files of examples (JSON lines, JSON, CSV, TSV, Parquet; gzipped or not) as rows with their place, and every fault of a file at once."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from factory.faults import Fault, InputFaults
from factory.seeds.tables import READERS, Row
from factory.spec_faults import name_kind
from factory.yaml_source import decode_text

MOST_FAULTS = 50
"""Faults that are told of one file; a file of another form has one in every row."""

Item = TypeVar("Item")


def read_file(file: Path, subject: str, suffixes: Collection[str]) -> list[Row | Fault]:
    """The rows of a file whose suffix, upper case or lower, is one of `suffixes`, or one of these with .gz behind it; a fault for each that
    cannot be read.

    `subject` is what errors call the file. Raises InputFaults where the whole of it cannot be read.
    """
    packed = file.suffix.lower() == ".gz"
    suffix = Path(file.stem).suffix.lower() if packed else file.suffix.lower()
    if suffix not in suffixes:
        raise _refuse(file, subject, f"expected a file of {', '.join(suffixes)}, or one of these with .gz behind it")
    read = _read_json if suffix == ".json" else READERS[suffix]
    try:
        content = file.read_bytes()
        return [*read(str(file), gzip.decompress(content) if packed else content)]
    except OSError as error:
        raise _refuse(file, subject, f"cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error):
        raise _refuse(file, subject, "cannot be read: the gzip stream ends early or is damaged") from None


def read_each(file: Path, subject: str, rows: Iterable[Row | Fault], read: Callable[[Row], Item | list[Fault]]) -> list[Item]:
    """What `read` makes of each row. Raises InputFaults with every fault, and where there is no row."""
    found: list[Item] = []
    faults: list[Fault] = []
    for row in rows:
        item = [row] if isinstance(row, Fault) else read(row)
        if isinstance(item, list):
            faults += item
        else:
            found.append(item)
    if faults:
        raise InputFaults(subject, shorten_faults(file, faults))
    if not found:
        raise _refuse(file, subject, "holds no rows")
    return found


def read_number(value: Any) -> float | None:
    """The finite number of a cell, also where it is written as a text; null for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def shorten_faults(file: Path, faults: Sequence[Fault]) -> list[Fault]:
    """The first MOST_FAULTS of the file's, and how many more there are."""
    rest = len(faults) - MOST_FAULTS
    return [*sorted(faults)[:MOST_FAULTS], *([Fault(str(file), 0, 0, "", f"and {rest} more faults")] if rest > 0 else [])]


def _refuse(file: Path, subject: str, problem: str) -> InputFaults:
    return InputFaults(subject, [Fault(str(file), 0, 0, "", problem)])


def _read_json(name: str, content: bytes) -> Iterator[Row | Fault]:
    """A list of objects; without its bracket the file is of JSON lines, which are often called .json."""
    if not content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        yield from READERS[".jsonl"](name, content)
        return
    text = decode_text(content, name)
    if isinstance(text, Fault):
        yield text
        return
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        yield Fault(name, error.lineno, error.colno, "", f"not JSON: {error.msg}")
        return
    except (ValueError, RecursionError):  # a number of more digits than Python converts
        yield Fault(name, 1, 1, "", "holds a number of too many digits, or is nested too deeply to be read")
        return
    for number, cells in enumerate(rows, 1):
        if isinstance(cells, dict):
            yield Row(cells, name, 0, number)
        else:
            yield Fault(name, 0, 0, f"row {number}", f"expected an object, found {name_kind(cells)}")
