"""Reads what a reward model is trained on: preference pairs, or responses rated by attributes."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from factory.faults import FactoryError, Fault, InputFaults
from factory.reward.dialogue_text import UnreadableError, check_prompt, read_messages, read_response
from factory.reward.rating import Dialogue
from factory.reward_spec import ATTRIBUTES
from factory.seeds.tables import READERS, Row
from factory.spec_faults import name_kind

SUFFIXES = (".jsonl", ".ndjson", ".parquet")
MOST_FAULTS = 50
"""Faults that are told of one file; a file of another form has one in every row."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Pair:
    """Two dialogues, each ending with the assistant's message, of which the first is preferred."""

    chosen: Dialogue
    rejected: Dialogue


@dataclass(frozen=True)
class Rated:
    """A dialogue with what people gave each attribute; null where nobody rated it."""

    dialogue: Dialogue
    attributes: Mapping[str, float | None]


def read_pairs(file: Path) -> list[Pair]:
    """The preference pairs of a file of JSON lines or Parquet, gzipped or not.

    In the forms that TRL knows (https://huggingface.co/docs/trl/dataset_formats): `prompt`, `chosen` and `rejected`, or without `prompt`
    where both hold the whole dialogue; each a list of messages or a text, as of hh-rlhf. An empty response is a response, and a bad one.
    Raises InputFaults with every fault, by file and line.
    """
    return _read(file, _read_pair)


def read_rated(file: Path) -> list[Rated]:
    """The rated responses of a file of JSON lines or Parquet, gzipped or not: `prompt`, `response` and the columns of the five attributes.

    As HelpSteer2 has them; an attribute may be null. Raises InputFaults with every fault, by file and line.
    """
    return _read(file, _read_rated_row)


def _read(file: Path, read: Callable[[Row], Item | list[Fault]]) -> list[Item]:
    packed = file.suffix.lower() == ".gz"
    suffix = Path(file.stem).suffix.lower() if packed else file.suffix.lower()
    if suffix not in SUFFIXES:
        raise _refuse(file, f"expected a file of {', '.join(SUFFIXES)}, or one of these with .gz behind it")
    try:
        content = file.read_bytes()
        rows = [*READERS[suffix](str(file), gzip.decompress(content) if packed else content)]
    except OSError as error:
        raise _refuse(file, f"cannot be read: {error.strerror or error}") from None
    except EOFError:
        raise _refuse(file, "cannot be read: the gzip stream ends early") from None
    found: list[Item] = []
    faults: list[Fault] = []
    for row in rows:
        item = [row] if isinstance(row, Fault) else read(row)
        if isinstance(item, list):
            faults += item
        else:
            found.append(item)
    if len(faults) > MOST_FAULTS:
        faults = [*sorted(faults)[:MOST_FAULTS], Fault(str(file), 0, 0, "", f"and {len(faults) - MOST_FAULTS} more faults")]
    if faults:
        raise InputFaults("data of a reward model", faults)
    if not found:
        raise _refuse(file, "holds no rows")
    return found


def _refuse(file: Path, problem: str) -> FactoryError:
    return InputFaults("data of a reward model", [Fault(str(file), 0, 0, "", problem)])


def _read_pair(row: Row) -> Pair | list[Fault]:
    prompt, faults = _read_prompt(row) if row.cells.get("prompt") is not None else (None, [])
    sides: list[Dialogue] = []
    for column in ("chosen", "rejected"):
        try:
            sides.append(_read_side(_take(row, column), prompt))
        except UnreadableError as error:
            faults.append(row.fault(column, str(error)))
    if faults:
        return faults
    chosen, rejected = sides
    return Pair(chosen, rejected)


def _read_side(value: Any, prompt: Dialogue | None) -> Dialogue:
    if prompt is not None:
        return (*prompt, read_response(value))
    messages = read_messages(value)
    if messages[-1].role != "assistant":
        raise UnreadableError("does not end with the assistant's message, and there is no column prompt")
    check_prompt(messages[:-1])
    return messages


def _read_rated_row(row: Row) -> Rated | list[Fault]:
    prompt, faults = _read_prompt(row)
    values: dict[str, float | None] = {}
    for name in ATTRIBUTES:
        value = row.cells.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)):
            faults.append(row.fault(name, f"expected a number or null, found {name_kind(value)}"))
        else:
            values[name] = None if value is None else float(value)
    if not faults and all(value is None for value in values.values()):
        faults.append(row.fault("", f"no attribute is rated; expected some of the columns {', '.join(ATTRIBUTES)}"))
    try:
        response = read_response(_take(row, "response"))
    except UnreadableError as error:
        faults.append(row.fault("response", str(error)))
    return faults or Rated((*prompt, response), values)


def _read_prompt(row: Row) -> tuple[Dialogue, list[Fault]]:
    try:
        prompt = read_messages(_take(row, "prompt"))
        check_prompt(prompt)
    except UnreadableError as error:
        return (), [row.fault("prompt", str(error))]
    return prompt, []


def _take(row: Row, column: str) -> Any:
    if row.cells.get(column) is None:
        raise UnreadableError(f"there is no such column; the row has {', '.join(map(str, row.cells)) or 'none'}")
    return row.cells[column]


def name_prompt(dialogue: Dialogue) -> Sequence[Sequence[str]]:
    """What was asked, as JSON values: rows that share it stay on one side of a split."""
    return [[message.role, message.content] for message in dialogue[:-1]]
