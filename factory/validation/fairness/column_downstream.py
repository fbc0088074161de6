"""Whether a model trained on a synthetic table serves the declared groups as equally as one trained on the real table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.downstream import LEAST_CASES, LEAST_GROUP, PAIRED, Served, serve
from factory.validation.columns.effects import Effect
from factory.validation.columns.table import Columns
from factory.validation.fairness.groups import rows_of_groups
from factory.validation.intervals import normal_interval
from factory.validation.metric import LINE, Row, certain_row, metric
from factory.validation_spec import Gate

Bools = NDArray[np.bool_]
Differ = Callable[[Served, str, str, NDArray[np.int64]], NDArray[np.float64]]
"""What differs between the groups of one name, in the answers of one side, for each of (draws, rows): (draws,)."""

HOW = (
    "histogram gradient boosting on synthetic and on as many real rows, both tried on the holdout: the former's difference less the "
    "latter's, the worst of the declared groups, of each between its values with 30 held-out rows (10 of a true answer, for rates of it), "
    "unknown where one has fewer than two such values; 0 without groups or target"
)
TENTH = "one answer in ten more that depends on the group"


@metric(
    "fairness",
    "max",
    "how much more the share of favourable answers differs between groups in a model of the synthetic rows",
    f"demographic parity difference (Agarwal et al. 2018, arXiv:1803.02453), the rarer class being favourable, for two classes; {HOW}",
    f"{PAIRED}, simultaneous over groups (Bonferroni)",
    of="columns",
    gate=Gate(max=0.1),
    because=TENTH,
)
def column_parity(columns: Columns) -> Iterator[Row]:
    yield from _compare(columns, _parity, binary=True)


@metric(
    "fairness",
    "max",
    "how much more the rates of true or false positives differ between groups in a model of the synthetic rows",
    f"equalised odds difference, the larger of the two (Hardt et al. 2016, arXiv:1610.02413), for two classes; {HOW}",
    f"{PAIRED}, simultaneous over groups (Bonferroni)",
    of="columns",
    gate=Gate(max=0.1),
    because=TENTH,
)
def column_odds(columns: Columns) -> Iterator[Row]:
    yield from _compare(columns, _odds, binary=True)


@metric(
    "fairness",
    "max",
    "how much more the share of wrong answers differs between groups in a model of the synthetic rows",
    f"largest less smallest error of a group; {HOW}",
    f"{PAIRED}, simultaneous over groups (Bonferroni)",
    of="columns",
    gate=Gate(max=0.1),
    because=TENTH,
)
def column_error_gap(columns: Columns) -> Iterator[Row]:
    yield from _compare(columns, _errors, binary=False)


def _compare(columns: Columns, differ: Differ, *, binary: bool) -> Iterator[Row]:
    if not columns.groups or columns.target is None:
        yield certain_row(0.0, columns.synthetic.height) if columns.synthetic.height else Row(LINE, None)
        return
    served = serve(columns)
    if served is None or (binary and not served.binary):
        yield Row(LINE, None)
        return
    effects = {name: _exceed(columns, served, differ, name) for name in columns.groups}
    if None in effects.values():
        # What is not known of one declared group is not known of the worst.
        yield Row(LINE, None)
        yield from (each.row if each else Row(name, None) for name, each in effects.items())
        return
    yield from rows_of_groups(effects, "max", 0.0, served.size)


def _exceed(columns: Columns, served: Served, differ: Differ, name: str) -> Effect | None:
    """By how much more the groups of one name differ in the model of synthetic rows; None where too few rows were tried to say."""
    if columns.real[name].n_unique() < 2:
        return Effect(name, 0.0, lambda _: (0.0, 0.0), served.size)
    value, drawn = (
        differ(served, "synthetic", name, at) - differ(served, "real", name, at) for at in (np.arange(served.size)[None], served.draws())
    )
    if not np.isfinite(value[0]):
        return None
    return Effect(name, float(value[0]), lambda z: normal_interval(float(value[0]), drawn, -1.0, 1.0, z), served.size)


def _parity(served: Served, side: str, name: str, at: NDArray[np.int64]) -> NDArray[np.float64]:
    return _spread(served, name, at, served.chosen[side], np.ones(served.size, dtype=bool))


def _odds(served: Served, side: str, name: str, at: NDArray[np.int64]) -> NDArray[np.float64]:
    rates = [_spread(served, name, at, served.chosen[side], truth, LEAST_CASES) for truth in (served.positive, ~served.positive)]
    return np.maximum(*rates)


def _errors(served: Served, side: str, name: str, at: NDArray[np.int64]) -> NDArray[np.float64]:
    return _spread(served, name, at, ~served.right[side], np.ones(served.size, dtype=bool))


def _spread(served: Served, name: str, at: NDArray[np.int64], hits: Bools, among: Bools, least: int = LEAST_GROUP) -> NDArray[np.float64]:
    """Largest less smallest share of hits, between the groups with `least` rows, among the rows that `among` names; (draws,).

    NaN where fewer than two groups have so many: nothing can be said then.
    """
    labels = served.groups[name]
    rates = []
    for label in sorted(set(labels)):
        member = (labels == label) & among
        if member.sum() < least:
            continue
        drawn = member[at]
        rates.append((hits[at] & drawn).sum(axis=1) / np.maximum(drawn.sum(axis=1), 1))
    return np.ptp(np.array(rates), axis=0) if len(rates) > 1 else np.full(at.shape[0], np.nan)
