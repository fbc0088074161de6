"""Intervals of half-samples, and the mean over leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from factory.validation.intervals import normal_interval
from factory.validation.metric import LINE, Row

HALVES = "normal, standard error of 50 half-samples (delete-half jackknife, Shao & Wu 1989)"

DRAWS = 50


def mean_of_leaves(rows: list[Row], halves: list[Any], lowest: float) -> Row:
    if not rows:
        return Row(LINE, None)
    value = float(np.mean([row.value for row in rows]))
    return Row(LINE, value, *normal_interval(value, np.mean(halves, axis=0), lowest=lowest), sum(row.size for row in rows))
