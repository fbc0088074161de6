"""Every metric of typed columns on a large table: time and peak memory, how they grow with rows, and two others beside. Run from the
project's folder, with a folder that holds UCI Adult (`adult.data`, `adult.test`):

.venv/bin/python bench/validation.py FOLDER                         # 10,000, 100,000 and 1,000,000 rows of 15 columns
.venv/bin/python bench/validation.py FOLDER --rows 1000 10000 --quality-rows 10000 --brute-rows 2000 --plot scaling.png

Real, synthetic and held-out rows are thirds of Adult that share none, repeated and jittered so that numbers have no value twice. Each
measurement is a process of its own on two cores, one after the other; its memory is that of its process group.
Beside: SDMetrics' QualityReport, and the distance of every synthetic row to its nearest real one over all pairs in numpy.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from adult import KINDS, read_adult

SIDES = ("real", "synthetic", "holdout")
CORES = 2
SEED_NUMBER = 7
JITTER = 0.05
"""Standard deviations of the noise on each number, and share of the categories that are drawn anew."""
Seen = dict[str, float]


def write_tables(folder: Path, adult: pl.DataFrame, rows: int) -> None:
    """Writes the three sides, each a third of Adult that is repeated and jittered to so many rows."""
    rng = np.random.default_rng(SEED_NUMBER)
    order = np.random.default_rng(SEED_NUMBER).permutation(adult.height)
    for name, part in zip(SIDES, np.array_split(order, len(SIDES)), strict=True):
        repeated = adult[part][rng.integers(part.size, size=rows)]
        jittered = [_jitter(column, adult[column.name], rng) for column in repeated.get_columns()]
        pl.DataFrame(jittered).write_parquet(folder / f"{name}.parquet")


def _jitter(column: pl.Series, whole: pl.Series, rng: np.random.Generator) -> pl.Series:
    if column.dtype == pl.Float64:
        return column + pl.Series(rng.normal(0, JITTER, column.len())) * float(np.std(whole.drop_nulls().to_numpy()))
    anew = whole[rng.integers(whole.len(), size=column.len())]
    return column.zip_with(pl.Series(rng.random(column.len()) >= JITTER), anew)


def run_ours(folder: Path) -> Seen:
    """All four reports; seconds of each, and of the metrics that take the longest."""
    from factory.validation.columns.table import Columns
    from factory.validation.metric import METRICS
    from factory.validation.reports import REPORTS

    columns = Columns(*(pl.read_parquet(folder / f"{name}.parquet") for name in SIDES), KINDS)
    seconds = {}
    for report in REPORTS:
        for key, each in METRICS.items():
            if each.report == report and each.of == "columns":
                began = time.perf_counter()
                list(each.measure(columns))
                seconds[key] = time.perf_counter() - began
    return seconds


def run_quality(folder: Path) -> Seen:
    """SDMetrics' QualityReport of all rows."""
    from sdmetrics.reports.single_table import QualityReport

    real, synthetic = (pl.read_parquet(folder / f"{name}.parquet").to_pandas().astype(_types()) for name in SIDES[:2])
    sdtypes = {"number": "numerical", "category": "categorical"}
    began = time.perf_counter()
    report = QualityReport()
    report.generate(real, synthetic, {"columns": {name: {"sdtype": sdtypes[kind]} for name, kind in KINDS.items()}}, verbose=False)
    return {"QualityReport": time.perf_counter() - began}


def _types() -> dict[str, str]:
    return {name: "object" for name, kind in KINDS.items() if kind == "category"}


def run_brute(folder: Path) -> Seen:
    """The mean Gower distance of each synthetic row to its nearest real row, over all pairs."""
    real, synthetic = (pl.read_parquet(folder / f"{name}.parquet") for name in SIDES[:2])
    numbers = [name for name, kind in KINDS.items() if kind == "number"]
    began = time.perf_counter()
    ranges = {name: float(real[name].max()) - float(real[name].min()) for name in numbers}  # type: ignore[arg-type]
    sides = [[(side[name] / ranges[name]).to_numpy() for name in numbers] for side in (real, synthetic)]
    codes: list[list[np.ndarray]] = [[], []]
    for name in KINDS.keys() - numbers:
        places = pl.concat([real[name], synthetic[name]]).fill_null("").rank("dense").to_numpy()
        codes[0].append(places[: real.height])
        codes[1].append(places[real.height :])
    nearest = np.empty(synthetic.height)
    for at in range(synthetic.height):
        apart = sum(np.abs(column - other[at]) for column, other in zip(*sides, strict=True))
        apart += sum(column != other[at] for column, other in zip(*codes, strict=True))
        nearest[at] = apart.min()
    print(f"mean distance to the nearest real row {nearest.mean() / len(KINDS):.4f}", file=sys.stderr)
    return {"brute-force DCR": time.perf_counter() - began}


