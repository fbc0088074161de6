"""Whether a table has the groups of the real population, each by itself and crossed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from factory.validation.columns.cells import count_cells, cross_groups, label_groups
from factory.validation.columns.table import Columns
from factory.validation.distances import total_variation
from factory.validation.fairness.groups import LEAST_SHARE, worst_row
from factory.validation.fairness.selection import KATZ
from factory.validation.intervals import RESAMPLES, normal_interval, rate_ratio, seeded
from factory.validation.metric import LINE, Row, certain_row, metric
from factory.validation_spec import Gate


@metric(
    "fairness",
    "max",
    "shift of the mix of a declared group from that of the real rows, for the table the worst of them",
    "total variation corrected for chance as (d - e)/(1 - e) (Hubert & Arabie 1985); 0 without groups",
    "normal, standard error of 200 bootstrap draws of both sides",
    of="columns",
    gate=Gate(max=0.1),
    because="a group of a tenth of the population that is gone moves 0.1",
)
def column_group_shift(columns: Columns) -> Iterator[Row]:
    real, synthetic = _label_sides(columns)
    rows = [_shift(name, count_cells(real[name], synthetic[name])) for name in columns.groups]
    yield worst_row(rows, max, 0.0, columns.synthetic.height)
    yield from rows


@metric(
    "fairness",
    "min",
    "how far the least represented cell of all declared groups crossed is represented, against the real rows",
    "share among the synthetic rows over share among the real ones, the cell of at least 2 % of the real rows that is surest to be too "
    "small; 1 without groups",
    KATZ,
    of="columns",
    gate=Gate(min=0.8),
    because="the four-fifths rule, read for representation (29 CFR 1607.4 D)",
)
def column_cell_share(columns: Columns) -> Iterator[Row]:
    if not columns.groups:
        yield certain_row(1.0, columns.synthetic.height) if columns.synthetic.height else Row(LINE, None)
        return
    counts = count_cells(*(cross_groups(labels) for labels in _label_sides(columns)))
    real, synthetic = columns.real.height, columns.synthetic.height
    large = counts.filter(pl.col("real") >= LEAST_SHARE * real)
    if large.is_empty() or not synthetic:
        yield Row(LINE, None)
        return
    rows = [
        Row(cell, *rate_ratio(made, synthetic, there, real), synthetic)
        for cell, there, made in large.select("cell", "real", "synthetic").iter_rows()
    ]
    least = min(rows, key=lambda row: (row.high, row.subject))
    yield Row(LINE, least.value, least.low, least.high, synthetic)
    yield from rows


def _label_sides(columns: Columns) -> list[pl.DataFrame]:
    return [label_groups(frame, columns.real, columns.kinds, columns.groups) for frame in (columns.real, columns.synthetic)]


def _shift(name: str, counts: pl.DataFrame) -> Row:
    sides = [counts[side].to_numpy().astype(float) for side in ("synthetic", "real")]
    sizes = [int(side.sum()) for side in sides]
    if not all(sizes):
        return Row(name, None)
    rng = seeded(f"fairness:columns:{name}")
    pooled = sum(sides) / sum(sizes)
    chance = float(total_variation(*(rng.multinomial(size, pooled, RESAMPLES) / size for size in sizes)).mean())
    scale = max(1.0 - chance, 1e-9)
    raw = float(total_variation(*(side[None] / size for side, size in zip(sides, sizes, strict=True)))[0])
    drawn = total_variation(*(rng.multinomial(size, side / size, RESAMPLES) / size for side, size in zip(sides, sizes, strict=True)))
    value = (raw - chance) / scale
    low, high = normal_interval(value, np.asarray(drawn) / scale, highest=1.0)
    return Row(name, max(0.0, value), low, max(0.0, high), sizes[0])
