"""Shares of missing values."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.columns.effects import Effect, difference_limits, list_effects, size_of_difference
from factory.validation.columns.marginals import Marginal, count_marginals, has_rows
from factory.validation.columns.table import Columns
from factory.validation.metric import Row, metric
from factory.validation_spec import Gate


@metric(
    "fidelity",
    "max",
    "difference of the shares of missing values, the worst column",
    "|share - share'|",
    "Newcombe's (1998) of a difference, simultaneous over columns (Bonferroni)",
    of="columns",
    gate=Gate(max=0.05),
    because="up to 5 % of missing values may as a rule be left out of account (Schafer 1999, Stat. Methods Med. Res. 8:3)",
)
def column_missing(columns: Columns) -> Iterator[Row]:
    yield from list_effects(
        [_compare(each) for each in count_marginals(columns).values()] if has_rows(columns) else [], "max", has_rows(columns)
    )


def _compare(marginal: Marginal) -> Effect:
    (missing, missing_too), (rows, rows_too) = marginal.missing, marginal.rows

    def limits(z: float) -> tuple[float, float]:
        low, high = difference_limits(missing_too, rows_too, missing, rows, z)
        return size_of_difference(float(low), float(high))

    return Effect(marginal.name, abs(missing_too / rows_too - missing / rows), limits, rows_too)
