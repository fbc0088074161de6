"""Declared groups and languages: their columns, and the worst of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from factory.validation.columns.effects import Effect, list_effects
from factory.validation.evidence import GROUP, Evidence
from factory.validation.metric import LINE, Row, certain_row

LEAST_SHARE = 0.02
"""Groups below 2 % are left out of ratios (Uniform Guidelines, 29 CFR 1607.15 A(2)(a))."""

CELL = "cell="
"""What stands before the name of a cell in a row's subject, so that no cell is taken for the line."""


def list_attributes(evidence: Evidence) -> list[tuple[str, str]]:
    """Columns of language and declared groups, each with what stands before a value in a row's subject."""
    return [("language", "language="), *((f"{GROUP}{name}", f"{name}=") for name in evidence.group_names)]


def rows_of_groups(effects: Mapping[str, Effect | None], worst: Literal["max", "min"], without_groups: float, size: int) -> Iterator[Row]:
    """The row of the line, the worst of the groups, then those of the groups by name.

    Its interval is simultaneous over all of them, so that a group that surely fails is seen beside a small one that looks
    worse. It has no value where no group could be measured.
    """
    measured = [each for each in effects.values() if each]
    if not size or (effects and not measured):
        yield Row(LINE, None)
    elif not effects:
        yield certain_row(without_groups, size)
    else:
        yield from list_effects(measured, worst, measured=True)
    yield from (Row(name, None) for name, each in effects.items() if each is None)
