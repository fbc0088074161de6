"""Which records a phase trained on, kept beside its student: the one answer for a record's trace and for attacks on the student."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import polars as pl

FILE: Final = "trained_on.parquet"

TRAINED_ON: Final[dict[str, Any]] = {
    "record_id": pl.String,
    "role": pl.String,  # "record" of a supervised phase; "chosen" or "rejected" side of a preference pair
}
"""A record that a phase trained on, in each role once."""


def list_records(ids: Iterable[str]) -> pl.DataFrame:
    """TRAINED_ON rows of records of a supervised phase."""
    return _sort(pl.DataFrame({"record_id": list(ids)}, schema={"record_id": pl.String}).with_columns(role=pl.lit("record")))


def list_sides(pairs: pl.DataFrame) -> pl.DataFrame:
    """TRAINED_ON rows of both sides of preference pairs (columns chosen_id, rejected_id)."""
    return _sort(pl.concat(pairs.select(record_id=f"{role}_id", role=pl.lit(role)) for role in ("chosen", "rejected")))


def join_phases(*phases: pl.DataFrame) -> pl.DataFrame:
    """TRAINED_ON rows of phases that one student went through."""
    return _sort(pl.concat(phases))


def take_records(rows: pl.DataFrame, trained_on: pl.DataFrame) -> pl.DataFrame:
    """The records among `rows` (column record_id) that a supervised phase trained on, by TRAINED_ON rows."""
    return rows.join(trained_on.filter(role="record"), on="record_id", how="semi", maintain_order="left")


def write_trained_on(folder: Path, rows: pl.DataFrame) -> None:
    """Keeps TRAINED_ON rows in the work folder of a phase. Raises OSError where the disk refuses it."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    (folder / FILE).write_bytes(buffer.getvalue())


def read_trained_on(model: Path) -> pl.DataFrame | None:
    """What the phase trained on whose student lies in `model`, and it alone; None of a phase that did not keep it."""
    file = model.parent / FILE
    return pl.read_parquet(file) if file.is_file() else None


def _sort(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.unique().sort(rows.columns)
