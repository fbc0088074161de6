"""Tokens a second of a phase on packed rows against the same phase on padded ones. From the project's folder:

    .venv/bin/python bench/packing.py
    .venv/bin/python bench/packing.py --student FOLDER --records 4000 --batch 16 --rounds 5

The records are problems of the bundled writers, as in bench/training.py. A packed batch is as many rows of --length tokens as --batch
records of the mean length fill, so that a step of either reads about as much. Timed is the training from the end of the first step to the
end of the last; tokens are those of records, without padding. Each round runs both in turn. The load of the machine is told first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import polars as pl
import torch
from training import count_tokens, write_records

from factory.training import train_phase
from factory.training_spec import PhaseSpec


def time_phase(phase: PhaseSpec, records: pl.DataFrame, student: str) -> tuple[float, int]:
    """Tokens a second of a phase, and its steps."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        trained = train_phase(phase, records, student, Path(folder), 1, on_step=lambda *_: ends.append(time.perf_counter()))
    read = trained.tokens * (phase.epochs or 0) * (trained.steps - 1) / trained.steps
    return read / (ends[-1] - ends[0]), trained.steps


def main() -> None:
    """Parses the arguments, runs both in turn, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="pico-student", help="a bundled name or a folder")
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=16, help="records of a padded batch")
    parser.add_argument("--length", type=int, default=320, help="tokens of a packed row")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    records = write_records(options.records)
    mean = count_tokens(records, options.student) / options.records
    batches = {"padded": options.batch, "packed": max(1, round(options.batch * mean / options.length))}
    print(f"load {os.getloadavg()[0]:.1f}, {options.threads} threads, {mean:.0f} tokens a record, batches of {batches}", flush=True)
    seen: dict[str, list[float]] = {name: [] for name in batches}
    steps: dict[str, int] = {}
    for _ in range(options.rounds):
        for name, batch in batches.items():
            settings = {"epochs": options.epochs, "batch_size": batch, "max_length": options.length, "packing": name == "packed"}
            rate, steps[name] = time_phase(PhaseSpec(name="bench", save_steps=10**9, **settings), records, options.student)
            seen[name].append(rate)
            print(f"{name}: {rate:,.0f} tokens/s", flush=True)
    print("\n| rows | tokens/s, median | least to most | steps |\n|---|---|---|---|")
    for name, rates in seen.items():
        print(f"| {name} | {statistics.median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} | {steps[name]} |")


if __name__ == "__main__":
    main()
