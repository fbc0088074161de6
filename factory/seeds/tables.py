"""Tables of instruction pairs (JSON lines, CSV, TSV, Parquet, Hugging Face datasets) as rows of a mapping each, with their place."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from factory.faults import FactoryError, Fault, InputFaults
from factory.seeds.sources import NotFetchedError
from factory.seeds_spec import ExamplesSpec
from factory.spec_faults import name_kind
from factory.yaml_source import decode_text

INSTALL_DATASETS = "pip install 'data-factory[datasets]'"


@dataclass(frozen=True)
class Row:
    """One row: its cells by column, the file (or dataset) and where in it the row stands; `line` is 0 where rows have only a number."""

    cells: Mapping[str, Any]
    file: str
    line: int
    number: int

    @property
    def source(self) -> str:
        """`<file>:<line>`, by the name of the file alone; "<file>: row <number>" where it has no lines."""
        name = Path(self.file).name if self.line else self.file
        return f"{name}:{self.line}" if self.line else f"{name}: row {self.number}"

    def fault(self, column: str, message: str) -> Fault:
        """A fault of a cell, or of the row where `column` is empty."""
        where = column if self.line else ": ".join(part for part in (f"row {self.number}", column) if part)
        return Fault(self.file, self.line, 1 if self.line else 0, where, message)


def read_rows(spec: ExamplesSpec, *, fetch: bool = True) -> tuple[list[Row], list[Fault]]:
    """The first `spec.limit` rows of a table (all where there is none), and a fault for each that cannot be read.

    Raises InputFaults where the whole table cannot be read, FactoryError where the library that reads it is not installed.
    Without `fetch` a dataset on the hub raises NotFetchedError.
    """
    rows: Iterable[Row | Fault]
    if spec.dataset is not None:
        if not fetch and not Path(spec.dataset).is_dir():
            raise NotFetchedError(f"the dataset {spec.dataset} is on the hub and not fetched here; the next run of the line does that")
        rows = _read_dataset(spec)
    else:
        file = Path(str(spec.file))
        try:
            content = file.read_bytes()
        except OSError as error:
            raise _refuse(str(file), f"cannot be read: {error.strerror}") from None
        rows = READERS[file.suffix.lower()](str(file), content)
    taken = list(itertools.islice(rows, spec.limit))
    return [row for row in taken if isinstance(row, Row)], [row for row in taken if isinstance(row, Fault)]


def _refuse(name: str, problem: str, line: int = 0) -> InputFaults:
    return InputFaults("table", [Fault(name, line, min(line, 1), "", problem)])


def _read_json_lines(name: str, content: bytes) -> Iterator[Row | Fault]:
    number = 0
    for line, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip():
            continue
        number += 1
        text = decode_text(raw, name)
        if isinstance(text, Fault):
            yield Fault(name, line, text.column, "", text.message)
            continue
        try:
            cells = json.loads(text)
        except json.JSONDecodeError as error:
            yield Fault(name, line, error.pos + 1, "", f"not JSON: {error.msg}")
            continue
        except ValueError:  # what the parser says of a number of more digits than Python converts
            yield Fault(name, line, 1, "", "holds a number of too many digits; write it as a text")
            continue
        except RecursionError:
            yield Fault(name, line, 1, "", "is nested too deeply to be read")
            continue
        if isinstance(cells, dict):
            yield Row(cells, name, line, number)
        else:
            yield Fault(name, line, 1, "", f'expected an object such as {{"question": …}}, found {name_kind(cells)}')


def _read_csv(name: str, content: bytes, delimiter: str = ",") -> Iterator[Row | Fault]:
    text = decode_text(content, name)
    if isinstance(text, Fault):
        raise InputFaults("table", [text])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    number, line = 0, 1
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _refuse(name, f"not CSV: {error}; a cell with a quote is quoted whole, and each quote in it doubled", line) from None
        if not cells:
            continue
        if header is None:
            header = cells
            if twice := sorted({column for column in header if header.count(column) > 1}):
                raise _refuse(name, f"the column {twice[0]!r} is there twice", line)
            continue
        number += 1
        if len(cells) == len(header):
            yield Row(dict(zip(header, cells, strict=True)), name, line, number)
        else:
            yield Fault(name, line, 1, "", f"{len(cells)} cells under {len(header)} columns; a cell with a comma must be in quotes")


def _read_parquet(name: str, content: bytes) -> Iterator[Row | Fault]:
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _refuse(name, f"is no Parquet file that can be read: {error}") from None
    for number, cells in enumerate(frame.iter_rows(named=True), 1):
        yield Row(cells, name, 0, number)


def _read_dataset(spec: ExamplesSpec) -> Iterator[Row | Fault]:
    """Rows of a Hugging Face dataset: a folder that `save_to_disk` wrote, a folder of data files, or a hub id."""
    name = str(spec.dataset)
    try:
        from datasets import DatasetDict, load_dataset, load_from_disk
        from datasets.exceptions import DatasetsError
    except ImportError:
        raise FactoryError(f"the dataset {name} needs the library datasets, which is not installed: {INSTALL_DATASETS}") from None
    folder = Path(name)
    saved = (folder / "dataset_info.json").is_file() or (folder / "dataset_dict.json").is_file()
    shown = folder.name if folder.is_dir() else name
    try:
        data = load_from_disk(name) if saved else load_dataset(name, spec.config, revision=spec.revision)
    except (DatasetsError, ValueError, OSError) as error:  # ConnectionError is an OSError
        raise _refuse(shown, f"the dataset cannot be read: {' '.join(str(error).split())}") from None
    if isinstance(data, DatasetDict):
        if spec.split not in data:
            raise _refuse(shown, f"the dataset has no split {spec.split!r}; it has {', '.join(sorted(data))}")
        data = data[spec.split]
    wanted = {column for column in spec.columns.model_dump().values() if column is not None}
    data = data.select_columns([column for column in data.column_names if column in wanted] or data.column_names)
    for number, cells in enumerate(data, 1):
        yield Row(cells, shown, 0, number)


READERS: dict[str, Callable[[str, bytes], Iterable[Row | Fault]]] = {
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, delimiter="\t"),
    ".parquet": _read_parquet,
}
