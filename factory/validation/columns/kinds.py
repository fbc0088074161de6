"""Kinds of columns: what a raw column is, and its cells as values of that kind."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from factory.validation.columns.table import TYPES
from factory.validation_spec import Kind

NO_VALUE = ("na", "n/a", "#n/a", "nan", "nat", "null", "none")
"""Texts, in lower case, that mean missing in a column of numbers, dates or booleans; what pandas reads as missing. In a
column of categories only an empty cell does: a country may be NA, and an illness None."""

TRUE, FALSE = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")
_SURELY_BOOLEAN = ({"true", "false"}, {"yes", "no"})

MOSTLY = 0.9
"""Share of cells that read as numbers or dates from which the others look like mistakes, and not like categories."""

EXPECTED: dict[Kind, str] = {
    "number": "a number such as 12 or -0.5",
    "date": "a date such as 2024-05-31 or 2024-05-31T12:30:00Z (ISO 8601)",
    "boolean": "true or false, yes or no, 1 or 0",
    "category": "text",
}

_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_INFINITE = r"(?i)^[-+]?inf(inity)?$"
_CODE = r"^[-+]?0\d+$"
_DECIMAL_COMMA = r"^[-+]?\d+,\d+$"
_DATE = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2}(?:\.\d{1,9})?))?\s?(Z|[-+]\d{2}:?\d{2})?)?$"
_WHOLE = r"^([-+]?\d+)\.0+$"


@dataclass(frozen=True)
class Cells:
    """A column as one kind. `values` has the type of `TYPES`; `unread` marks cells that are no value of the kind, `infinite` those that
    are numbers without end; both are null in `values`."""

    values: pl.Series
    unread: pl.Series
    infinite: pl.Series


@dataclass(frozen=True)
class Guess:
    """What a raw column looks like: None where it has no value. `doubt` says why a person must decide, and `unlike` marks the cells in
    which the doubt lies."""

    kind: Kind | None
    doubt: str = ""
    unlike: pl.Series | None = None


def infer_kind(raw: pl.Series, missing: Collection[str] = ()) -> Guess:
    """The kind of a raw column. Numbers with leading zeros are codes, so categories; 0 and 1 are numbers."""
    typed: dict[bool, Kind] = {
        raw.dtype.is_numeric(): "number",
        raw.dtype == pl.Boolean: "boolean",
        raw.dtype in (pl.Date, pl.Datetime): "date",
    }
    if True in typed:
        return Guess(typed[True] if raw.drop_nulls().len() else None)
    texts = _as_texts(raw, missing)
    if texts.drop_nulls().is_empty():
        return Guess(None)
    texts = texts.set(texts.str.to_lowercase().is_in(NO_VALUE).fill_null(False), None)
    told = texts.drop_nulls()
    if told.is_empty() or told.str.contains(_CODE).any():
        return Guess("category")
    if any(set(told.str.to_lowercase().unique()) <= pair for pair in _SURELY_BOOLEAN):
        return Guess("boolean")
    kinds: tuple[Kind, ...] = ("number", "date")
    for kind in kinds:
        unread = as_kind(texts, kind).unread
        if not unread.any():
            return Guess(kind)
        if unread.sum() <= (1 - MOSTLY) * told.len():
            return Guess("category", f"almost every cell is {EXPECTED[kind]}", unread)
    comma = texts.str.contains(_DECIMAL_COMMA).fill_null(False)
    if comma.sum() >= MOSTLY * told.len():
        return Guess("category", "almost every cell looks like a number with a decimal comma (write a point)", comma)
    return Guess("category")


def as_kind(raw: pl.Series, kind: Kind, missing: Collection[str] = ()) -> Cells:
    """The cells of a raw column as values of a kind; a cell that is empty, or named by `missing`, is null."""
    none = pl.repeat(False, raw.len(), dtype=pl.Boolean, eager=True)
    if kind == "number" and raw.dtype.is_numeric() and not missing:
        return _drop_infinite(raw.cast(pl.Float64), none)
    if kind == "boolean" and raw.dtype == pl.Boolean:
        return Cells(raw, none, none)
    if kind == "date" and raw.dtype in (pl.Date, pl.Datetime):
        aware = isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_zone is not None
        plain = raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if aware else raw
        return Cells(plain.cast(TYPES["date"]), none, none)
    texts = _as_texts(raw, missing)
    if kind == "category":
        return Cells(texts, none, none)
    texts = texts.set(texts.str.to_lowercase().is_in(NO_VALUE).fill_null(False), None)
    if kind == "number":
        plain = texts.str.contains(_NUMBER) | texts.str.contains(_INFINITE)
        values = texts.set(~plain.fill_null(True), None).cast(pl.Float64, strict=False)
        return _drop_infinite(values, texts.is_not_null() & values.is_null())
    values = _read_dates(texts) if kind == "date" else _read_booleans(texts)
    return Cells(values, texts.is_not_null() & values.is_null(), none)


def unify_whole_numbers(texts: pl.Series) -> pl.Series:
    """Categories with `1.0` written `1`: the same codes are whole numbers in one file and, where a cell is missing, decimal ones in the
    other."""
    return texts.str.replace(_WHOLE, "${1}")


def are_whole_numbers(texts: pl.Series) -> bool:
    """Whether all categories are whole numbers."""
    return bool(texts.drop_nulls().str.contains(r"^[-+]?\d+(\.0+)?$").all())


def _drop_infinite(values: pl.Series, unread: pl.Series) -> Cells:
    infinite = values.is_infinite().fill_null(False)
    return Cells(values.fill_nan(None).set(infinite, None), unread, infinite)


def _as_texts(raw: pl.Series, missing: Collection[str]) -> pl.Series:
    """Cells as text without the blanks around it; null where nothing is left, or where `missing` names it."""
    if raw.dtype.is_float() or raw.dtype.is_decimal():
        numbers = raw.cast(pl.Float64)
        whole = numbers.is_finite() & (numbers == numbers.floor()) & (numbers.abs() < 2**53)
        digits = numbers.set(~whole.fill_null(False), None).cast(pl.Int64).cast(pl.String)
        texts = digits.zip_with(whole.fill_null(False), numbers.fill_nan(None).cast(pl.String))
    elif isinstance(raw.dtype, pl.Datetime):
        texts = raw.dt.to_string("iso")
    else:
        texts = raw.cast(pl.String)
    texts = texts.str.strip_chars()
    return texts.set((texts == "") | texts.is_in(list(missing)), None)


def _read_dates(texts: pl.Series) -> pl.Series:
    """ISO 8601 dates, with a time or without, in UTC where the time says how far it is from it."""
    frame = texts.to_frame("text").select(
        day=pl.col("text").str.extract(_DATE, 1),
        minute=pl.col("text").str.extract(_DATE, 2).fill_null("00:00"),
        second=pl.col("text").str.extract(_DATE, 3).fill_null("00"),
        zone=pl.col("text").str.extract(_DATE, 4).str.replace("Z", "+00:00").str.replace(":", "").fill_null("+0000"),
    )
    written = pl.concat_str("day", pl.lit(" "), "minute", pl.lit(":"), "second")
    sign = pl.when(pl.col("zone").str.starts_with("-")).then(-1).otherwise(1)
    offset = sign * (pl.col("zone").str.slice(1, 2).cast(pl.Int64) * 60 + pl.col("zone").str.slice(3, 2).cast(pl.Int64))
    moment = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    return frame.select((moment - pl.duration(minutes=offset)).cast(TYPES["date"]).alias(texts.name)).to_series()


def _read_booleans(texts: pl.Series) -> pl.Series:
    lower = texts.str.to_lowercase()
    return lower.replace_strict({**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}, default=None, return_dtype=pl.Boolean)
