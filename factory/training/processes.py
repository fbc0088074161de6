"""A phase that several processes tune together: its job for them, their progress, and their errors in the words of one process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.scale_spec import NO_SHARDED_ADAPTER, ScaleSpec, explain_share, shards_model
from factory.training.phase_folder import PhaseFolder, TrainedPhase
from factory.training.selection import Holdout, OnMeasured
from factory.training.student import pin_student
from factory.training_spec import PhaseSpec
from factory.tuning.libraries import explain_writes
from factory.tuning.trainer import OnStep
from factory.tuning.workers import Message, launch

WORKER = "factory.training.worker"
JOB = "job"
LOG = "processes.log"
MOST_CHARACTERS = 200
"""Of what a library says of a failure; the log has it whole."""
PLAIN = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU", "num_machines": 1, "mixed_precision": "no"}
"""The config of a line that names none. One is always given, or accelerate would read that of the user's home."""


@dataclass(frozen=True)
class Job:
    """What every process of a phase is told, beside its records or pairs and what it selects by. `work` is named, and the `commit` of a
    base of the hub chosen, by the process that launches them: the branch may move before they are there."""

    phase: PhaseSpec
    base: str
    work: PhaseFolder
    seed: int
    scale: ScaleSpec
    commit: str | None = None

    def write(self, folder: Path, records: pl.DataFrame, holdout: Holdout | None) -> None:
        """Writes the job with its frames."""
        folder.mkdir(parents=True)
        told: dict[str, Any] = {"base": self.base, "commit": self.commit, "seed": self.seed}
        told |= {"folder": str(self.work.path), "fingerprint": self.work.fingerprint}
        told |= {"phase": self.phase.model_dump(mode="json"), "scale": self.scale.model_dump(mode="json")}
        told |= {"asked": [holdout.max_new_tokens, holdout.batch_size] if holdout else []}
        (folder / "job.json").write_text(json.dumps(told), encoding="utf-8")
        (folder / "config.json").write_text(json.dumps(PLAIN), encoding="utf-8")
        records.write_parquet(folder / "records.parquet")
        if holdout is not None:
            holdout.examples.write_parquet(folder / "holdout.parquet")


def read_job(folder: Path) -> tuple[Job, pl.DataFrame, Holdout | None]:
    """The job that lies in `folder`, with its records or pairs and what it selects by."""
    told: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    phase, scale = PhaseSpec.model_validate(told["phase"]), ScaleSpec.model_validate(told["scale"])
    work = PhaseFolder(Path(told["folder"]), told["fingerprint"])
    job = Job(phase, told["base"], work, told["seed"], scale, told["commit"])
    held = folder / "holdout.parquet"
    holdout = Holdout(pl.read_parquet(held), *told["asked"]) if held.is_file() else None
    return job, pl.read_parquet(folder / "records.parquet"), holdout


def identify_scale(scale: ScaleSpec | None) -> list[Any]:
    """What of `scale` the bytes of the trained weights depend on; nothing where one process tunes."""
    if scale is None or scale.processes == 1:
        return []
    return [{"processes": scale.processes, "config": Path(scale.config).read_text(encoding="utf-8") if scale.config else None}]


Tune = Callable[[Job, pl.DataFrame, Holdout | None, OnStep | None, OnMeasured | None], TrainedPhase]
"""What each process does of a job, with its records or pairs in their order."""


def run_job(
    job: Job, records: pl.DataFrame, holdout: Holdout | None, on_step: OnStep | None, on_measured: OnMeasured | None, tune: Tune
) -> TrainedPhase:
    """What the job made: at once where it is finished; else it is tuned here, or by the processes of `job.scale`, which are launched.

    Raises FactoryError as `tune` does.
    """
    if finished := job.work.read_finished():
        return finished
    if job.scale.processes == 1:
        return tune(job, records, holdout, on_step, on_measured)
    return _tune_together(job, records, holdout, on_step, on_measured)


def _tune_together(
    job: Job, records: pl.DataFrame, holdout: Holdout | None, on_step: OnStep | None, on_measured: OnMeasured | None
) -> TrainedPhase:
    what, work = f"phase {job.phase.name!r}", job.work
    _refuse(what, job)
    job = replace(job, commit=pin_student(job.base))
    folder, log = work.path / JOB, work.path / LOG
    with explain_writes(what, work.path):
        shutil.rmtree(folder, ignore_errors=True)
        job.write(folder, records, holdout)
    errors: list[str] = []
    crashes: list[str] = []

    def hear(message: Message) -> None:
        if "error" in message:
            errors.append(message["error"])
        elif "crash" in message:
            crashes.append(message["crash"])
        elif "measured" in message:
            if on_measured is not None:
                on_measured(message["measured"], message["checkpoints"])
        elif on_step is not None:
            on_step(message["step"], message["steps"], message["loss"])

    try:
        config = Path(job.scale.config) if job.scale.config else folder / "config.json"
        code = launch(WORKER, folder, job.scale.processes, config, _share_threads(job.scale.processes), log, hear)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    finished = work.read_finished()
    if finished is None:
        raise FactoryError(errors[0] if errors else _explain_end(what, crashes, code, log))
    log.unlink()
    return finished


def _refuse(what: str, job: Job) -> None:
    """Raises FactoryError where the phase cannot be tuned so."""
    import torch

    scale, gpus = job.scale, torch.cuda.device_count()
    if job.phase.private:
        raise FactoryError(f"{what} is private, and its accountant counts the batches of one process: leave scale.processes at 1.")
    if problem := explain_share(job.phase.name, job.phase.batch_size, job.phase.gradient_accumulation, scale.processes):
        raise FactoryError(f"{problem}.")
    if job.phase.lora and scale.config and shards_model(Path(scale.config)):
        raise FactoryError(f"{what}: {NO_SHARDED_ADAPTER}.")
    if 0 < gpus < scale.processes:
        raise FactoryError(
            f"{what}: {scale.processes} processes, and this machine has {gpus} GPU(s): each takes one. Lower scale.processes."
        )
    if scale.config and not gpus:
        raise FactoryError(f"{what}: {scale.config} shares a model over GPUs, and this machine has none. Leave scale.config out here.")


def _share_threads(processes: int) -> int:
    """Threads of each process: together as many as PyTorch would take in this one."""
    import torch

    return max(1, torch.get_num_threads() // processes)


def _explain_end(what: str, crashes: list[str], code: int, log: Path) -> str:
    """Why no student came of processes that told no error of ours. One that is killed tells nothing, and the others that they lost it."""
    how = f"failed: {crashes[0][:MOST_CHARACTERS]}" if crashes else f"ended without a word (exit code {code})"
    return (
        f"{what}: one of its processes {how}. All that they wrote is in {log}. Where one was killed for want of memory, lower batch_size. "
        "Run again to go on from the last whole checkpoint."
    )
