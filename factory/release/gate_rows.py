"""The rows of a gate table: which a release has, and how cards show them: each gate with its outcome, what has none, how many hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from factory.validation.measured import MEASURED
from factory.validation.metric import LINE

Row = dict[str, Any]

AGAINST_PREVIOUS = ("perplexity_drift",)
"""Metrics that compare a release with the one before it."""

OUTCOMES = ("fail", "waived", "warn", "pass")
"""What a gate came to, the worst first. Of a release none is "fail": there would be no release."""


def part_history(gates: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float | None]]:
    """The gate table (METRIC) without what only compares with the previous release, and the values that do.

    They are no part of a release, or its version would depend on what came before; one that the line makes a gate is: it decided.
    """
    compares = pl.col("metric").is_in(AGAINST_PREVIOUS)
    rows = gates.filter(compares, subject=LINE).select(pl.concat_str("report", pl.lit("."), "metric"), "value")
    return gates.filter(~compares | pl.col("threshold").is_not_null()), dict(rows.iter_rows())


def list_gates(gates: pl.DataFrame) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """The gates (METRIC), those that do not hold first, and the values without a gate; each row with its `outcome`.

    Which records were measured is for the release to check, and nothing that a reader would compare.
    """
    rows = [row | {"outcome": _decide_outcome(row)} for row in gates.filter(pl.col("metric") != MEASURED).iter_rows(named=True)]
    decided = sorted((row for row in rows if row["threshold"] is not None), key=lambda row: OUTCOMES.index(row["outcome"]))
    return tuple(decided), tuple(row for row in rows if row["threshold"] is None)


def name_confidence(gates: pl.DataFrame) -> str:
    """The confidence of the intervals, as in "95%"."""
    return ", ".join(f"{level:.0%}" for level in gates["confidence"].drop_nulls().unique().sort())


def count_passed(gates: Iterable[Row]) -> int:
    """Gates that hold."""
    return sum(row["outcome"] == "pass" for row in gates)


def name_exceptions(gates: Iterable[Row]) -> str:
    """How many gates do not hold, and what became of them: '1 failed, 2 warned of'; empty where all hold."""
    rows = list(gates)
    counts = {"fail": "failed", "waived": "waived", "warn": "warned of"}
    found = {told: sum(row["outcome"] == outcome for row in rows) for outcome, told in counts.items()}
    return ", ".join(f"{count} {told}" for told, count in found.items() if count)


def _decide_outcome(row: Row) -> str:
    if row["threshold"] is None:
        return "info"
    if row["passed"]:
        return "pass"
    return "waived" if row["waived_by"] else "warn" if row["severity"] == "warn" else "fail"
