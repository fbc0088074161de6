"""What the metrics of columns read: real, synthetic and held-out rows of one typed table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from factory.validation_spec import Kind

TYPES: Mapping[Kind, Any] = {"number": pl.Float64, "category": pl.String, "date": pl.Datetime("us"), "boolean": pl.Boolean}
"""The type that a column of each kind has in all three frames; what is missing is null, and no number is NaN or infinite."""


@dataclass(frozen=True)
class Columns:
    """One table three times. `kinds` names the columns, in order; each frame has just these, of the types of `TYPES`.

    `real`: the rows that the synthetic ones were made from. `holdout`: real rows of the same population that no
    generator has seen; it has no rows where there are none. `quasi_identifiers`, `sensitive` and `groups` are declared
    columns; `target` is the column that a model made from the table would predict.
    """

    real: pl.DataFrame
    synthetic: pl.DataFrame
    holdout: pl.DataFrame
    kinds: Mapping[str, Kind]
    quasi_identifiers: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    target: str | None = None

    def __post_init__(self) -> None:
        expected = pl.Schema({name: TYPES[kind] for name, kind in self.kinds.items()})
        for name in ("real", "synthetic", "holdout"):
            if (got := getattr(self, name).schema) != expected:
                raise ValueError(f"{name} has the columns {got}, not {expected}")

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Names of the columns of some kinds, in order."""
        return [name for name, kind in self.kinds.items() if kind in kinds]
