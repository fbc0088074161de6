"""Several processes tune a phase as one does: the same weights but for rounding, the same bytes each time, and none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from forked_ranks import LOADED, SCALE, fork_ranks, fork_workers
from safetensors.torch import load_file
from test_training_preference import PAIRS
from test_training_preference import phase as preference_phase
from tiny_student import save_student, write_records

from factory.faults import FactoryError
from factory.scale_spec import ScaleSpec
from factory.training import Holdout, TrainedPhase, fingerprint_phase, train_phase, train_preference
from factory.training_spec import LoraSpec, PhaseSpec, PrivateSpec
from factory.tuning.workers import run_workers

RECORDS = write_records(34)
HOLDOUT = Holdout(RECORDS.head(5))
SETTINGS = {"batch_size": 4, "gradient_accumulation": 3, "save_steps": 5, "learning_rate": 5e-3, "select": "holdout_loss"}
PHASE = PhaseSpec.model_validate({"name": "sft", "epochs": 5} | SETTINGS)
"""15 steps of 12 rows, in shares of 2 rows three times; the last has 2 rows, so that one process has none."""
SEED = 11


@pytest.fixture(scope="module")
def together(student: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedPhase:
    return fork_ranks(PHASE, RECORDS, student, tmp_path_factory.mktemp("together"), SEED, HOLDOUT)


def compare(one: Path, other: Path) -> float:
    """The greatest difference of two models' weights."""
    mine, theirs = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert mine.keys() == theirs.keys()
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine)


