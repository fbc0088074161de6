"""SDMetrics' reports of the same table, beside the factory's own metrics; where SDMetrics is installed."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

import polars as pl

from factory.validation.columns.kept import computed_once
from factory.validation.columns.sample import SAMPLED, sample_rows
from factory.validation.columns.table import Columns
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Kind

SDTYPES: dict[Kind, str] = {"number": "numerical", "category": "categorical", "date": "datetime", "boolean": "boolean"}
PARTS = {"Column Shapes": "column shapes", "Column Pair Trends": "pair trends", "Data Validity": "validity", "Data Structure": "structure"}

FEWEST = 100
"""Rows that a side needs: of fewer, two halves of one table differ in SDMetrics' scores as much as two tables do."""


@metric(
    "fidelity",
    "info",
    "quality as SDMetrics reports it: 1 alike, 0 nothing in common",
    f"sdmetrics QualityReport, its score and those of its parts, of at most {SAMPLED:,} seeded rows a side",
    of="columns",
)
def sdmetrics_quality(columns: Columns) -> Iterator[Row]:
    yield from _report(columns, "QualityReport")


@metric(
    "fidelity",
    "info",
    "validity as SDMetrics reports it: 1 within the real ranges and categories, and of the same columns",
    f"sdmetrics DiagnosticReport, its score and those of its parts, of at most {SAMPLED:,} seeded rows a side",
    of="columns",
)
def sdmetrics_diagnostic(columns: Columns) -> Iterator[Row]:
    yield from _report(columns, "DiagnosticReport")


def _report(columns: Columns, name: str) -> Iterator[Row]:
    if importlib.util.find_spec("sdmetrics") is None or min(columns.real.height, columns.synthetic.height) < FEWEST:
        return
    from sdmetrics.reports import single_table

    report = getattr(single_table, name)()
    real, synthetic = _sampled(columns)
    # What it has to say of columns that it cannot compare stands in its scores as NaN.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report.generate(
            real, synthetic, {"columns": {each: {"sdtype": SDTYPES[kind]} for each, kind in columns.kinds.items()}}, verbose=False
        )
    yield Row(LINE, report.get_score(), size=len(synthetic))
    for _, part in report.get_properties().iterrows():
        yield Row(PARTS[part["Property"]], part["Score"], size=len(synthetic))


@computed_once
def _sampled(columns: Columns) -> tuple[Any, Any]:
    return _as_pandas(sample_rows(columns.real, "sdmetrics:r")), _as_pandas(sample_rows(columns.synthetic, "sdmetrics:s"))


def _as_pandas(frame: pl.DataFrame) -> Any:
    """The frame as SDMetrics reads it: objects where categories and booleans are, since it compares them by ==."""
    import pandas as pd

    return pd.DataFrame(
        {name: frame[name].to_numpy() if frame[name].dtype.is_numeric() else frame[name].to_list() for name in frame.columns}
    )
