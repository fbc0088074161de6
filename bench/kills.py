"""Ten SIGKILLs at random moments of a training of two phases: the students end at the bytes of the run without kills. From the project's
folder:

    .venv/bin/python bench/kills.py

A process trains `facts` and, from its student, `skills`, which replays half of the data of `facts`; it tells each step. It is killed from
outside, a random part of two steps after a step that was drawn, and started again. Both runs are on one thread of a CPU; the script ends
with an error where a file differs.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.problems import write_problem
from factory.records import TURNS
from factory.training_spec import DataSpec, PhaseSpec

FACTS = ("addition", "subtraction", "largest_number", "multiplication")
SKILLS = ("reverse_words", "sort_words", "convert_units", "count_words", "add_days")
SETTINGS = {"epochs": 2, "batch_size": 8, "save_steps": 7}
PLAN = (
    PhaseSpec(name="facts", data=(DataSpec(kinds=("foundational",)),), **SETTINGS),
    PhaseSpec(name="skills", data=(DataSpec(kinds=("compositional",)),), replay=0.5, select="last", **SETTINGS),
)
SEED = 17


@dataclass(frozen=True)
class Run:
    """The steps that a process told, phase and step each, when the first and the last came, and how the process ended."""

    told: list[tuple[str, int]]
    seconds: float
    code: int


def write_records(of_each: int) -> pl.DataFrame:
    """Problems of both kinds with what training reads, the same in every process."""
    rng, rows = random.Random(SEED), []
    for kind, writers in (("foundational", FACTS), ("compositional", SKILLS)):
        for number, writer in enumerate(sorted(writers * of_each)):
            problem = write_problem(writer, rng)
            texts = {"instruction": problem.instruction, "response": problem.response, "context": None}
            rows.append({"record_id": f"{kind}{number:05d}", "leaf": f"{kind}_skills/{writer}", "kind": kind} | texts)
    return pl.DataFrame(rows, schema_overrides={"context": pl.String}).with_columns(turns=pl.lit(None, TURNS))


def train(folder: Path, student: str, of_each: int) -> None:
    """Both phases in this process, telling each step."""
    import torch

    from factory.training import choose_data, train_phase

    torch.set_num_threads(1)
    base, records = student, write_records(of_each)
    for number, phase in enumerate(PLAN):
        data = choose_data(PLAN, number, records, student, SEED)
        tell = lambda step, *_, name=phase.name: print(name, step, flush=True)  # noqa: E731
        base = str(train_phase(phase, data.records, base, folder / phase.name, SEED, tell).folder)


def run(folder: Path, options: argparse.Namespace, places: Sequence[tuple[str, int]], moment: int | None = None, delay: float = 0.0) -> Run:
    """A process that trains in `folder`; killed `delay` seconds after the step `moment` of `places`, or the first after it that is told."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        __file__,
        "--train",
        str(folder),
        "--student",
        options.student,
        "--of-each",
        str(options.of_each),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    told: list[tuple[str, int]] = []
    times: list[float] = []
    killed = False
    for line in process.stdout or ():
        phase, step = line.split()
        told.append((phase, int(step)))
        times.append(time.perf_counter())
        if moment is not None and not killed and places.index(told[-1]) >= moment:
            time.sleep(delay)
            process.kill()
            killed = True
    return Run(told, times[-1] - times[0] if times else 0.0, process.wait())


def compare_folders(whole: Path, killed: Path) -> int:
    """How many files both hold; ends with an error where one is missing or differs."""
    files = [{file.relative_to(folder) for file in folder.rglob("*") if file.is_file()} for folder in (whole, killed)]
    if files[0] != files[1]:
        sys.exit(f"does not hold: the folders hold the same files; {sorted(map(str, files[0] ^ files[1]))} are in one alone")
    if differ := [str(file) for file in sorted(files[0]) if (whole / file).read_bytes() != (killed / file).read_bytes()]:
        sys.exit(f"does not hold: the files are the same, byte for byte; {differ} differ")
    return len(files[0])


def survive(options: argparse.Namespace, work: Path) -> None:
    """The run without kills, then that with kills, and the table of kills."""
    whole = run(work / "whole", options, ())
    if whole.code:
        sys.exit(f"the run without kills ended with {whole.code}: try `--train FOLDER` to see why")
    places, draw = whole.told, random.Random(options.seed)
    each = whole.seconds / (len(places) - 1)
    counts = ", ".join(f"{phase.name} of {sum(name == phase.name for name, _ in places)} steps" for phase in PLAN)
    print(f"{counts}; a checkpoint each {SETTINGS['save_steps']} steps")
    print("\n| kill | in phase | at step | went on after | steps lost |\n|---|---|---|---|---|")
    moments, last, lost = sorted(draw.sample(range(len(places)), options.kills)), None, 0
    for number, moment in enumerate([*moments, None], 1):
        seen = run(work / "killed", options, places, moment, draw.uniform(0, 2 * each))
        if last is not None:
            # A process that told no step had nothing left to do, or was killed before its first step.
            first = places.index(seen.told[0]) if seen.told else len(places)
            again = max(0, places.index(last) + 1 - first)
            lost += again
            after = f"{places[first - 1][0]} {places[first - 1][1]}" if first else "the base"
            print(f"| {number - 1} | {last[0]} | {last[1]} | {after} | {again} |", flush=True)
        if seen.code != (0 if moment is None else -signal.SIGKILL):
            sys.exit(f"process {number} ended with {seen.code} before it was killed: take another --seed")
        last = seen.told[-1] if seen.told else last
    files = compare_folders(work / "whole", work / "killed")
    print(f"\n- {options.kills} kills, {lost} of {len(places)} steps done again")
    print(f"- all {files} files of both phases, weights among them, are those of the run without kills, byte for byte")


def main() -> None:
    """Parses the arguments and runs both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="pico-student", help="a bundled name or a folder")
    parser.add_argument("--of-each", type=int, default=40, help="records of each of the nine problem writers")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=SEED, help="of the moments")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.student, options.of_each)
        return
    with tempfile.TemporaryDirectory() as folder:
        survive(options, Path(folder))


if __name__ == "__main__":
    main()
