"""Labelled examples: responses that people called good or bad, or rated, and pairs of which they preferred one; as files hold them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl

from factory.faults import FactoryError, Fault, InputFaults
from factory.records import digest
from factory.reward.example_files import read_each, read_file, read_number, shorten_faults
from factory.reward.judges import Side
from factory.reward.preferences import read_pair, take_prompt, take_response
from factory.reward.rating import Dialogue
from factory.reward_spec import ATTRIBUTES
from factory.seeds.tables import Row
from factory.spec_faults import name_kind

GOOD = {"good", "right", "correct", "yes", "true", "1", "accepted"}
BAD = {"bad", "wrong", "incorrect", "no", "false", "0", "rejected"}
WINNERS: dict[str, Side] = {"a": "a", "model_a": "a", "b": "b", "model_b": "b", "tie": "tie", "tie (bothbad)": "tie", "both_bad": "tie"}
"""Of data sets in the form of Chatbot Arena (Zheng et al. 2023, arXiv 2306.05685) too."""
ATTRIBUTE_GOOD_FROM = 3.0
"""Helpfulness, from 0 to 4, from which an example of HelpSteer2 is good where nothing else is asked for."""
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
FORMS = (
    "prompt, chosen, rejected · prompt, response_a, response_b, winner · prompt, response, label · prompt, response, score · "
    f"prompt, response, {', '.join(ATTRIBUTES)} (HelpSteer2)"
)


@dataclass(frozen=True)
class Single:
    """A response with what people said of it. `row`: its columns as of a CANDIDATE, with leaf and record_id where it is one. `attributes`:
    people's, where they gave five."""

    row: Mapping[str, Any]
    good: bool
    score: float | None = None
    attributes: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Pair:
    """Two responses to one prompt, and which of them people preferred. Which is a follows from the texts alone, so that neither place nor
    the order in a file says anything."""

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    preferred: Side


@dataclass(frozen=True)
class Labelled:
    """Labelled examples, of one kind. `digest` is of their content, in their order."""

    name: str
    kind: Literal["singles", "pairs"]
    singles: tuple[Single, ...] = ()
    pairs: tuple[Pair, ...] = ()

    @property
    def size(self) -> int:
        """How many examples there are."""
        return len(self.singles) + len(self.pairs)

    @property
    def digest(self) -> str:
        """The same for the same examples."""
        return digest(
            [
                *([dict(single.row), single.good, single.score] for single in self.singles),
                *([dict(pair.a), dict(pair.b), pair.preferred] for pair in self.pairs),
            ]
        )


def read_labelled(file: Path, good_from: float | None = None, most: int | None = None) -> Labelled:
    """The examples of a file, by its columns (FORMS); `most` takes so many, those of least hash, whatever the file's order.

    `prompt` (or `instruction`) is a text, one of hh-rlhf or HelpSteer2 with marks between its turns too, or a list of messages (role,
    content), and ends with the user's; `chosen` and `rejected` may be whole dialogues. `context` and `language` may stand beside it.
    `score` is a number, good from `good_from` on; so is HelpSteer2's helpfulness, from ATTRIBUTE_GOOD_FROM on where nothing is given.
    Raises InputFaults with every fault, by file and line, and FactoryError for scores without `good_from`.
    """
    subject = f"labelled examples {file}"
    rows = [row if isinstance(row, Fault) else _rename(row) for row in read_file(file, subject, SUFFIXES)]
    columns = {column for row in rows if isinstance(row, Row) for column in row.cells}
    form = next((form for form in _FORMS if form.columns <= columns), None)
    if form is None:
        named = f"its columns are {', '.join(sorted(map(str, columns))) or 'none'}; expected one of: {FORMS}"
        unread = [row for row in rows if isinstance(row, Fault)]
        raise InputFaults(subject, shorten_faults(file, [Fault(str(file), 0, 0, "", named), *unread]))
    found = read_each(file, subject, rows, partial(form.read, good_from=good_from))
    if form.read is _read_score and good_from is None:
        raise FactoryError(f"{subject}: its scores need the least one of a good response: give --good-from.")
    singles = [example for example in found if isinstance(example, Single)]
    pairs = [example for example in found if isinstance(example, Pair)]
    if most is not None:
        singles = sorted(singles, key=lambda single: digest(dict(single.row)))[:most]
        pairs = sorted(pairs, key=lambda pair: digest([dict(pair.a), dict(pair.b)]))[:most]
    return Labelled(file.name, "singles" if singles else "pairs", tuple(singles), tuple(pairs))


def label_by_verifiers(scored: pl.DataFrame, most: int | None = None) -> Labelled:
    """The SCORED rows that a verifier decided, as labelled examples: right is good. Raises FactoryError where there is none."""
    decided = scored.filter(pl.col("verified").is_not_null() & pl.col("response").is_not_null()).sort("record_id")
    if decided.is_empty():
        raise FactoryError("no stored candidate was decided by a verifier: run the line first, or give a file of labelled examples.")
    rows = decided.head(most) if most is not None else decided
    columns = ("record_id", "leaf", "instruction", "context", "response", "turns", "language")
    singles = (Single({name: row[name] for name in columns}, bool(row["verified"])) for row in rows.iter_rows(named=True))
    return Labelled("verifiers", "singles", tuple(singles))


