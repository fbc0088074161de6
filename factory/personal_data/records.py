"""Personal data in the records of a frame, and records without it: the fields of a record are read as one text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

from factory.personal_data.find import find_all
from factory.personal_data.reading import read
from factory.personal_data.spec import PersonalDataSpec
from factory.personal_data.types import FINDING, Finding

TEXTS: Final = ("instruction", "context", "response", "topic", "turns")
"""The columns of a record that hold text which somebody wrote."""

REDACTED: Final = (*TEXTS, "refusal", "parse_fault")
"""Those, and the columns that may quote them."""

LEAST_REPEATED: Final = 5
"""Characters of a value from which each of its places in a record counts: a shorter one may be another word."""

Part = tuple[str, str]
"""A field's name and its text."""


def find_personal_data(records: pl.DataFrame, fields: Sequence[str], spec: PersonalDataSpec | None = None) -> pl.DataFrame:
    """Personal data in text columns of `records`, as FINDING rows in the order of record id, field and place.

    A record's fields are read as one text, one a line, so that a number in a response is seen beside the word "phone" in its
    instruction, and what is found in one field is found wherever the record repeats it. Of a column of turns each message is a field.
    A column `language` (BCP 47), where there is one, picks the words. Raises FactoryError for a model of `spec` that cannot be opened.
    """
    language = pl.col("language") if "language" in records.columns else pl.lit(None, pl.String).alias("language")
    rows = records.select("record_id", language, *fields).sort("record_id").to_dicts()
    parts = [[*_take_parts(row, fields)] for row in rows]
    found = _find_in_records(parts, [row["language"] for row in rows], spec)
    told = [
        (row["record_id"], name, each.type, each.start, each.end, each.score)
        for row, texts, findings in zip(rows, parts, found, strict=True)
        for (name, _), each_field in zip(texts, findings, strict=True)
        for each in each_field
    ]
    return pl.DataFrame(told, schema=FINDING, orient="row")


def list_types(records: pl.DataFrame, spec: PersonalDataSpec, fields: Sequence[str] = TEXTS) -> dict[str, list[str]]:
    """The types of the policy "refuse" in each record that holds some, by record id, in alphabetical order."""
    refused = spec.types_with("refuse")
    if not refused:
        return {}
    found = find_personal_data(records, fields, spec).filter(pl.col("type").is_in(sorted(refused)))
    told = found.group_by("record_id").agg(pl.col("type").unique().sort())
    return dict(told.iter_rows())


def redact_record(record: Mapping[str, Any], language: str | None, spec: PersonalDataSpec) -> tuple[dict[str, Any], dict[str, int]]:
    """`record` with a placeholder for each piece of personal data of the policy "redact", and how many of each type there were.

    The same value has the same number in all fields of the record, however it is written: "4111 1111 …" and "4111-1111-…" are one.
    """
    redacted = spec.types_with("redact")
    fields = [name for name in REDACTED if record.get(name)]
    if not redacted or not fields:
        return dict(record), {}
    parts = [*_take_parts(record, fields)]
    (found,) = _find_in_records([parts], [language], spec)
    numbers = _Numbers(spec.placeholder == "numbered")
    counts: Counter[str] = Counter()
    texts = {}
    for (name, text), findings in zip(parts, found, strict=True):
        chosen = [each for each in findings if each.type in redacted]
        counts.update(each.type for each in chosen)
        texts[name] = numbers.replace(text, chosen)
    changed: dict[str, Any] = {name: texts[name] for name in fields if name != "turns"}
    if "turns" in fields:
        changed["turns"] = [{**turn, "content": texts[f"turns[{place}]"]} for place, turn in enumerate(record["turns"])]
    return {**record, **changed}, dict(sorted(counts.items()))


def redact(text: str, language: str | None = None, spec: PersonalDataSpec | None = None) -> str:
    """`text` with a placeholder for all personal data that `spec` looks for, whatever its policies."""
    spec = spec or PersonalDataSpec()
    (found,) = find_all([(text, language)], spec)
    return _Numbers(spec.placeholder == "numbered").replace(text, found)


class _Numbers:
    """Gives each value of a type its number, in the order in which they come."""

    def __init__(self, numbered: bool) -> None:
        self._numbered = numbered
        self._known: dict[tuple[str, str], int] = {}
        self._count: Counter[str] = Counter()

    def replace(self, text: str, findings: Iterable[Finding]) -> str:
        pieces, at = [], 0
        for each in findings:
            pieces += [text[at : each.start], self._write(each.type, text[each.start : each.end])]
            at = each.end
        return "".join([*pieces, text[at:]])

    def _write(self, kind: str, value: str) -> str:
        if not self._numbered:
            return f"<{kind}>"
        key = (kind, re.sub(r"[^\w@]", "", read(value).text).casefold())
        if key not in self._known:
            self._count[kind] += 1
            self._known[key] = self._count[kind]
        return f"<{kind}_{self._known[key]}>"


def _take_parts(row: Mapping[str, Any], fields: Sequence[str]) -> Iterator[Part]:
    for name in fields:
        value = row[name]
        if isinstance(value, list):
            yield from ((f"{name}[{place}]", turn["content"] or "") for place, turn in enumerate(value))
        else:
            yield name, value or ""


def _find_in_records(
    records: Sequence[Sequence[Part]], languages: Sequence[str | None], spec: PersonalDataSpec | None
) -> list[list[list[Finding]]]:
    """By record and field."""
    joined = ["\n".join(text for _, text in parts) for parts in records]
    found = find_all(list(zip(joined, languages, strict=True)), spec)
    return [_share_out(parts, text, findings) for parts, text, findings in zip(records, joined, found, strict=True)]


def _share_out(parts: Sequence[Part], joined: str, findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings in the fields' joined text, and the other places of what they found, by field and in it."""
    everywhere = sorted({*findings, *_find_repeated(joined, findings)})
    shared: list[list[Finding]] = []
    start = 0
    for _, text in parts:
        end = start + len(text)
        inside = [each for each in everywhere if each.start < end and start < each.end]
        # What runs over the border of two fields stands in both.
        shared.append([each._replace(start=max(each.start, start) - start, end=min(each.end, end) - start) for each in inside])
        start = end + 1
    return shared


def _find_repeated(text: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    taken = [(each.start, each.end) for each in findings]
    best: dict[str, Finding] = {}
    for each in findings:
        value = text[each.start : each.end]
        if len(value) >= LEAST_REPEATED and (value not in best or best[value].score < each.score):
            best[value] = each
    for value in sorted(best, key=len, reverse=True):
        for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text):
            if all(match.end() <= start or end <= match.start() for start, end in taken):
                taken.append(match.span())
                yield best[value]._replace(start=match.start(), end=match.end())
