"""What a tuning takes is sampled beside it, over kills, and never stands in its way."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest

from resources import system_metrics
from resources.system_metrics import SAMPLES, draw_curves, read_samples, sum_effort, watch_machine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "LOOK_SECONDS", 0.02)


def tune(folder: Path, first: int, last: int, seconds: float = 0.12) -> list[int]:
    """Steps that take so long together; gives those that were reported."""
    reported: list[int] = []
    with watch_machine(folder, lambda step, steps, loss: reported.append(step)) as watch:
        for step in range(first, last + 1):
            watch.step(step, 10, 1.0)
            time.sleep(seconds / (last - first + 1))
    return reported


def test_samples_tell_of_the_machine_and_of_the_process_in_order_of_time(tmp_path: Path) -> None:
    before = 1000 * time.time()
    assert tune(tmp_path, 1, 4) == [1, 2, 3, 4], "each step is passed on"
    samples = read_samples(tmp_path)
    assert len(samples) >= 3
    assert before - 1 <= samples[0].began <= samples[0].at <= samples[-1].at <= 1000 * time.time()
    curves = {curve.name: curve for curve in draw_curves(samples)}
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes", "system/process_memory_megabytes"} <= set(curves)
    memory = curves["system/process_memory_megabytes"]
    assert [step for step, _ in memory.points] == [*range(len(memory.points))]
    assert len(samples) - len(memory.points) <= 1, "the last may come too soon after the one before to tell of the machine"
    assert [*memory.times] == sorted(memory.times) and all(10 < value < 1e6 for _, value in memory.points)


@pytest.mark.parametrize("missing", ["torch.cuda", "its functions"])
def test_a_tuning_that_is_importing_torch_right_now_is_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    monkeypatch.setitem(sys.modules, "torch.cuda", ModuleType("torch.cuda"))
    if missing == "torch.cuda":
        monkeypatch.delitem(sys.modules, "torch.cuda")
    tune(tmp_path, 1, 4)
    assert len(read_samples(tmp_path)) >= 3 and not caplog.records


def test_processes_below_count_where_they_are_asked_for(tmp_path: Path) -> None:
    def find_peak(folder: Path, below: bool) -> float:
        folder.mkdir()
        with watch_machine(folder, lambda *_: None, below=below) as watch:
            watch.step(1, 10, 1.0)
            time.sleep(0.1)
        return max(sample.peaks["process_memory_megabytes"] for sample in read_samples(folder))

    hold = "held = bytes(range(256)) * 400_000; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        alone, together = (find_peak(tmp_path / str(below), below) for below in (False, True))
        process.communicate(b"\n")
    assert together - alone > 100


def test_a_killed_attempt_counts_and_a_torn_line_costs_one_sample(tmp_path: Path) -> None:
    started = time.monotonic()
    tune(tmp_path, 1, 4)
    killed = read_samples(tmp_path)
    file = tmp_path / SAMPLES
    file.write_text(file.read_text()[:-20])
    time.sleep(0.3)
    tune(tmp_path, 3, 6)
    lasted = time.monotonic() - started
    effort = sum_effort(samples := read_samples(tmp_path))
    assert effort is not None and effort.attempts == 2
    assert [asdict(sample) for sample in samples[: len(killed) - 1]] == [asdict(sample) for sample in killed[:-1]]
    assert effort.began == killed[0].began and 0.2 < effort.seconds < lasted - 0.3, "the time between attempts is nobody's"
    assert effort.steps_per_second is not None and 0 < effort.steps_per_second < 34, "a step takes 0.03 s at least"
    assert effort.peak_memory_megabytes == max(sample.peaks["process_memory_megabytes"] for sample in samples)


def test_work_that_was_finished_before_takes_nothing(tmp_path: Path) -> None:
    tune(tmp_path, 1, 2)
    once = (tmp_path / SAMPLES).read_bytes()
    with watch_machine(tmp_path, lambda step, steps, loss: None):
        time.sleep(0.05)
    assert (tmp_path / SAMPLES).read_bytes() == once
    assert sum_effort(read_samples(tmp_path / "never")) is None


def test_a_tuning_that_ends_right_after_its_first_step_has_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "LOOK_SECONDS", 0.5)
    with watch_machine(tmp_path, lambda step, steps, loss: None) as watch:
        time.sleep(0.6)  # the model is opened: too early for a sample
        watch.step(1, 1, 1.0)
    (sample,) = read_samples(tmp_path)
    assert "cpu_utilization_percentage" in sample.values


def test_samples_that_cannot_be_written_cost_no_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / SAMPLES).mkdir()
    with caplog.at_level(logging.WARNING, logger="factory"):
        assert tune(tmp_path, 1, 3) == [1, 2, 3]
    assert "no longer sampled" in caplog.text


def test_a_long_tuning_is_sampled_ever_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(system_metrics, "SAMPLES_TO_LENGTHEN", 2)
    tune(tmp_path, 1, 2, seconds=0.5)
    assert len(read_samples(tmp_path)) < 20, "at the first rate there would be a hundred"