def place_pair(better: Mapping[str, Any], worse: Mapping[str, Any], preferred: Literal["first", "tie"] = "first") -> Pair:
    """The pair of two rows, the first of them preferred or neither, with a and b by the hashes of their texts."""
    ordered = digest(["place", better["response"], worse["response"]]) < digest(["place", worse["response"], better["response"]])
    a, b = (better, worse) if ordered else (worse, better)
    return Pair(a, b, "tie" if preferred == "tie" else "a" if ordered else "b")


def _rename(row: Row) -> Row:
    return (
        row
        if "prompt" in row.cells
        else replace(row, cells={"prompt" if name == "instruction" else name: row.cells[name] for name in row.cells})
    )


def _read_chosen(row: Row, good_from: float | None) -> Pair | list[Fault]:
    pair, (shown, faults) = read_pair(row), _read_shown(row)
    if isinstance(pair, list):
        return pair + faults
    if pair.chosen[:-1] != pair.rejected[:-1]:
        faults.append(row.fault("rejected", "answers another prompt than chosen"))
    elif pair.chosen == pair.rejected:
        faults.append(row.fault("rejected", "chosen and rejected are the same"))
    return faults or place_pair(_make_row(pair.chosen, shown), _make_row(pair.rejected, shown))


def _read_winner(row: Row, good_from: float | None) -> Pair | list[Fault]:
    (a, faults), (b, others) = (_read_responded(row, side) for side in ("response_a", "response_b"))
    faults += [fault for fault in others if fault not in faults]
    winner = WINNERS.get(_read_word(row, "winner"))
    if winner is None:
        faults.append(row.fault("winner", f"expected one of {', '.join(WINNERS)}, found {name_kind(row.cells.get('winner'))}"))
    if faults:
        return faults
    return place_pair(b, a) if winner == "b" else place_pair(a, b, "tie" if winner == "tie" else "first")


def _read_label(row: Row, good_from: float | None) -> Single | list[Fault]:
    values, faults = _read_responded(row)
    label = _read_word(row, "label").removesuffix(".0")
    if label not in GOOD | BAD:
        found = name_kind(row.cells.get("label"))
        faults.append(row.fault("label", f"expected one of {', '.join(sorted(GOOD | BAD))}, found {found}"))
    return faults or Single(values, label in GOOD)


def _read_score(row: Row, good_from: float | None) -> Single | list[Fault]:
    values, faults = _read_responded(row)
    (score,), wrong = _read_numbers(row, ["score"])
    return [*faults, *wrong] or Single(values, score >= (good_from or 0.0), score)


def _read_attributes(row: Row, good_from: float | None) -> Single | list[Fault]:
    values, faults = _read_responded(row)
    numbers, wrong = _read_numbers(row, ATTRIBUTES)
    attributes: dict[str, float] = dict(zip(ATTRIBUTES, numbers, strict=True))
    helpful, least = attributes["helpfulness"], ATTRIBUTE_GOOD_FROM if good_from is None else good_from
    return [*faults, *wrong] or Single(values, helpful >= least, helpful, attributes)


@dataclass(frozen=True)
class _Form:
    columns: set[str]
    read: Callable[..., Single | Pair | list[Fault]]


_FORMS = (
    _Form({"chosen", "rejected"}, _read_chosen),
    _Form({"prompt", "response_a", "response_b", "winner"}, _read_winner),
    _Form({"prompt", "response", *ATTRIBUTES}, _read_attributes),
    _Form({"prompt", "response", "label"}, _read_label),
    _Form({"prompt", "response", "score"}, _read_score),
)


def _read_responded(row: Row, column: str = "response") -> tuple[dict[str, Any], list[Fault]]:
    """The columns of a CANDIDATE that reward models and judges read, of the prompt and the response in `column`, or the faults."""
    prompt, faults = take_prompt(row)
    shown, wrong = _read_shown(row)
    response = take_response(row, column)
    if isinstance(response, Fault):
        return {}, [*faults, *wrong, response]
    return ({}, [*faults, *wrong]) if faults or wrong else (_make_row((*prompt, response), shown), [])


def _read_shown(row: Row) -> tuple[dict[str, str | None], list[Fault]]:
    given = {name: row.cells.get(name) for name in ("context", "language")}
    faults = [
        row.fault(name, f"expected a text or nothing, found {name_kind(value)}")
        for name, value in given.items()
        if value is not None and not isinstance(value, str)
    ]
    return {name: value or None for name, value in given.items()}, faults


def _make_row(dialogue: Dialogue, shown: Mapping[str, str | None]) -> dict[str, Any]:
    asked = next(message.content for message in dialogue if message.role == "user")
    turns = [{"role": message.role, "content": message.content} for message in dialogue] if len(dialogue) > 2 else None
    return {"instruction": asked, "response": dialogue[-1].content, "turns": turns, **shown}


def _read_word(row: Row, column: str) -> str:
    """A cell of one word, in lower case; of what is neither a text nor a number or yes and no, nothing."""
    value = row.cells.get(column)
    return str(value).strip().lower() if isinstance(value, str | bool | int | float) else ""


def _read_numbers(row: Row, columns: Sequence[str]) -> tuple[list[float], list[Fault]]:
    """The number in each column, NaN for one with a fault."""
    numbers = {name: read_number(row.cells.get(name)) for name in columns}
    faults = [
        row.fault(name, f"expected a number, found {name_kind(row.cells.get(name))}") for name, number in numbers.items() if number is None
    ]
    return [math.nan if number is None else number for number in numbers.values()], faults
