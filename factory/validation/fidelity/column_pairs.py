"""How columns go together: the coefficients of every pair against the real ones, and the difference of the whole matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from factory.validation.columns.effects import list_effects
from factory.validation.columns.marginals import has_rows
from factory.validation.columns.pairs import (
    Compared,
    compare_correlation_ratios,
    compare_cramers_v,
    compare_information,
    compare_mixed,
    compare_pearson,
    compare_spearman,
)
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Gate

SIMULTANEOUS = "joined by Zou's (2007) of a difference, simultaneous over pairs (Bonferroni)"


@metric(
    "fidelity",
    "max",
    "difference of the association of two columns, the worst pair",
    "|c - c'| of Spearman's ρ of two numbers or dates, and of Cramér's V with Bergsma's (2013) correction of all other pairs, "
    "numbers in tenths; 0 in a table of one column",
    f"those of pair_spearman and pair_cramers_v, {SIMULTANEOUS}",
    of="columns",
    gate=Gate(max=0.2),
    because="between the small and the medium effect of a correlation, 0.1 and 0.3 (Cohen 1988)",
)
def pair_association(columns: Columns) -> Iterator[Row]:
    yield from _listed(columns, compare_mixed(columns))


@metric(
    "fidelity",
    "max",
    "difference of the whole matrix of associations",
    "root mean square over pairs of |c - c'| as in pair_association, less its sampling variance; 0 in a table of one column",
    "normal, the error being the root mean square of those of the pairs, as if all erred alike",
    of="columns",
    gate=Gate(max=0.1),
    because="a small effect of a correlation, 0.1 (Cohen 1988), in every pair",
)
def pair_matrix(columns: Columns) -> Iterator[Row]:
    compared = compare_mixed(columns)
    if not has_rows(columns):
        yield Row(LINE, None)
        return
    if not compared:
        yield Row(LINE, 0.0, 0.0, 0.0, 0)
        return
    # A pair's error is half the width of its interval, so that coefficients near the end of their range have theirs too.
    widths = [[side.limits(Z) for side in (each.real, each.synthetic)] for each in compared]
    variances = [sum(((high - low) / (2 * Z)) ** 2 for low, high in sides) for sides in widths]
    value = math.sqrt(max(0.0, float(np.mean([each.apart**2 for each in compared]) - np.mean(variances))))
    error = float(np.sqrt(np.mean(variances)))
    yield Row(LINE, value, max(0.0, value - Z * error), value + Z * error, columns.synthetic.height)


@metric(
    "fidelity",
    "max",
    "difference of Pearson's correlation of two numbers or dates, the worst pair",
    "|r - r'|; 0 in a table with fewer than two",
    f"Fisher's z, {SIMULTANEOUS}",
    of="columns",
)
def pair_pearson(columns: Columns) -> Iterator[Row]:
    yield from _listed(columns, compare_pearson(columns))


@metric(
    "fidelity",
    "max",
    "difference of Spearman's rank correlation of two numbers or dates, the worst pair",
    "|ρ - ρ'|; 0 in a table with fewer than two",
    f"Bonett & Wright's (2000), {SIMULTANEOUS}",
    of="columns",
)
def pair_spearman(columns: Columns) -> Iterator[Row]:
    yield from _listed(columns, compare_spearman(columns))


@metric(
    "fidelity",
    "max",
    "difference of Cramér's V of two columns of which one or both are categories or booleans, the worst pair",
    "|V - V'| with Bergsma's (2013) correction for bias, numbers in tenths, categories below 1 % as one; 0 in a table without such a pair",
    f"of V² by the delta method, {SIMULTANEOUS}",
    of="columns",
)
def pair_cramers_v(columns: Columns) -> Iterator[Row]:
    yield from _listed(columns, compare_cramers_v(columns))


@metric(
    "fidelity",
    "max",
    "difference of the correlation ratio of a number by a category or boolean, the worst pair",
    "|η - η'| (Fisher 1925), categories below 1 % as one; 0 in a table without such a pair",
    f"of η² by the delta method, {SIMULTANEOUS}",
    of="columns",
)
def pair_correlation_ratio(columns: Columns) -> Iterator[Row]:
    yield from _listed(columns, compare_correlation_ratios(columns))


@metric(
    "fidelity",
    "max",
    "difference of the mutual information of two columns, the worst pair",
    "|c - c'| of √(1 - exp(-2·MI)) (Linfoot 1957), which is |ρ| of two normals; Miller's (1955) correction for bias, numbers in tenths, "
    "categories below 1 % as one; 0 in a table of one column",
    f"of the mean log ratio, {SIMULTANEOUS}",
    of="columns",
)
def pair_mutual_information(columns: Columns) -> Iterator[Row]:
    yield from _listed(columns, compare_information(columns))


def _listed(columns: Columns, compared: Sequence[Compared]) -> Iterator[Row]:
    size = columns.synthetic.height
    yield from list_effects([each.effect(size) for each in compared], "max", has_rows(columns))
