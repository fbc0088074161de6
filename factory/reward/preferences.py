"""Reads what a reward model is trained on: preference pairs, or responses rated by attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.faults import Fault
from factory.generation.chat import Message
from factory.reward.dialogue_text import UnreadableError, check_prompt, read_messages, read_prompt, read_response
from factory.reward.example_files import read_each, read_file, read_number
from factory.reward.rating import Dialogue
from factory.reward_spec import ATTRIBUTES
from factory.seeds.tables import Row
from factory.spec_faults import name_kind

SUFFIXES = (".jsonl", ".ndjson", ".parquet")
SUBJECT = "data of a reward model"


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
    return read_each(file, SUBJECT, read_file(file, SUBJECT, SUFFIXES), read_pair)


def read_rated(file: Path) -> list[Rated]:
    """The rated responses of a file of JSON lines or Parquet, gzipped or not: `prompt`, `response` and the columns of the five attributes.

    As HelpSteer2 has them; an attribute may be null. Raises InputFaults with every fault, by file and line.
    """
    return read_each(file, SUBJECT, read_file(file, SUBJECT, SUFFIXES), _read_rated_row)


def read_pair(row: Row) -> Pair | list[Fault]:
    """The pair of a row with the columns that `read_pairs` reads, or its faults."""
    prompt, faults = take_prompt(row) if row.cells.get("prompt") is not None else (None, [])
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
    if prompt is None:
        messages = read_messages(value)
        if messages[-1].role != "assistant":
            raise UnreadableError("does not end with the assistant's message, and there is no column prompt")
        check_prompt(messages[:-1])
        return messages
    if isinstance(value, list) and len(value) > 1:  # as in UltraFeedback, whose sides repeat the prompt
        messages = read_messages(value)
        if _strip(messages[:-1]) != _strip(prompt):
            raise UnreadableError("the messages before the last are not those of the column prompt")
        value = value[-1:]
    return (*prompt, read_response(value))


def _strip(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(message.role, message.content.strip()) for message in dialogue]


def _read_rated_row(row: Row) -> Rated | list[Fault]:
    prompt, faults = take_prompt(row)
    values: dict[str, float | None] = {}
    for name in ATTRIBUTES:
        value = row.cells.get(name)
        values[name] = read_number(value)
        if value is not None and values[name] is None:
            faults.append(row.fault(name, f"expected a number or null, found {name_kind(value)}"))
    if not faults and all(value is None for value in values.values()):
        faults.append(row.fault("", f"no attribute is rated; expected some of the columns {', '.join(ATTRIBUTES)}"))
    response = take_response(row, "response")
    if isinstance(response, Fault):
        faults.append(response)
        return faults
    return faults or Rated((*prompt, response), values)


def take_prompt(row: Row) -> tuple[Dialogue, list[Fault]]:
    """The messages before the response, of the column prompt, or its faults."""
    try:
        return read_prompt(_take(row, "prompt")), []
    except UnreadableError as error:
        return (), [row.fault("prompt", str(error))]


def take_response(row: Row, column: str) -> Message | Fault:
    """The assistant's message of a column, which may be empty, but not null, or its fault."""
    try:
        return read_response(_take(row, column))
    except UnreadableError as error:
        return row.fault(column, str(error))


def _take(row: Row, column: str) -> Any:
    if row.cells.get(column) is None:
        raise UnreadableError(f"there is no such column; the row has {', '.join(map(str, row.cells)) or 'none'}")
    return row.cells[column]


def name_prompt(dialogue: Dialogue) -> Sequence[Sequence[str]]:
    """What was asked, as JSON values: rows that share it stay on one side of a split."""
    return [[message.role, message.content] for message in dialogue[:-1]]
