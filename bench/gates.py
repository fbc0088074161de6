"""What the default gates catch and what they let pass: planted faults at three strengths, and clean splits of real data against real data.
Run from the project's folder:

.venv/bin/python bench/gates.py --adult FOLDER                              # all of it; FOLDER has adult.data and adult.test of UCI Adult
.venv/bin/python bench/gates.py --only texts --splits 10 --seeds 1          # a part, with fewer draws; texts need no folder

Tables are three random parts of UCI Adult that share no row, of which one stands for the synthetic rows and one is the holdout. Texts are
problems of the bundled taxonomy's writers, seed examples and records of a line, which share no problem. All default gates of the four
reports decide, with the roles of columns and the groups of leaves declared. Every draw is seeded: the same numbers give the same table.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import gates_tables
import gates_texts
import numpy as np
import polars as pl
from adult import read_adult
from planted import Fault, list_failed

from factory.validation.intervals import wilson
from factory.validation.metric import METRICS
from factory.validation.reports import REPORTS

FAULTS: dict[str, tuple[Fault[Any], ...]] = {"tables": gates_tables.FAULTS, "texts": gates_texts.FAULTS}
CLEAN = "nothing"
FIRST_FAULTY = 1_000
"""Seeds of splits with a fault begin here, so that they are none of the clean ones."""


class Case(NamedTuple):
    """One split to judge; `fault` is a name or CLEAN."""

    subject: str
    fault: str
    strength: str
    seed: int


class Judged(NamedTuple):
    case: Case
    failed: list[str]
    seconds: float


def list_cases(subjects: Iterable[str], splits: int, seeds: int) -> list[Case]:
    """The clean splits, then every fault at every strength."""
    cases = []
    for subject in subjects:
        cases += [Case(subject, CLEAN, "", seed) for seed in range(splits)]
        cases += [
            Case(subject, fault.name, strength, FIRST_FAULTY + seed)
            for fault in FAULTS[subject]
            for strength in fault.plants
            for seed in range(seeds)
        ]
    return cases


def judge(case: Case, folder: Path | None, rows: int) -> Judged:
    """Makes the split, plants the fault, and has every default gate decide."""
    started = time.perf_counter()
    if case.subject == "tables":
        assert folder is not None
        world: Any = gates_tables.split_adult(_read_all(folder), rows, case.seed)
    else:
        world = gates_texts.split_problems(case.seed)
    if case.fault != CLEAN:
        fault = next(each for each in FAULTS[case.subject] if each.name == case.fault)
        world = fault.plants[case.strength](world, np.random.default_rng(case.seed))
    return Judged(case, sorted(list_failed(world)), time.perf_counter() - started)


@cache
def _read_all(folder: Path) -> pl.DataFrame:
    return pl.concat([read_adult(folder, part) for part in ("adult.data", "adult.test")])


def judge_all(cases: list[Case], folder: Path | None, rows: int, processes: int) -> Iterator[Judged]:
    """The cases as they are done, with a line of progress every so often."""
    started = time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done, future in enumerate(as_completed([pool.submit(judge, case, folder, rows) for case in cases]), start=1):
            judged = future.result()
            if done % 10 == 0 or done == len(cases):
                print(f"{done} of {len(cases)}, {time.perf_counter() - started:.0f} s", flush=True)
            yield judged


def write_catches(subject: str, judged: list[Judged]) -> Iterator[str]:
    """Rows of the table of catches, in the order of the faults."""
    yield f"| planted into {subject} | strength | caught | by a gate that is there for it | gates that fail, with how often |"
    yield "|---|---|---|---|---|"
    for fault in FAULTS[subject]:
        for strength in fault.plants:
            seen = [set(each.failed) for each in judged if each.case[:3] == (subject, fault.name, strength)]
            counts = Counter(key for failed in seen for key in failed)
            by_name = sorted(counts.items(), key=lambda item: (item[0] not in fault.spoken_of_by, -item[1], item[0]))
            listed = ", ".join(
                f"{'**' if key in fault.spoken_of_by else ''}{key}{'**' if key in fault.spoken_of_by else ''} {n}" for key, n in by_name
            )
            spoken = sum(bool(failed & set(fault.spoken_of_by)) for failed in seen)
            yield f"| {fault.name} | {strength} | {sum(map(bool, seen))} of {len(seen)} | {spoken} | {listed} |"


def write_alarms(subject: str, judged: list[Judged]) -> Iterator[str]:
    """Rows of the table of false alarms: clean splits in which any gate of a report, or of all four, fails."""
    clean = [each.failed for each in judged if each.case[:2] == (subject, CLEAN)]
    for report in (*REPORTS, "all four"):
        alarms = [[key for key in failed if report == "all four" or key.startswith(f"{report}.")] for failed in clean]
        hits = sum(map(bool, alarms))
        low, high = wilson(hits, len(clean))
        counted = Counter(key for keys in alarms for key in keys)
        listed = ", ".join(f"{key} {count}" for key, count in counted.most_common())
        yield f"| {subject} | {report} | {hits} of {len(clean)} | {hits / len(clean):.1%} | {low:.1%} to {high:.1%} | {listed} |"


def write_tables(judged: list[Judged], subjects: Iterable[str]) -> str:
    """Both tables as Markdown."""
    lines = ["| clean splits of | report | false alarms | share | 95 % interval | gates |", "|---|---|---|---|---|---|"]
    for subject in subjects:
        lines += write_alarms(subject, judged)
    for subject in subjects:
        lines += ["", *write_catches(subject, judged)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parses the arguments, judges all cases, and writes the tables as Markdown and what was seen as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adult", type=Path, help="the folder of UCI Adult, which tables need")
    parser.add_argument("--only", choices=list(FAULTS))
    parser.add_argument("--splits", type=int, default=50, help="clean splits")
    parser.add_argument("--seeds", type=int, default=5, help="splits of each fault at each strength")
    parser.add_argument("--rows", type=int, default=2_000, help="rows of each part of a table")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path("gates.json"), help="where to write which gates failed in which split")
    options = parser.parse_args()
    subjects = [options.only] if options.only else list(FAULTS)
    if "tables" in subjects and options.adult is None:
        parser.error("tables need --adult FOLDER; without it, --only texts")
    for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, "1")
    started = time.perf_counter()
    judged = list(judge_all(list_cases(subjects, options.splits, options.seeds), options.adult, options.rows, options.processes))
    seen = [each.case._asdict() | {"failed": each.failed, "seconds": round(each.seconds, 2)} for each in sorted(judged)]
    options.json.write_text(json.dumps({"gates": sorted(key for key, each in METRICS.items() if each.gate), "cases": seen}, indent=1))
    print(write_tables(judged, subjects))
    print(f"{len(judged)} splits in {time.perf_counter() - started:.0f} s on {options.processes} processes")


if __name__ == "__main__":
    main()