ENGINES: dict[str, Callable[[Path], Seen]] = {
    "data-factory": run_ours,
    "SDMetrics QualityReport": run_quality,
    "brute-force DCR": run_brute,
}


def run_engine(name: str, folder: Path) -> None:
    """In a process of its own: measures, and writes what was seen."""
    seconds = ENGINES[name](folder)
    (folder / "seen.json").write_text(json.dumps({"seconds": seconds, "cpu": time.process_time(), "peak": _peak_of("self")}))


def _peak_of(process: str) -> float:
    """The most memory that a process ever held, in GB."""
    return int(Path(f"/proc/{process}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def _held_by_group(group: int) -> float:
    """What all processes of a group hold now, in GB."""
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[2]) == group:
                pages += int((stat.parent / "statm").read_text().split()[1])
        except (OSError, IndexError):  # it ended meanwhile
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def measure(name: str, folder: Path) -> tuple[float, float, float, dict[str, float]] | None:
    """Wall and processor seconds of a whole process, the peak of its group in GB, and its seconds by metric; None if it failed."""
    command = [sys.executable, __file__, "--engine", name, str(folder)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT"), str(CORES))
    (folder / "seen.json").unlink(missing_ok=True)
    began, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(command, env=os.environ | threads, start_new_session=True)
    while process.poll() is None:
        peak = max(peak, _held_by_group(process.pid))
        time.sleep(0.05)
    wall = time.perf_counter() - began
    if process.returncode:
        return None
    seen = json.loads((folder / "seen.json").read_text())
    return wall, seen["cpu"], max(peak, seen["peak"]), seen["seconds"]


def draw(grown: list[tuple[int, float, float]], file: Path) -> None:
    """Time and memory over rows, both axes logarithmic, with lines of slope 1."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows, seconds, memory = (np.array(each, dtype=float) for each in zip(*grown, strict=True))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, values, label in zip(axes, (seconds, memory), ("seconds", "peak GB"), strict=True):
        axis.loglog(rows, values, "o-", label="all metrics of columns")
        axis.loglog(rows, values[-1] * rows / rows[-1], "--", color="grey", label="linear in rows")
        axis.set(xlabel="rows", ylabel=label)
        axis.legend()
    figure.savefig(file, dpi=150)


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--quality-rows", type=int, default=1_000_000, help="rows for SDMetrics; 0 leaves it out")
    parser.add_argument("--brute-rows", type=int, default=20_000, help="rows for the brute-force distances; 0 leaves them out")
    parser.add_argument("--plot", type=Path, help="file for the plot of time and memory over rows")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        run_engine(options.engine, options.folder)
        return
    adult = pl.concat([read_adult(options.folder, part) for part in ("adult.data", "adult.test")])
    sizes = {"data-factory": options.rows, "SDMetrics QualityReport": [options.quality_rows], "brute-force DCR": [options.brute_rows]}
    grown, slowest = [], {}
    print("| engine | rows a side | measuring s | whole process s | CPU s | peak GB |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, counts in sizes.items():
            for rows in filter(None, counts):
                write_tables(Path(scratch), adult, rows)
                seen = measure(name, Path(scratch))
                if not seen:
                    print(f"| {name} | {rows:,} | failed | | | |", flush=True)
                    continue
                wall, cpu, peak, seconds = seen
                print(f"| {name} | {rows:,} | {sum(seconds.values()):.1f} | {wall:.1f} | {cpu:.1f} | {peak:.2f} |", flush=True)
                if name == "data-factory":
                    grown.append((rows, sum(seconds.values()), peak))
                    slowest = seconds
    print("\n| metric, at the most rows; what it shares with others counts where it is first | s |\n|---|---|")
    for key, took in sorted(slowest.items(), key=lambda each: -each[1])[:12]:
        print(f"| {key} | {took:.2f} |")
    if options.plot and grown:
        draw(grown, options.plot)


if __name__ == "__main__":
    main()
