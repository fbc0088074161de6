"""Tokens a second and peak memory of a phase against a bare script of TRL's SFTTrainer with the same settings. From the project's folder:

    .venv/bin/python bench/training.py
    .venv/bin/python bench/training.py --student FOLDER --records 4000 --epochs 1 --rounds 5

The records are problems of the bundled writers. Both tune all weights of one base on the assistant's tokens, with the same batch, rate,
schedule and epochs, no packing, and save once, at the end; each in a process of its own, in turn, so that what else the machine does falls
on both. Timed is the training alone: from the end of the first step to the end of the last, without imports; tokens of prompts count,
padding does not. Peak memory is that of the process. The load of the machine is told first.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from factory.problems import WRITERS, write_problem
from factory.records import VERDICT
from factory.training_spec import PhaseSpec

SIDES = ("phase", "trl")
RATE, WARMUP, LENGTH = 1e-3, 0.05, 320


def write_records(count: int) -> pl.DataFrame:
    """Problems of every writer in turn, with the columns of a release that are trained on."""
    names, rng = sorted(WRITERS), random.Random(7)
    problems = [write_problem(names[place % len(names)], rng) for place in range(count)]
    rows = [
        {"record_id": f"{place:08d}", "instruction": problem.instruction, "response": problem.response}
        for place, problem in enumerate(problems)
    ]
    return pl.DataFrame(rows, schema={name: VERDICT[name] for name in ("record_id", "instruction", "response", "context", "turns")})


class Clock:
    """When the first step ended and when the last did: what comes before the first end is warming up, on either side."""

    def __init__(self) -> None:
        self.first = self.last = 0.0

    def tick(self) -> None:
        self.last = time.perf_counter()
        self.first = self.first or self.last


def run_phase(records: pl.DataFrame, student: str, epochs: float, batch: int, folder: Path) -> tuple[float, int, float]:
    """Seconds between the ends of the first and the last step, steps, and the last loss."""
    from factory.training.sft import train_phase

    clock = Clock()
    spec = {"name": "bench", "epochs": epochs, "batch_size": batch, "learning_rate": RATE, "warmup_ratio": WARMUP, "max_length": LENGTH}
    trained = train_phase(PhaseSpec(**spec, save_steps=10**9), records, student, folder, 1, on_step=lambda *_: clock.tick())
    return clock.last - clock.first, trained.steps, trained.losses[-1][1]


def run_trl(records: pl.DataFrame, student: str, epochs: float, batch: int, folder: Path) -> tuple[float, int, float]:
    """The same by a script as TRL's documentation has it."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from factory.pico.models import resolve_model
    from factory.release.writer import chat_line

    clock = Clock()

    class Ticks(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
            clock.tick()

    rows = [chat_line(row | {"leaf": ""})["messages"] for row in records.iter_rows(named=True)]
    data = Dataset.from_list([{"prompt": messages[:-1], "completion": messages[-1:]} for messages in rows])
    settings = SFTConfig(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch,
        learning_rate=RATE,
        warmup_steps=math.ceil(WARMUP * epochs * len(rows) / batch),
        lr_scheduler_type="linear",
        weight_decay=0.0,
        max_length=LENGTH,
        completion_only_loss=True,
        packing=False,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=1,
    )
    path = resolve_model(student)
    model = AutoModelForCausalLM.from_pretrained(path, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(path)
    trainer = SFTTrainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer, callbacks=[Ticks()])
    trainer.train()
    trainer.save_model(str(folder / "model"))
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    return clock.last - clock.first, trainer.state.global_step, losses[-1]


def count_tokens(records: pl.DataFrame, student: str) -> int:
    """Tokens of all records under the student's chat template."""
    from factory.training.data import encode_records
    from factory.training.student import open_tokenizer

    return sum(len(row.ids) for row in encode_records(open_tokenizer(student), records, LENGTH).rows)


def measure(side: str, options: argparse.Namespace) -> None:
    """One run of one side, in this process; its figures as JSON on the last line."""
    import torch

    torch.set_num_threads(options.threads)
    records = write_records(options.records)
    with tempfile.TemporaryDirectory() as folder:
        run = run_phase if side == "phase" else run_trl
        seconds, steps, loss = run(records, options.student, options.epochs, options.batch, Path(folder))
    tokens = count_tokens(records, options.student) * options.epochs * (steps - 1) / steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"side": side, "rate": tokens / seconds, "peak": peak, "steps": steps, "loss": loss}))


def main() -> None:
    """Parses the arguments, runs both sides in turn, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="pico-student", help="a bundled name or a folder")
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measure(options.side, options)
        return
    print(f"load {os.getloadavg()[0]:.1f}, {options.threads} threads, {options.records} records, {options.epochs:g} epochs", flush=True)
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side in SIDES:
            run = subprocess.run([sys.executable, *sys.argv, "--side", side], capture_output=True, text=True, check=False)
            if run.returncode:
                sys.exit(run.stderr)
            seen[side].append(json.loads(run.stdout.splitlines()[-1]))
            print(f"{side}: {seen[side][-1]['rate']:,.0f} tokens/s", flush=True)
    print("\n| | tokens/s, median | least to most | peak GB | steps | last loss |\n|---|---|---|---|---|---|")
    for side, name in zip(SIDES, ("our phase", "TRL's SFTTrainer"), strict=True):
        rates, last = [run["rate"] for run in seen[side]], seen[side][-1]
        told = f"{statistics.median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} | {max(run['peak'] for run in seen[side]):.2f}"
        print(f"| {name} | {told} | {last['steps']:.0f} | {last['loss']:.3f} |")
    pairs = [ours["rate"] / theirs["rate"] for ours, theirs in zip(seen["phase"], seen["trl"], strict=True)]
    print(f"\nours over TRL's, pair by pair: median {statistics.median(pairs):.2f}, {min(pairs):.2f} to {max(pairs):.2f}")


if __name__ == "__main__":
    main()