def find_alive(pids: list[int]) -> list[int]:
    """Which of the processes are still there after a while; ends that nobody has asked for do not count."""
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], 20)
    return [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_two_processes_end_at_the_weights_of_one(student: Path, together: TrainedPhase, tmp_path: Path) -> None:
    alone = train_phase(PHASE, RECORDS, str(student), tmp_path, SEED, None, HOLDOUT)
    assert (together.steps, together.records, together.tokens) == (alone.steps, alone.records, alone.tokens) == (15, 34, alone.tokens)
    assert compare(student, alone.folder) > 1e-2
    assert compare(together.folder, alone.folder) < 1e-6
    for (step, loss), (same, other) in zip(together.losses, alone.losses, strict=True):
        assert step == same and loss == pytest.approx(other, rel=1e-5)
    assert together.fingerprint == fingerprint_phase(PHASE, RECORDS, str(student), SEED, HOLDOUT, SCALE) != alone.fingerprint
    assert alone.fingerprint == fingerprint_phase(PHASE, RECORDS, str(student), SEED, HOLDOUT, ScaleSpec()), "one process needs no name"


def test_two_processes_tune_the_adapter_of_one_on_the_same_packed_rows(student: Path, tmp_path: Path) -> None:
    phase = PHASE.model_copy(update={"lora": LoraSpec(rank=4), "packing": True})  # 50 rows: one process has none of the last batch
    alone = train_phase(phase, RECORDS, str(student), tmp_path / "alone", SEED, holdout=HOLDOUT)
    together = fork_ranks(phase, RECORDS, student, tmp_path / "together", SEED, HOLDOUT)
    assert [loss for _, loss in together.held_out_losses] == pytest.approx([loss for _, loss in alone.held_out_losses], rel=1e-5)
    for measure in ("steps", "step", "held_out", "records", "tokens", "tokens_read", "trained_weights"):
        assert getattr(together, measure) == getattr(alone, measure), measure
    assert compare(student, alone.folder) > 0.01
    assert compare(together.folder, alone.folder) < 1e-6
    assert [loss for _, loss in together.losses] == pytest.approx([loss for _, loss in alone.losses], rel=1e-5)
    assert sorted(path.name for path in (together.folder / "adapter").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


def test_two_processes_prefer_as_one(student: Path, tmp_path: Path) -> None:
    phase = preference_phase("dpo", epochs=1, batch_size=4, preference={"sft_weight": 0.5}, lora={"rank": 4})
    alone = train_preference(phase, PAIRS, str(student), tmp_path / "alone", SEED)
    together = fork_ranks(phase, PAIRS, student, tmp_path / "together", SEED)
    assert [loss for _, loss in together.losses] == pytest.approx([loss for _, loss in alone.losses], rel=1e-5)
    assert together.margins == pytest.approx(alone.margins, rel=1e-5)
    assert compare(student, alone.folder) > 0.02
    assert compare(together.folder, alone.folder) < 1e-6


def test_processes_tune_the_commit_that_names_their_work_though_main_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "models--someone--base"
    first, second = (save_student(cache / "snapshots" / (digit * 40), spread=spread) for digit, spread in (("1", 0.02), ("2", 0.5)))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(first.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("factory.pico.hub_commits.KNOWN", {})

    def launch(module: str, job: Path, processes: int, config: Path, threads: int, log: Path, on_message: object) -> int:
        (cache / "refs" / "main").write_text(second.name)
        log.touch()
        fork_workers(job, tmp_path)
        return 0

    monkeypatch.setattr("factory.training.processes.launch", launch)
    still = PhaseSpec(name="sft", epochs=1, batch_size=8, learning_rate=1e-30)
    tuned = train_phase(still, RECORDS.head(8), "someone/base", tmp_path / "work", SEED, scale=SCALE)
    assert compare(tuned.folder, first) < 1e-6 < 0.1 < compare(tuned.folder, second)
    with pytest.raises(FactoryError, match=r"student '/gone/base' cannot be opened: there is no folder /gone/base, and a hub id"):
        train_phase(still, RECORDS.head(8), "/gone/base", tmp_path / "gone", SEED, scale=SCALE)


def train_and_be_killed(student: str, folder: Path, processes: Any) -> None:
    """Launches the phase in this process, which is killed at the seventh step, after it has told the processes below it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)

    def on_step(step: int, *_: object) -> None:
        if step == 7:
            processes.send([child.pid for child in psutil.Process().children(recursive=True)])
            os.kill(os.getpid(), signal.SIGKILL)

    train_phase(PHASE, RECORDS, student, folder, SEED, on_step, HOLDOUT, SCALE)


def test_a_launch_that_is_killed_leaves_no_process_and_the_next_ends_at_the_same_bytes(
    student: Path, together: TrainedPhase, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    told, telling = context.Pipe(duplex=False)
    parent = context.Process(target=train_and_be_killed, args=(str(student), tmp_path, telling))
    parent.start()
    below = told.recv() if told.poll(200) else []
    parent.join()
    assert parent.exitcode == -signal.SIGKILL and len(below) == 1 + SCALE.processes
    assert not find_alive(below)
    steps: list[int] = []
    measured: list[tuple[int, int]] = []
    listen = (lambda step, *_: steps.append(step), HOLDOUT, SCALE, lambda *done: measured.append(done))
    trained = train_phase(PHASE, RECORDS, str(student), tmp_path, SEED, *listen)
    assert measured == [(1, 3), (2, 3), (3, 3)]
    # The processes may have got further than the step that was told last before they noticed.
    assert steps in (list(range(6, 16)), list(range(11, 16))), "it goes on from a checkpoint, one each five steps"
    for file in sorted(together.folder.iterdir()):
        assert (trained.folder / file.name).read_bytes() == file.read_bytes(), file.name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fingerprint", "finished.json", "model", "trained_on.parquet"]


WORKER = """
import os, subprocess, sys, time
from factory.tuning.workers import follow_parent, open_channel
if sys.argv[1:] == ["launcher"]:
    sys.exit(subprocess.run([sys.executable, "-c", os.environ["WORKER"]], start_new_session=True).returncode)
follow_parent()
tell = open_channel()
print("noise")
tell({"pid": os.getpid()})
time.sleep(float(os.environ.get("SECONDS", "0")))
sys.exit(3)
"""


def run_worker(log: Path, on_message: Any, seconds: str = "0") -> int:
    environment = {**os.environ, "WORKER": WORKER, "SECONDS": seconds}
    return run_workers([sys.executable, "-c", WORKER, "launcher"], environment, log, on_message)


def test_what_a_worker_tells_comes_back_and_what_it_prints_is_in_the_log(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    assert run_worker(tmp_path / "log", heard.append) == 3
    assert [list(message) for message in heard] == [["pid"]]
    assert (tmp_path / "log").read_text() == "noise\n"


def test_an_interrupt_ends_the_workers_before_it_is_handed_on(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    def interrupt(message: dict[str, Any]) -> None:
        heard.append(message)
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_worker(tmp_path / "log", interrupt, seconds="60")
    assert time.monotonic() - started < 30
    assert not find_alive([heard[0]["pid"]])


def test_what_processes_cannot_share_is_refused_before_any_is_launched(student: Path, tmp_path: Path) -> None:
    def train(scale: ScaleSpec, **settings: Any) -> None:
        train_phase(PhaseSpec(name="sft", **settings), RECORDS, str(student), tmp_path, SEED, scale=scale)

    with pytest.raises(FactoryError, match=r"phase 'sft': 3 processes cannot take equal shares of batch_size 16 .* a multiple of 3"):
        train(ScaleSpec(processes=3))
    with pytest.raises(FactoryError, match=r"phase 'sft' is private.* leave scale.processes at 1"):
        train(SCALE, private=PrivateSpec(epsilon=8))
    sharding = tmp_path / "fsdp.yaml"
    sharding.write_text("distributed_type: FSDP")
    with pytest.raises(FactoryError, match=r"phase 'sft': an adapter is not tuned in a student that is sharded: leave scale.config out"):
        train(ScaleSpec(processes=2, config=str(sharding)), lora=LoraSpec())
    sharding.unlink()
    if not torch.cuda.is_available():
        with pytest.raises(FactoryError, match=r"shares a model over GPUs, and this machine has none. Leave scale.config out"):
            train(ScaleSpec(processes=2, config=__file__))
    assert not list(tmp_path.iterdir())
