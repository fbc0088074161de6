"""Labelled examples: responses that people called good or bad, or rated, and pairs of which they preferred one; JSONL, CSV or Parquet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from factory.faults import FactoryError, Fault, InputFaults
from factory.records import digest
from factory.reward.judges import Side
from factory.reward_spec import ATTRIBUTES

GOOD = {"good", "right", "correct", "yes", "true", "1", "accepted"}
BAD = {"bad", "wrong", "incorrect", "no", "false", "0", "rejected"}
WINNERS: dict[str, Side] = {"a": "a", "model_a": "a", "b": "b", "model_b": "b", "tie": "tie", "tie (bothbad)": "tie", "both_bad": "tie"}
"""Of data sets in the form of Chatbot Arena (Zheng et al. 2023, arXiv 2306.05685) too."""
ATTRIBUTE_GOOD_FROM = 3.0
"""Helpfulness, from 0 to 4, from which an example of HelpSteer2 is good where nothing else is asked for."""
MOST_FAULTS = 20
"""Faults of a file that are named; the rest are counted."""
_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")
"""Where the next message of a HelpSteer2 prompt of several turns begins."""
FORMS = (
    "prompt, chosen, rejected · prompt, response_a, response_b, winner · prompt, response, label · prompt, response, score · "
    f"prompt, response, {', '.join(ATTRIBUTES)} (HelpSteer2)"
)


@dataclass(frozen=True)
class Single:
    """A response with what people said of it. `row`: its columns as of a CANDIDATE. `attributes`: people's, where they gave five."""

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

    `prompt` (or `instruction`) is a text, or a list of messages (role, content); so may `chosen` and `rejected` be, then with the prompt in
    them. `context` and `language` may stand beside it. `score` is a number, good from `good_from` on; so is HelpSteer2's helpfulness, from
    ATTRIBUTE_GOOD_FROM on where nothing is given. Raises FactoryError for a file that cannot be read or has other columns, and InputFaults
    with the faults of its rows.
    """
    frame = _read_frame(file).rename({"instruction": "prompt"}, strict=False)
    kind = _find_form(file, set(frame.columns), good_from)
    singles: list[Single] = []
    pairs: list[Pair] = []
    faults: list[Fault] = []
    for number, values in enumerate(frame.iter_rows(named=True), start=1):
        try:
            read = kind(values, good_from)
        except ValueError as error:
            faults.append(Fault(str(file), 0, 0, f"row {number}", str(error)))
            continue
        (singles if isinstance(read, Single) else pairs).append(read)  # type: ignore[arg-type]
    if faults:
        raise InputFaults(f"labelled examples {file}", faults[:MOST_FAULTS] + _count_rest(file, len(faults) - MOST_FAULTS))
    if not singles and not pairs:
        raise FactoryError(f"{file} holds no example.")
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
    columns = ("instruction", "context", "response", "turns", "language")
    singles = (Single({name: row[name] for name in columns}, bool(row["verified"])) for row in rows.iter_rows(named=True))
    return Labelled("verifiers", "singles", tuple(singles))


def place_pair(better: Mapping[str, Any], worse: Mapping[str, Any], preferred: Literal["first", "tie"] = "first") -> Pair:
    """The pair of two rows, the first of them preferred or neither, with a and b by the hashes of their texts."""
    ordered = digest(["place", better["response"], worse["response"]]) < digest(["place", worse["response"], better["response"]])
    a, b = (better, worse) if ordered else (worse, better)
    return Pair(a, b, "tie" if preferred == "tie" else "a" if ordered else "b")


def _read_frame(file: Path) -> pl.DataFrame:
    readers: dict[str, Any] = {
        ".jsonl": pl.read_ndjson,
        ".ndjson": pl.read_ndjson,
        ".json": pl.read_json,
        ".csv": pl.read_csv,
        ".parquet": pl.read_parquet,
    }
    if file.suffix not in readers:
        raise FactoryError(f"labelled examples {file}: expected a .jsonl, .json, .csv or .parquet file.")
    options = {"infer_schema_length": None} if file.suffix != ".parquet" else {}
    try:
        frame: pl.DataFrame = readers[file.suffix](file, **options)
    except FileNotFoundError:
        raise FactoryError(f"There is no file {file} of labelled examples.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FactoryError(f"labelled examples {file} cannot be read: {str(error).splitlines()[0]}") from error
    return frame


def _find_form(file: Path, columns: set[str], good_from: float | None) -> Any:
    """Who reads a row of these columns. Raises FactoryError."""
    if {"chosen", "rejected"} <= columns:
        return _read_chosen
    if {"prompt", "response_a", "response_b", "winner"} <= columns:
        return _read_winner
    if {"prompt", "response", *ATTRIBUTES} <= columns:
        return _read_attributes
    if {"prompt", "response", "label"} <= columns:
        return _read_label
    if {"prompt", "response", "score"} <= columns:
        if good_from is None:
            raise FactoryError(f"labelled examples {file}: its scores need the least one of a good response: give --good-from.")
        return _read_score
    raise FactoryError(f"labelled examples {file}: its columns are {', '.join(sorted(columns))}; expected one of: {FORMS}.")


def _read_chosen(values: Mapping[str, Any], good_from: float | None) -> Pair:
    chosen, rejected = (_read_side(values, side) for side in ("chosen", "rejected"))
    if chosen["response"] == rejected["response"]:
        raise ValueError("chosen and rejected are the same")
    return place_pair(chosen, rejected)


def _read_side(values: Mapping[str, Any], side: str) -> dict[str, Any]:
    if not isinstance(values[side], list):
        return _make_row(values, values.get("prompt"), values[side])
    *before, last = _read_messages(values[side], side)
    return _make_row(values, values.get("prompt") or before, last["content"])


def _read_winner(values: Mapping[str, Any], good_from: float | None) -> Pair:
    winner = WINNERS.get(str(values["winner"]).strip().lower())
    if winner is None:
        raise ValueError(f"winner: expected one of {', '.join(WINNERS)}, found {values['winner']!r}")
    a, b = (_make_row(values, values["prompt"], values[side]) for side in ("response_a", "response_b"))
    return place_pair(b, a) if winner == "b" else place_pair(a, b, "tie" if winner == "tie" else "first")


def _read_label(values: Mapping[str, Any], good_from: float | None) -> Single:
    label = str(values["label"]).strip().lower().removesuffix(".0")
    if label not in GOOD | BAD:
        raise ValueError(f"label: expected one of {', '.join(sorted(GOOD | BAD))}, found {values['label']!r}")
    return Single(_make_row(values, values["prompt"], values["response"]), label in GOOD)


def _read_score(values: Mapping[str, Any], good_from: float | None) -> Single:
    score = _read_number(values, "score")
    return Single(_make_row(values, values["prompt"], values["response"]), score >= float(good_from or 0.0), score)


def _read_attributes(values: Mapping[str, Any], good_from: float | None) -> Single:
    attributes: dict[str, float] = {name: _read_number(values, name) for name in ATTRIBUTES}
    prompt = values["prompt"]
    if isinstance(prompt, str):
        first, *rest = _TURN.split(prompt)
        prompt = [{"role": "user", "content": first}]
        prompt += [{"role": role.lower(), "content": text} for role, text in zip(rest[::2], rest[1::2], strict=True)]
    least = ATTRIBUTE_GOOD_FROM if good_from is None else good_from
    row = _make_row(values, prompt, values["response"])
    return Single(row, attributes["helpfulness"] >= least, attributes["helpfulness"], attributes)


def _make_row(values: Mapping[str, Any], prompt: Any, response: Any) -> dict[str, Any]:
    """The columns of a CANDIDATE that reward models and judges read."""
    before = _read_messages(prompt, "prompt") if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    for name, text in (("prompt", before[0]["content"]), ("response", response)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name}: expected text, found {'nothing' if text is None else repr(text)[:40]}")
    turns = [*before, {"role": "assistant", "content": response}] if len(before) > 1 else None
    shown = {name: values.get(name) or None for name in ("context", "language")}
    return {"instruction": before[0]["content"], "response": response, "turns": turns, **shown}


def _read_messages(given: Any, name: str) -> list[dict[str, str]]:
    if not given or not all(isinstance(each, dict) and isinstance(each.get("content"), str) and each.get("role") for each in given):
        raise ValueError(f"{name}: expected messages with role and content")
    return [{"role": each["role"], "content": each["content"]} for each in given]


def _read_number(values: Mapping[str, Any], name: str) -> float:
    try:
        return float(values[name])
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a number, found {values[name]!r}") from None


def _count_rest(file: Path, rest: int) -> list[Fault]:
    return [Fault(str(file), 0, 0, "", f"and {rest} more rows")] if rest > 0 else []
