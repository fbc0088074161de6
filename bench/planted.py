"""What a planted fault is, and which default gates data with one fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

import numpy as np
import polars as pl

from factory.records import METRIC
from factory.validation.columns.table import Columns
from factory.validation.evidence import Evidence
from factory.validation.gates import decide_gates, failed_gates, list_default_gates
from factory.validation.metric import LINE, METRICS, Subject
from factory.validation_spec import ValidationSpec

TODAY = date(2026, 1, 1)
World = TypeVar("World")
Plant = Callable[[World, np.random.Generator], World]


@dataclass(frozen=True)
class Fault(Generic[World]):
    """A fault at three strengths, weakest first. `spoken_of_by`: `<report>.<metric>` of the gates that are there for it."""

    name: str
    plants: Mapping[str, Plant[World]]
    spoken_of_by: Collection[str]


def list_failed(data: Evidence | Columns, among: Collection[str] | None = None) -> set[str]:
    """`<report>.<metric>` of the default gates that data fails, of all or of those `among`; only these are measured."""
    of: Subject = "records" if isinstance(data, Evidence) else "columns"
    asked = [key for key in list_default_gates(of) if among is None or key in among]
    rows = []
    for key in asked:
        each = METRICS[key]
        row = next((row for row in each.measure(data) if row.subject == LINE), None)
        if row:
            measured = {"subject": LINE, "value": row.value, "low": row.low, "high": row.high, "size": row.size}
            rows.append({"report": each.report, "metric": each.name, "method": each.method} | measured)
    failed = failed_gates(decide_gates(pl.DataFrame(rows, schema=METRIC), ValidationSpec(), TODAY, of))
    return set(failed.select(pl.concat_str("report", "metric", separator=".")).to_series()) & set(asked)
