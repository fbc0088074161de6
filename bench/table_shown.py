"""What a small holdout, and a sensitive column that is easily guessed, let be shown: upper ends of privacy metrics on random splits of UCI
Adult, clean and with rows copied. Run from the project's folder, with a folder that has adult.data and adult.test:

.venv/bin/python bench/table_shown.py FOLDER holdout --sizes 8000 2000 8000    # train, holdout, synthetic
.venv/bin/python bench/table_shown.py FOLDER secrets --sizes 4000 4000 4000 --sensitive income occupation
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

ASKED = {"holdout": ("near_copies", "close_rows"), "secrets": ("attribute_inference",)}
PLANTED: dict[str, dict[str, Callable[..., Columns]]] = {
    "holdout": {"5 % copied, 2 columns edited": copy_rows(0.05, 2), "5 % copied, 3 columns edited": copy_rows(0.05, 3)},
    "secrets": {"20 % copied": copy_rows(0.2, 0)},
}


def split(adult: pl.DataFrame, sizes: list[int], sensitive: tuple[str, ...], seed: int) -> Columns:
    """Real, held-out and synthetic rows, all of them others."""
    rows = adult.sample(sum(sizes), shuffle=True, seed=seed)
    train, holdout, _ = sizes
    return Columns(rows[:train], rows[train + holdout :], rows[train : train + holdout], KINDS, sensitive=sensitive)


def main() -> None:
    """Parses the arguments and prints a row for each kind of table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("of", choices=ASKED)
    parser.add_argument("--sizes", type=int, nargs=3, default=[8_000, 2_000, 8_000], help="rows of train, holdout and synthetic")
    parser.add_argument("--sensitive", nargs="*", default=["income", "occupation"])
    parser.add_argument("--splits", type=int, default=8)
    options = parser.parse_args()
    adult = pl.concat([read_adult(options.folder, part) for part in ("adult.data", "adult.test")])
    for name, plant in {"clean": lambda table, _: table, **PLANTED[options.of]}.items():
        highs = []
        for seed in range(options.splits):
            table = plant(split(adult, options.sizes, tuple(options.sensitive), seed), np.random.default_rng(seed))
            highs.append([next(iter(METRICS[f"privacy.{metric}"].measure(table))).high for metric in ASKED[options.of]])
        ends = np.array(highs)
        most = np.array([METRICS[f"privacy.{metric}"].gate.max for metric in ASKED[options.of]])  # type: ignore[union-attr]
        failed = int((ends > most).any(axis=1).sum())
        told = ", ".join(
            f"{metric} {low:.3f} to {high:.3f}" for metric, low, high in zip(ASKED[options.of], ends.min(0), ends.max(0), strict=True)
        )
        print(f"{name}: {failed} of {options.splits} fail; upper ends of {told}", flush=True)


if __name__ == "__main__":
    main()
