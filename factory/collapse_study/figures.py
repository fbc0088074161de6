"""A simulated or measured value with its interval, beside what theory says of it, and the verdict on a whole experiment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.intervals import Z

Relation = Literal["equals", "at_most"]

FIGURE: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "policy": pl.String(),
    "statistic": pl.String(),
    "run": pl.Int64(),
    "generation": pl.Int64(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "relation": pl.String(),
    "expected": pl.Float64(),
    "z": pl.Float64(),
    "size": pl.Int64(),
}
"""One value. `low` and `high`: its 95 % interval; `expected`: the closed form, `relation`: equals or at_most; `z`: (value − expected) in
standard errors; `size`: replicates, or windows of text. What theory does not say is null. `run` is null where replicates are averaged."""

FALSE_ALARMS = 0.01
"""Chance that a right closed form is called wrong anywhere in an experiment."""

POLICIES = {
    "replace": "replace",
    "replace_unbiased": "replace, unbiased",
    "kept": "10 % kept",
    "refreshed": "10 % new real",
    "accumulate": "accumulate",
}
"""What becomes of the data of earlier generations: thrown away (with either estimate of the variance), a tenth real, or all kept."""
REAL_SHARE = 0.1
"""The real share that is kept: that of Shumailov et al. 2024."""


@dataclass(frozen=True)
class Verdict:
    """What a policy's statistic says of its closed form, over all generations.

    `inside` of `compared` intervals hold the closed form; `worst` is the z of the generation farthest off (of a bound, farthest above);
    `agrees` where that is within what chance gives, family-wise over the experiment.
    """

    experiment: str
    policy: str
    statistic: str
    relation: str
    generation: int
    value: float
    low: float
    high: float
    expected: float
    inside: int
    compared: int
    worst: float
    agrees: bool


def compare(
    experiment: str,
    policy: str,
    statistic: str,
    samples: NDArray[np.float64],
    expected: NDArray[np.float64] | None = None,
    relation: Relation = "equals",
) -> pl.DataFrame:
    """FIGURE rows of `samples` (fits, replicates), generation 0 being the fit to real data: their means, normal intervals and z.

    Replicates are independent, so a mean of thousands is normal whatever one value's distribution.
    """
    replicates = samples.shape[1]
    means, errors = samples.mean(axis=1), samples.std(axis=1, ddof=1) / np.sqrt(replicates)
    rows = [
        {
            "experiment": experiment,
            "policy": policy,
            "statistic": statistic,
            "run": None,
            "generation": at,
            "value": float(mean),
            "low": float(mean - Z * error),
            "high": float(mean + Z * error),
            "relation": None if expected is None else relation,
            "expected": None if expected is None else float(expected[at]),
            "z": None if expected is None else float((mean - expected[at]) / error),
            "size": replicates,
        }
        for at, (mean, error) in enumerate(zip(means, errors, strict=True))
    ]
    return pl.DataFrame(rows, schema=FIGURE)


def judge(figures: pl.DataFrame) -> list[Verdict]:
    """A verdict for each policy and statistic of each experiment that has a closed form, in the order of the rows."""
    return [verdict for _, rows in _with_theory(figures).group_by("experiment", maintain_order=True) for verdict in _judge_experiment(rows)]


def _judge_experiment(rows: pl.DataFrame) -> Iterator[Verdict]:
    from scipy.stats import norm

    # Šidák 1967 (JASA 62:626): for normal values of any correlation the chance of an alarm is at most this.
    farthest = float(norm.isf((1 - (1 - FALSE_ALARMS) ** (1 / rows.height)) / 2))
    for _, series in rows.group_by("policy", "statistic", "relation", maintain_order=True):
        last = series.row(-1, named=True)
        z = series["z"].to_numpy()
        bound = last["relation"] == "at_most"
        worst = float(z.max() if bound else z[np.abs(z).argmax()])
        inside = int((z <= Z).sum() if bound else (np.abs(z) <= Z).sum())
        fields = ("experiment", "policy", "statistic", "relation", "generation", "value", "low", "high", "expected")
        agrees = worst <= farthest if bound else abs(worst) <= farthest
        yield Verdict(**{name: last[name] for name in fields}, inside=inside, compared=series.height, worst=worst, agrees=agrees)


def _with_theory(figures: pl.DataFrame) -> pl.DataFrame:
    return figures.filter(pl.col("expected").is_not_null())
