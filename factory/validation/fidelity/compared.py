"""Rows of a comparison within leaves."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.distances import Comparison
from factory.validation.metric import LINE, Row

CORRECTED = "within each leaf, corrected for chance as (d - e)/(1 - e) (Hubert & Arabie 1985), mean over leaves"
BOOTSTRAP = "normal, standard error of 200 bootstrap draws of records within leaves (Efron & Tibshirani 1993)"
PERMUTED = "200 permutations of real and synthetic within leaves (Phipson & Smyth 2010)"


def list_compared(comparison: Comparison) -> Iterator[Row]:
    yield Row(LINE, comparison.value, comparison.low, comparison.high, comparison.size)
    for leaf in comparison.leaves:
        yield Row(leaf.leaf, leaf.value, leaf.low, leaf.high, leaf.size)


def tested_row(comparison: Comparison) -> Row:
    return Row(LINE, comparison.p, size=comparison.size)
