"""UCI Adult as typed columns, for the benches of tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from factory.validation.columns.table import TYPES
from factory.validation_spec import Kind

KINDS: dict[str, Kind] = {
    "age": "number",
    "workclass": "category",
    "fnlwgt": "number",
    "education": "category",
    "education_num": "number",
    "marital_status": "category",
    "occupation": "category",
    "relationship": "category",
    "race": "category",
    "sex": "category",
    "capital_gain": "number",
    "capital_loss": "number",
    "hours_per_week": "number",
    "native_country": "category",
    "income": "category",
}


def read_adult(folder: Path, part: str = "adult.data") -> pl.DataFrame:
    """The 32,561 rows of `adult.data`, or the 16,281 of `adult.test`; "?" is a missing value."""
    text = pl.read_csv(folder / part, has_header=False, new_columns=list(KINDS), infer_schema=False, truncate_ragged_lines=True)
    # The one file ends with an empty line, the other starts with a note; and ends its classes with a stop.
    trimmed = text.select(pl.all().str.strip_chars().str.strip_suffix(".")).filter(pl.col("age").str.contains(r"^\d+$"))
    return trimmed.select(pl.col(name).replace("?", None).cast(TYPES[kind]) for name, kind in KINDS.items())
