"""What privacy gates of tables have to spare: upper ends of their intervals on random splits of UCI Adult, clean and with rows copied.
Run from the project's folder, with a folder that has adult.data and adult.test:

.venv/bin/python bench/table_shown.py FOLDER gates --sizes 2000 2000 2000 --sensitive occupation --splits 50  # train, holdout, synthetic
.venv/bin/python bench/table_shown.py FOLDER holdout --sizes 8000 2000 8000  # a small holdout
.venv/bin/python bench/table_shown.py FOLDER secrets --sizes 4000 4000 4000 --sensitive income occupation  # secrets easily guessed
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from adult import KINDS, read_adult
from gates_tables import copy_rows

from factory.validation.columns.table import Columns
from factory.validation.reports import METRICS

GATED = (
    "identical_rows_excess",
    "closer_to_train",
    "near_copies",
    "close_rows",
    "singling_out",
    "linkability",
    "attribute_inference",
    "membership_auc",
    "membership_at_one_percent",
)
ASKED = {"gates": GATED, "holdout": ("near_copies", "close_rows"), "secrets": ("attribute_inference",)}
PLANTED: dict[str, dict[str, Callable[..., Columns]]] = {
    "gates": {f"{share:.0%} copied, {edits} columns edited": copy_rows(share, edits) for share in (0.05, 0.2, 0.5) for edits in range(4)},
    "holdout": {"5% copied, 2 columns edited": copy_rows(0.05, 2), "5% copied, 3 columns edited": copy_rows(0.05, 3)},
    "secrets": {"20% copied": copy_rows(0.2, 0)},
}
FEW = 5
"""Splits of each planted case in the table of all gates, where clean ones are many."""


def split(adult: pl.DataFrame, sizes: list[int], sensitive: tuple[str, ...], seed: int) -> Columns:
    """Real, held-out and synthetic rows, all of them others."""
    rows = adult.sample(sum(sizes), shuffle=True, seed=seed)
    train, holdout, _ = sizes
    kinds = {name: kind for name, kind in KINDS.items() if name in rows.columns}
    return Columns(rows[:train], rows[train + holdout :], rows[train : train + holdout], kinds, sensitive=sensitive)


def measure(table: Columns, metrics: tuple[str, ...]) -> list[float]:
    """The upper end of each metric's interval; of a metric that tells several values apart, the first."""
    return [next(iter(METRICS[f"privacy.{metric}"].measure(table))).high for metric in metrics]


def main() -> None:
    """Parses the arguments and prints a row for each kind of table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("of", choices=ASKED)
    parser.add_argument("--sizes", type=int, nargs=3, default=[8_000, 2_000, 8_000], help="rows of train, holdout and synthetic")
    parser.add_argument("--sensitive", nargs="*", default=["income", "occupation"])
    parser.add_argument("--without", nargs="*", default=[], help="columns to leave out")
    parser.add_argument("--splits", type=int, default=8)
    options = parser.parse_args()
    adult = pl.concat([read_adult(options.folder, part) for part in ("adult.data", "adult.test")]).drop(options.without)
    metrics = ASKED[options.of]
    most = np.array([METRICS[f"privacy.{metric}"].gate.max for metric in metrics])  # type: ignore[union-attr]
    print("upper ends as median and most (clean) or least to most over the splits; gates in brackets", flush=True)
    for name, plant in {"clean": None, **PLANTED[options.of]}.items():
        highs = []
        for seed in range(min(options.splits, FEW) if plant and options.of == "gates" else options.splits):
            table = split(adult, options.sizes, tuple(options.sensitive), seed)
            highs.append(measure(plant(table, np.random.default_rng(seed)) if plant else table, metrics))
        ends = np.array(highs)
        failed = int((ends > most).any(axis=1).sum())
        from_to = np.quantile(ends, [0.0 if plant else 0.5, 1.0], axis=0).T
        told = ", ".join(
            f"{metric} {low:.3f} {high:.3f} [{gate:g}]" for metric, (low, high), gate in zip(metrics, from_to, most, strict=True)
        )
        print(f"{name}: {failed} of {len(highs)} fail; {told}", flush=True)


if __name__ == "__main__":
    main()
