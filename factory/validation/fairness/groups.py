"""Declared groups and languages: their columns, and the worst of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from factory.validation.evidence import GROUP, Evidence
from factory.validation.metric import LINE, Row, certain_row

LEAST_SHARE = 0.02
"""Groups below 2 % are left out of ratios (Uniform Guidelines, 29 CFR 1607.15 A(2)(a))."""


def list_attributes(evidence: Evidence) -> list[tuple[str, str]]:
    """Columns of language and declared groups, each with what stands before a value in a row's subject."""
    return [("language", "language="), *((f"{GROUP}{name}", f"{name}=") for name in evidence.group_names)]


def worst_row(rows: list[Row], choose: Callable[..., Row], without_groups: float, size: int) -> Row:
    """The row of the line: the worst of the groups' rows; nothing where nothing could be measured."""
    measured = [row for row in rows if row.value is not None]
    if not size or (rows and not measured):
        return Row(LINE, None)
    if not rows:
        return certain_row(without_groups, size)
    return replace(choose(measured, key=lambda row: row.value), subject=LINE)
