"""Risks of the attacks on one split of UCI Adult, clean and with half of its rows copied, for a comparison with other programs.
Run from the project's folder, with a folder that has adult.data and adult.test:

.venv/bin/python bench/table_privacy.py FOLDER

What the gates catch and let pass is in bench/gates.py.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from adult import KINDS, read_adult

from factory.validation.columns.closeness import take_samples
from factory.validation.columns.table import Columns
from factory.validation.privacy.column_attacks import infer
from factory.validation.privacy.column_risk import find_risk
from factory.validation.reports import METRICS

QUASI_IDENTIFIERS = ("age", "sex", "race", "native_country", "marital_status")
SENSITIVE = ("income", "occupation")
SIZE = 2_000
SEED_NUMBER = 1_000


def split_table(adult: pl.DataFrame, copied: float) -> Columns:
    """Three parts of other rows each, a share of the synthetic ones copied from the real ones."""
    rows = adult.sample(3 * SIZE, shuffle=True, seed=SEED_NUMBER)
    real, synthetic, holdout = (rows[start : start + SIZE] for start in (0, SIZE, 2 * SIZE))
    count = round(copied * SIZE)
    copies = real[np.random.default_rng(7).choice(SIZE, count, replace=False)]
    return Columns(real, pl.concat([copies, synthetic[count:]]), holdout, KINDS, QUASI_IDENTIFIERS, SENSITIVE)


def main() -> None:
    """Parses the arguments and prints the risks, each secret attacked with all targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    adult = pl.concat([read_adult(options.folder, part) for part in ("adult.data", "adult.test")])
    for copied in (0.5, 0.0):
        table = split_table(adult, copied)
        for name in ("singling_out_by_one", "singling_out", "linkability"):
            row = next(iter(METRICS[f"privacy.{name}"].measure(table)))
            print(f"{copied:.0%} copied, {name}: {row.value:.3f} ({row.low:.3f} to {row.high:.3f})")
        samples = take_samples(table)
        assert samples is not None
        for secret in SENSITIVE:
            risk, low, high = find_risk(infer(table, samples, {secret: slice(None)})[secret])
            print(f"{copied:.0%} copied, attribute_inference of {secret}: {risk:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
