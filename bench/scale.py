"""A phase in one and in two processes on this machine: tokens a second, and how far the weights lie apart. From the project's folder:

    .venv/bin/python bench/scale.py
    .venv/bin/python bench/scale.py --student FOLDER --records 4000 --epochs 1 --rounds 3
    .venv/bin/python bench/scale.py --sharded

The records are problems of the bundled writers. One process has all threads, two have half of them each. Timed is from the end of the first
step to that of the last: no imports, no opening of models; tokens of prompts count, padding does not. With --sharded, the two shard the
model by FSDP as lines/accelerate/fsdp.yaml says, on the CPU (see fsdp_on_cpu.py), in its bfloat16 and in float32; one is interrupted and
goes on from its checkpoint. The load of the machine is told first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import polars as pl
from training import LENGTH, RATE, WARMUP, Clock, count_tokens, write_records

from factory.scale_spec import ScaleSpec
from factory.training import TrainedPhase, train_phase
from factory.training.phase_folder import PhaseFolder
from factory.training.processes import Job
from factory.training.sft import fingerprint_phase
from factory.training_spec import PhaseSpec
from factory.tuning.workers import Message, launch

SEED = 1
FSDP = Path(__file__).parents[1] / "lines" / "accelerate" / "fsdp.yaml"


class Interrupted(Exception):  # noqa: N818 - as KeyboardInterrupt
    """Stands for Ctrl-C."""


def describe(options: argparse.Namespace) -> PhaseSpec:
    """The phase that is tuned."""
    settings = {"epochs": options.epochs, "batch_size": options.batch, "learning_rate": RATE, "warmup_ratio": WARMUP, "max_length": LENGTH}
    return PhaseSpec(name="bench", save_steps=options.save_steps, **settings)


def measure(records: pl.DataFrame, options: argparse.Namespace, processes: int, folder: Path) -> tuple[float, TrainedPhase]:
    """Tokens a second, and what was made in `folder`."""
    clock, scale = Clock(), ScaleSpec(processes=processes)
    trained = train_phase(describe(options), records, options.student, folder, SEED, lambda *_: clock.tick(), None, scale)
    tokens = count_tokens(records, options.student) * options.epochs * (trained.steps - 1) / trained.steps
    return tokens / (clock.last - clock.first), trained


def compare(one: Path, other: Path) -> float:
    """The greatest difference of two models' weights."""
    from safetensors.torch import load_file

    mine, theirs = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine | theirs)


def run_sharded(records: pl.DataFrame, options: argparse.Namespace, precision: str, folder: Path, stop: int | None = None) -> TrainedPhase:
    """What two processes make that shard the model; interrupted at the step `stop` once, where it is given."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "fsdp.yaml"
    config.write_text(FSDP.read_text().replace("mixed_precision: bf16", f"mixed_precision: '{precision}'"))
    phase, scale = describe(options), ScaleSpec(processes=2, config=str(config))
    work = PhaseFolder(folder, fingerprint_phase(phase, records, options.student, SEED, scale=scale))

    def hear(message: Message) -> None:
        if "step" not in message:
            sys.exit(f"{message}: see {folder / 'log'}")
        if message["step"] == stop:
            raise Interrupted

    job = folder / "job"
    shutil.rmtree(job, ignore_errors=True)
    Job(phase, options.student, work, SEED, scale).write(job, records, None)
    try:
        launch("fsdp_on_cpu", job, 2, config, max(1, torch.get_num_threads() // 2), folder / "log", hear)
    except Interrupted:
        return run_sharded(records, options, precision, folder)
    trained = work.read_finished()
    assert trained is not None, (folder / "log").read_text()
    return trained


def show_sharded(records: pl.DataFrame, options: argparse.Namespace, alone: TrainedPhase, folder: Path) -> None:
    """Prints how far weights that were tuned in shards lie from those of one process."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    print("\n| two processes, sharded | greatest difference of a weight to one process's |\n|---|---|")
    for name, precision in (("bfloat16", "bf16"), ("float32", "no")):
        whole = run_sharded(records, options, precision, folder / name)
        print(f"| {name} | {compare(alone.folder, whole.folder):.1e} |", flush=True)
    cut = run_sharded(records, options, "no", folder / "cut", stop=options.save_steps + 2)
    same = (cut.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()
    print(f"\ninterrupted in float32 and gone on from the checkpoint of step {options.save_steps}: {'the same' if same else 'OTHER'} bytes")


def main() -> None:
    """Parses the arguments, runs one and two processes in turn, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="pico-student", help="a bundled name or a folder")
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--save-steps", type=int, default=10**9)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sharded", action="store_true")
    options = parser.parse_args()
    if options.sharded:
        options.records, options.save_steps, options.rounds = min(options.records, 480), 10, 1
    records = write_records(options.records)
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {options.records} records, {options.epochs:g} epochs", flush=True)
    with tempfile.TemporaryDirectory() as name:
        rates: dict[int, list[float]] = {1: [], 2: []}
        for number in range(options.rounds):
            for processes, seen in rates.items():
                rate, trained = measure(records, options, processes, Path(name, f"{processes}-{number}"))
                seen.append(rate)
                print(
                    f"{processes} processes: {rate:,.0f} tokens/s, {trained.steps} steps, last loss {trained.losses[-1][1]:.4f}", flush=True
                )
        print("\n| processes | tokens/s, median | least to most |\n|---|---|---|")
        for processes, seen in rates.items():
            print(f"| {processes} | {statistics.median(seen):,.0f} | {min(seen):,.0f} to {max(seen):,.0f} |")
        one, two = (Path(name, f"{processes}-0", "model") for processes in rates)
        print(f"\ngreatest difference of a weight between one and two processes: {compare(one, two):.1e}")
        if options.sharded:
            alone = train_phase(describe(options), records, options.student, Path(name, "1-0"), SEED)
            show_sharded(records, options, alone, Path(name, "sharded"))


if __name__ == "__main__":
    main()
