"""The four reports: every registered metric of one, measured as rows of METRIC."""

from __future__ import annotations

import importlib
import pkgutil

import polars as pl

from factory.faults import FactoryError
from factory.records import METRIC
from factory.validation import collapse, fairness, fidelity, measured, privacy
from factory.validation.columns.table import Columns
from factory.validation.evidence import Evidence
from factory.validation.intervals import CONFIDENCE
from factory.validation.metric import LINE, METRICS, Metric, Report, Row, finite

__all__ = ["METRICS", "REPORTS", "measure_report", "measured"]

REPORTS: tuple[Report, ...] = ("fidelity", "privacy", "fairness", "collapse")

for room in (fidelity, privacy, fairness, collapse):
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")


def measure_report(report: Report, evidence: Evidence | Columns) -> pl.DataFrame:
    """Every metric of a report as METRIC rows, sorted by metric as registered; thresholds and verdicts stay null until the gates.

    A table (`Columns`) is measured by the metrics of columns alone; of a line's records (`Evidence`) also their columns.
    """
    import sklearn.utils  # noqa: F401 - with it every library of threads is loaded, and can be held
    from threadpoolctl import threadpool_limits

    # A sum over two threads ends in another last digit than over one: the same records would give another release.
    with threadpool_limits(limits=1):
        rows = [
            {
                "report": report,
                "metric": each.name,
                "subject": row.subject,
                "value": finite(row.value),
                "low": finite(row.low),
                "high": finite(row.high),
                "confidence": None if finite(row.low) is None else CONFIDENCE,
                "size": row.size,
                "direction": each.direction if row.subject == LINE else "info",
                "method": each.method,
            }
            for each in METRICS.values()
            if each.report == report
            for row in _measure(each, evidence)
        ]
    return pl.DataFrame(rows, schema=METRIC)


def _measure(metric: Metric, evidence: Evidence | Columns) -> list[Row]:
    """The rows of one metric. Raises FactoryError where two go by the name of the line, of which the gate would read one."""
    rows = _measure_rows(metric, evidence)
    if sum(row.subject == LINE for row in rows) > 1:
        raise FactoryError(
            f"{metric.key}: two rows are called {LINE!r}, as what is measured of all is; give the group or column another name."
        )
    return rows


def _measure_rows(metric: Metric, evidence: Evidence | Columns) -> list[Row]:
    if isinstance(evidence, Columns):
        return list(metric.measure(evidence)) if metric.of == "columns" else []
    if metric.of == "columns":
        # Records have no holdout and no roles: what needs them is not a gap of the line's report.
        return [row for row in metric.measure(evidence.columns) if row.value is not None]
    return list(metric.measure(evidence))
