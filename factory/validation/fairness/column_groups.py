"""Whether a table has the groups of the real population, each by itself and crossed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from factory.validation.columns.cells import count_cells, cross_groups, label_groups
from factory.validation.columns.effects import Effect, list_effects, ratio_limits
from factory.validation.columns.table import Columns
from factory.validation.distances import total_variation
from factory.validation.fairness.groups import CELL, LEAST_SHARE, rows_of_groups
from factory.validation.fairness.selection import RATIO
from factory.validation.intervals import RESAMPLES, normal_interval, seeded
from factory.validation.metric import LINE, Row, certain_row, metric
from factory.validation_spec import Gate


@metric(
    "fairness",
    "max",
    "shift of the mix of a declared group from that of the real rows, for the table the worst of them",
    "total variation corrected for chance as (d - e)/(1 - e) (Hubert & Arabie 1985); 0 without groups",
    "normal, standard error of 200 bootstrap draws of both sides, simultaneous over groups (Bonferroni)",
    of="columns",
    gate=Gate(max=0.1),
    because="a group of a tenth of the population that is gone moves 0.1",
)
def column_group_shift(columns: Columns) -> Iterator[Row]:
    real, synthetic = _label_sides(columns)
    effects = {name: _shift(name, count_cells(real[name], synthetic[name])) for name in columns.groups}
    yield from rows_of_groups(effects, "max", 0.0, columns.synthetic.height)


@metric(
    "fairness",
    "min",
    "how far the least represented cell of all declared groups crossed is represented, against the real rows",
    "share among the synthetic rows over share among the real ones, the least of the cells of at least 2 % of "
    "the real rows; 1 without groups",
    f"{RATIO}, simultaneous over cells (Bonferroni)",
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
    if not synthetic:
        yield Row(LINE, None)
        return
    effects = [
        _measure_cell(f"{CELL}{cell}", made, synthetic, there, real)
        for cell, there, made in large.select("cell", "real", "synthetic").iter_rows()
    ]
    yield from list_effects(effects, "min", measured=bool(effects))


def _measure_cell(subject: str, made: int, synthetic: int, there: int, real: int) -> Effect:
    def limits(z: float) -> tuple[float, float]:
        low, high = ratio_limits(made, synthetic, there, real, z)
        return float(low), float(high)

    return Effect(subject, made / synthetic / (there / real), limits, synthetic)


def _label_sides(columns: Columns) -> list[pl.DataFrame]:
    return [label_groups(frame, columns.real, columns.kinds, columns.groups) for frame in (columns.real, columns.synthetic)]


def _shift(name: str, counts: pl.DataFrame) -> Effect | None:
    sides = [counts[side].to_numpy().astype(float) for side in ("synthetic", "real")]
    sizes = [int(side.sum()) for side in sides]
    if not all(sizes):
        return None
    rng = seeded(f"fairness:columns:{name}")
    pooled = sum(sides) / sum(sizes)
    chance = float(total_variation(*(rng.multinomial(size, pooled, RESAMPLES) / size for size in sizes)).mean())
    scale = max(1.0 - chance, 1e-9)
    raw = float(total_variation(*(side[None] / size for side, size in zip(sides, sizes, strict=True)))[0])
    drawn = total_variation(*(rng.multinomial(size, side / size, RESAMPLES) / size for side, size in zip(sides, sizes, strict=True)))
    value = (raw - chance) / scale

    def limits(z: float) -> tuple[float, float]:
        low, high = normal_interval(value, np.asarray(drawn) / scale, highest=1.0, z=z)
        return low, max(0.0, high)

    return Effect(name, max(0.0, value), limits, sizes[0])
