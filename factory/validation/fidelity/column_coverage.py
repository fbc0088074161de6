"""Whether what the real rows hold is still there: each category, and both tails of numbers and dates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from factory.validation.columns.effects import Effect, list_effects, ratio_limits
from factory.validation.columns.marginals import Counts, Marginal, count_marginals, has_rows
from factory.validation.columns.moments import quantile
from factory.validation.columns.table import Columns
from factory.validation.metric import Row, metric
from factory.validation_spec import Gate

TAIL = 0.05
"""Share of the real values in each tail."""
SMALLEST = 0.01
"""Share of the real rows that a category or tail must have: what is rarer is missing by chance in a hundred rows."""
RATIO = "Donner & Zou's (2012) of a ratio, from Wilson's of each share, simultaneous over all of them (Bonferroni)"
HALF = "half of it lost"


@metric(
    "fidelity",
    "min",
    "share of a category or boolean against its real share, the emptiest",
    f"ratio of shares, of what {SMALLEST:.0%} of the real rows have; 1 in a table without such",
    RATIO,
    of="columns",
    gate=Gate(min=0.5),
    because=HALF,
)
def column_categories(columns: Columns) -> Iterator[Row]:
    marginals = count_marginals(columns).values() if has_rows(columns) else []
    effects = [_kept(each, each.real, each.synthetic) for each in marginals if not each.ordered]
    yield from list_effects([effect for effect in effects if effect], "min", has_rows(columns), none=1.0)


@metric(
    "fidelity",
    "min",
    "share of the lower or upper tail of numbers and dates against its real share, the emptiest",
    f"ratio of the shares of rows below the real {TAIL:.0%} and above the real {1 - TAIL:.0%} quantile, where these are at least "
    f"{SMALLEST:.0%}; 1 in a table without such",
    RATIO,
    of="columns",
    gate=Gate(min=0.5),
    because=HALF,
)
def column_tails(columns: Columns) -> Iterator[Row]:
    marginals = count_marginals(columns).values() if has_rows(columns) else []
    effects = [_kept(each, *_tails(each)) for each in marginals if each.ordered and each.present[0]]
    yield from list_effects([effect for effect in effects if effect], "min", has_rows(columns), none=1.0)


def _kept(marginal: Marginal, real: Counts, synthetic: Counts) -> Effect | None:
    """The emptiest of the parts of a column, of which both sides have so many rows."""
    rows, rows_too = marginal.rows
    large = real >= max(SMALLEST * rows, 1)
    real, synthetic = real[large], synthetic[large]
    if not real.size:
        return None

    def limits(z: float) -> tuple[float, float]:
        low, high = ratio_limits(synthetic, rows_too, real, rows, z)
        return float(low.min()), float(high.min())

    return Effect(marginal.name, float((synthetic / rows_too / (real / rows)).min()), limits, rows_too, tests=real.size)


def _tails(marginal: Marginal) -> tuple[Counts, Counts]:
    """Real and synthetic rows below the one and above the other quantile of the real values."""
    cumulative = np.cumsum(marginal.real)
    below = marginal.values < quantile(marginal.values, cumulative, TAIL)
    above = marginal.values > quantile(marginal.values, cumulative, 1 - TAIL)
    real, synthetic = (np.array([side[below].sum(), side[above].sum()]) for side in (marginal.real, marginal.synthetic))
    return real, synthetic
