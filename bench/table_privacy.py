"""What the privacy gates of tables catch and what they let pass: clean splits of UCI Adult, and splits with copied or edited rows in them.
Run from the project's folder, with a folder that has adult.data and adult.test:

.venv/bin/python bench/table_privacy.py FOLDER                        # the table of catches and passes, 50 clean splits of each size
.venv/bin/python bench/table_privacy.py FOLDER --attacks              # figures of the attacks on one split, for a comparison

Each split has three parts of one size: real, "synthetic" and holdout; a synthetic part of other real rows is the best that a generator
could make. A copy replaces a synthetic row by a row of the real part in which some columns are edited, for each row others: a number moves
by a normal step of a tenth of its standard deviation, and by 1 at the least, a category becomes any other.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from factory.validation.columns.closeness import take_samples
from factory.validation.columns.table import TYPES, Columns
from factory.validation.gates import decide_gates, failed_gates
from factory.validation.privacy.column_attacks import infer
from factory.validation.privacy.column_risk import find_risk
from factory.validation.reports import METRICS, measure_report
from factory.validation_spec import Kind, ValidationSpec

NAMES = """age workclass fnlwgt education education_num marital_status occupation relationship race sex capital_gain capital_loss
hours_per_week native_country income""".split()
NUMBERS = {"age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"}
KINDS: dict[str, Kind] = {name: "number" if name in NUMBERS else "category" for name in NAMES}
QUASI_IDENTIFIERS = ("age", "sex", "race", "native_country", "marital_status")
SENSITIVE = ("income", "occupation")
SIZES = (2_000, 10_000)
EDITS = (0, 1, 2, 3)
SHARES = (0.05, 0.2, 0.5)
STEP = 0.1


def read_adult(folder: Path) -> pl.DataFrame:
    """All rows of both files, typed; the sign of a missing value is null."""
    lines = [line.strip().rstrip(".") for name in ("adult.data", "adult.test") for line in (folder / name).read_text().splitlines()]
    rows = [[None if value.strip() == "?" else value.strip() for value in line.split(",")] for line in lines if line.count(",") == 14]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String), orient="row")
    return frame.with_columns(pl.col(name).cast(TYPES[kind]) for name, kind in KINDS.items())


def split_table(adult: pl.DataFrame, size: int, seed: int) -> Columns:
    """Three parts of other rows each."""
    rows = adult.sample(3 * size, shuffle=True, seed=seed)
    kinds = {name: KINDS[name] for name in adult.columns}
    known = [tuple(name for name in names if name in kinds) for names in (QUASI_IDENTIFIERS, SENSITIVE)]
    return Columns(rows[:size], rows[size : 2 * size], rows[2 * size :], kinds, *known)


def plant_copies(table: Columns, share: float, edits: int, seed: int) -> Columns:
    """The table with a share of its synthetic rows copied from the real ones, each with so many columns edited."""
    rng = np.random.default_rng(seed)
    count = round(share * table.synthetic.height)
    originals = table.real[rng.choice(table.real.height, count, replace=count > table.real.height)]
    edited = np.argsort(rng.random((count, len(table.kinds))), axis=1) < edits
    columns = []
    for at, (name, kind) in enumerate(table.kinds.items()):
        if kind == "number":
            step = STEP * table.real[name].std() * rng.standard_normal(count)
            other = originals[name] + np.sign(step) * np.ceil(np.abs(step))
        else:
            values = table.real[name].unique().sort()
            other = values[(values.search_sorted(originals[name]) + rng.integers(1, len(values), count)) % len(values)]
        columns.append(pl.select(pl.when(pl.Series(edited[:, at])).then(other).otherwise(originals[name]).alias(name)).to_series())
    synthetic = pl.concat([pl.DataFrame(columns), table.synthetic[count:]])
    return Columns(table.real, synthetic, table.holdout, table.kinds, table.quasi_identifiers, table.sensitive)


def judge(table: Columns) -> tuple[pl.DataFrame, set[str]]:
    """The rows of the privacy report, and the gates that fail."""
    metrics = measure_report("privacy", table)
    gates = decide_gates(metrics, ValidationSpec(), date(2026, 1, 1), of="columns").filter(pl.col("report") == "privacy")
    return metrics, set(failed_gates(gates)["metric"])


def show_catches(adult: pl.DataFrame, sizes: list[int], splits: int) -> None:
    gates = [each.name for each in METRICS.values() if each.of == "columns" and each.report == "privacy" and each.gate]
    print("gates:", ", ".join(gates))
    for size in sizes:
        started, clean = time.perf_counter(), [judge(split_table(adult, size, seed)) for seed in range(splits)]
        failures = [failed for _, failed in clean]
        print(f"\n{size} rows, {len(adult.columns)} columns, clean: {sum(not each for each in failures)} of {splits} splits pass", end=" ")
        print(f"({(time.perf_counter() - started) / splits:.1f} s each)")
        for gate in gates:
            ends = [metrics.filter((pl.col("metric") == gate) & (pl.col("subject") == "line"))["high"].item() for metrics, _ in clean]
            print(f"  {gate}: fails {sum(gate in each for each in failures)}; upper end median {np.median(ends):.4f}, most {max(ends):.4f}")
        for edits in EDITS:
            for share in SHARES:
                _, failed = judge(plant_copies(split_table(adult, size, 1_000), share, edits, 7))
                print(f"  {share:.0%} copied, {edits} columns edited: {', '.join(sorted(failed)) or 'PASSES'}", flush=True)


def show_attacks(adult: pl.DataFrame) -> None:
    """Risks of one split, clean and half copied, each secret attacked with all targets."""
    for share in (0.5, 0.0):
        table = plant_copies(split_table(adult, SIZES[0], 1_000), share, 0, 7)
        for name in ("singling_out_by_one", "singling_out", "linkability"):
            row = next(iter(METRICS[f"privacy.{name}"].measure(table)))
            print(f"{share:.0%} copied, {name}: {row.value:.3f} ({row.low:.3f} to {row.high:.3f})")
        samples = take_samples(table)
        assert samples is not None
        for secret in SENSITIVE:
            risk, low, high = find_risk(infer(table, samples, [secret])[secret])
            print(f"{share:.0%} copied, attribute_inference of {secret}: {risk:.3f} ({low:.3f} to {high:.3f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--without", nargs="*", default=[], help="columns to leave out; fnlwgt tells nearly every person from all others")
    parser.add_argument("--attacks", action="store_true")
    options = parser.parse_args()
    if options.attacks:
        show_attacks(read_adult(options.folder))
        return
    show_catches(read_adult(options.folder).drop(options.without), options.sizes, options.splits)


if __name__ == "__main__":
    main()
