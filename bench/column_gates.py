"""What the default gates of column fidelity let pass and catch: clean halves of real rows, and planted faults.

    python bench/column_gates.py FOLDER [--splits 50] [--repeats 5] [--rows 500 5000 16000]

FOLDER holds UCI Adult (`adult.data`). Clean: the rows of two random halves that share none; a false alarm is any blocking
gate that fails. A fault is planted into the second half, of a column drawn anew each time where it is of one column.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from adult import KINDS, read_adult

from factory.validation.columns.table import Columns
from factory.validation.gates import list_default_gates
from factory.validation.metric import METRICS

Plant = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]
NUMBERS = ("age", "fnlwgt", "education_num", "hours_per_week")
"""Numbers that vary: 92 and 95 % of capital_gain and capital_loss are 0."""


def shuffle(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Every column on its own."""
    return rows.select(column.gather(rng.permutation(rows.height)) for column in rows.get_columns())


def shift(by: float) -> Plant:
    """A number's mean by so many standard deviations."""

    def plant(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        column = pl.col(rng.choice(NUMBERS))
        return rows.with_columns(column + by * column.std())

    return plant


def drop_tails(share: float) -> Plant:
    """The rows at either end of a number, and others in their place."""

    def plant(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        column = str(rng.choice(NUMBERS))
        low, high = (rows[column].quantile(level, "lower") for level in (share, 1 - share))
        kept = rows.filter(pl.col(column).is_between(low, high))
        return kept[rng.integers(kept.height, size=rows.height)]

    return plant


def lose_group(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """A category that 8 to 15 % of the rows have, and others in their place."""
    counted = [
        (name, value, count) for name, kind in KINDS.items() if kind == "category" for value, count in rows[name].value_counts().rows()
    ]
    of_a_tenth = sorted((name, value) for name, value, count in counted if value and 0.08 < count / rows.height < 0.15)
    name, value = of_a_tenth[rng.integers(len(of_a_tenth))]
    kept = rows.filter(pl.col(name).ne_missing(value))
    return kept[rng.integers(kept.height, size=rows.height)]


def repeat(share: float) -> Plant:
    """One row in place of a share of them."""

    def plant(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        order = np.arange(rows.height)
        order[: int(share * rows.height)] = rng.integers(rows.height)
        return rows[order]

    return plant


FAULTS: dict[str, Plant] = {
    "columns shuffled": shuffle,
    **{f"a mean shifted by {by:g} sd": shift(by) for by in (0.3, 0.5, 1.0)},
    **{f"tails of {share:.0%} dropped": drop_tails(share) for share in (0.05, 0.1, 0.2)},
    "a group of a tenth missing": lose_group,
    **{f"one row as {share:.0%}": repeat(share) for share in (0.1, 0.3, 0.6)},
}


def failed(columns: Columns) -> list[str]:
    """The default gates of column fidelity that these rows fail, by the metric's name."""
    names = []
    for key, gate in list_default_gates("columns").items():
        each = METRICS[key]
        if each.report != "fidelity":
            continue
        row = next(iter(each.measure(columns)))
        low, high = (row.value if end is None else end for end in (row.low, row.high))
        if low is None or high is None or (low > gate.threshold if gate.side == "max" else high < gate.threshold):
            names.append(each.name)
    return names


def measure(rows: pl.DataFrame, size: int, times: int, plant: Plant | None) -> Counter[tuple[str, ...]]:
    """How often which gates failed, over seeded splits."""
    seen: Counter[tuple[str, ...]] = Counter()
    for seed in range(times):
        drawn = rows.sample(2 * size, shuffle=True, seed=seed)
        real, synthetic = drawn[:size], drawn[size:]
        if plant:
            synthetic = plant(synthetic, np.random.default_rng(seed))
        seen[tuple(failed(Columns(real, synthetic, real.clear(), KINDS)))] += 1
    return seen


def main() -> None:
    """Parses the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 5_000, 16_000])
    options = parser.parse_args()
    rows = read_adult(options.folder)
    print("| planted | rows a side | failed | gates that fail, with how often |\n|---|---|---|---|")
    for name, plant in {"nothing": None, **FAULTS}.items():
        for size in options.rows:
            times = options.repeats if plant else options.splits
            seen = measure(rows, size, times, plant)
            gates = Counter(gate for gates, count in seen.items() for gate in gates for _ in range(count))
            listed = ", ".join(f"{gate} {count}" for gate, count in gates.most_common())
            print(f"| {name} | {size:,} | {times - seen[()]} of {times} | {listed} |", flush=True)


if __name__ == "__main__":
    main()
