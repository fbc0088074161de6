"""A phase that was killed goes on from its last whole checkpoint, and ends at the same bytes as without the kill."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_student import write_records

from factory.faults import FactoryError
from factory.training import train_phase
from factory.training.phase_folder import PhaseFolder
from factory.training_spec import LoraSpec, PhaseSpec

PHASE = PhaseSpec(name="sft", epochs=3, batch_size=8, save_steps=4, learning_rate=5e-3)
RECORDS = 34
STEPS = 13
ADAPTED = PHASE.model_copy(update={"lora": LoraSpec(rank=4, dropout=0.2), "packing": True, "batch_size": 1, "save_steps": 3})


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    """Processes that are forked from one that has the libraries loaded: a second instead of ten for each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["factory.training", "torch", "transformers.trainer", "transformers.models.llama.modeling_llama"])
    yield context


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def train(student: str, folder: str, moment: str | None, steps: Any, phase: PhaseSpec) -> None:
    """Trains in this process, which kills itself at `moment`."""
    torch.set_num_threads(1)

    def on_step(step: int, total: int, loss: float) -> None:
        steps.put(step)
        if moment == f"step {step}":
            steps.close()
            steps.join_thread()
            die()

    if moment == "checkpoint half written":
        save = torch.save

        def cut_off(value: Any, file: Any, *args: Any, **kwargs: Any) -> None:
            save(value, file, *args, **kwargs)
            if str(file).endswith("checkpoint-8/optimizer.pt"):
                os.truncate(file, Path(file).stat().st_size // 2)
                die()

        torch.save = cut_off
    if moment == "model not yet kept":
        finish = PhaseFolder.finish

        def cut_off_finish(self: PhaseFolder, save_model: Any, summary: dict[str, Any]) -> Any:
            def save_and_die(target: Path) -> None:
                save_model(target)
                die()

            return finish(self, save_and_die, summary)

        PhaseFolder.finish = cut_off_finish  # type: ignore[method-assign]
    train_phase(phase, write_records(RECORDS), student, Path(folder), 11, on_step)


def run(
    processes: ForkServerContext, student: Path, folder: Path, moment: str | None, phase: PhaseSpec = PHASE
) -> tuple[int | None, list[int]]:
    """The exit code of a training process, and the steps that it did."""
    steps = processes.Queue()
    process = processes.Process(target=train, args=(str(student), str(folder), moment, steps, phase))
    process.start()
    process.join()
    done = []
    while not steps.empty():
        done.append(steps.get())
    return process.exitcode, done


def test_killed_phase_ends_at_the_same_bytes(processes: ForkServerContext, student_with_dropout: Path, tmp_path: Path) -> None:
    student = student_with_dropout
    code, steps = run(processes, student, tmp_path / "whole", None)
    assert (code, steps) == (0, list(range(1, STEPS + 1)))
    killed = tmp_path / "killed"
    for moment, first in [("step 3", 1), ("step 6", 1), ("checkpoint half written", 5), ("step 11", 5), ("model not yet kept", 9)]:
        code, steps = run(processes, student, killed, moment)
        assert code == -signal.SIGKILL, moment
        assert not steps or steps[0] == first, moment
        assert not (killed / "finished.json").exists()
    code, steps = run(processes, student, killed, None)
    assert (code, steps) == (0, [])
    assert_same(tmp_path / "whole", killed)
    assert sorted(path.name for path in killed.iterdir()) == ["fingerprint", "finished.json", "model", "trained_on.parquet"]


def assert_same(whole: Path, killed: Path) -> None:
    files = [file.relative_to(whole) for file in sorted(whole.rglob("*")) if file.is_file()]
    assert files == [file.relative_to(killed) for file in sorted(killed.rglob("*")) if file.is_file()]
    for file in files:
        assert (killed / file).read_bytes() == (whole / file).read_bytes(), file


def test_killed_phase_of_an_adapter_on_packed_rows_ends_at_the_same_bytes(
    processes: ForkServerContext, student_with_dropout: Path, tmp_path: Path
) -> None:
    code, steps = run(processes, student_with_dropout, tmp_path / "whole", None, ADAPTED)
    assert code == 0 and len(steps) > 6
    code, steps = run(processes, student_with_dropout, tmp_path / "killed", "step 5", ADAPTED)
    assert (code, steps) == (-signal.SIGKILL, [1, 2, 3, 4, 5])
    code, steps = run(processes, student_with_dropout, tmp_path / "killed", None, ADAPTED)
    assert code == 0 and steps[0] == 4
    assert_same(tmp_path / "whole", tmp_path / "killed")
    assert (tmp_path / "killed" / "model" / "adapter" / "adapter_model.safetensors").is_file()


def train_on_a_small_disk(student: str, folder: str, outcome: Any) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def on_step(step: int, total: int, loss: float) -> None:
        # From here on no file may be larger than the tokenizer's: the weights of the second checkpoint cannot be written.
        if step == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))

    try:
        train_phase(PHASE, write_records(RECORDS), student, Path(folder), 11, on_step)
    except FactoryError as error:
        outcome.put(str(error))


def test_full_disk_is_named_and_the_last_whole_checkpoint_kept(processes: ForkServerContext, student: Path, tmp_path: Path) -> None:
    outcome = processes.Queue()
    process = processes.Process(target=train_on_a_small_disk, args=(str(student), str(tmp_path), outcome))
    process.start()
    message = outcome.get(timeout=200)
    process.join()
    assert f"phase 'sft': {tmp_path} cannot be written" in message
    assert "goes on from the last whole checkpoint" in message
    steps: list[int] = []
    train_phase(PHASE, write_records(RECORDS), str(student), tmp_path, 11, lambda step, *_: steps.append(step))
    assert steps[0] == 5
