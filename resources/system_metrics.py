"""What a tuning takes of the machine, sampled beside it into a file of its work folder, so that what a killed run took is not lost.

MLflow's own monitor would need its run open, and its server there, for as long as the tuning lasts; here MLflow is told afterwards. The
samples are those of MLflow's collectors (processor, memory, disk, network, and GPU where `nvidia-ml-py` or `pyrsmi` is installed), and
what this process takes of it, or this one and all that tune below it.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resources.tracked_metrics import Curve

SAMPLES = "system_metrics.jsonl"
LOOK_SECONDS = 1.0
"""How often memory is looked at, for its peak."""
SAMPLES_TO_LENGTHEN, LONGEST_SECONDS = 120, 60
"""After so many samples a sample is taken half as often, down to one in so many seconds: a day leaves about 1,700."""
MEMORY, GPU_MEMORY = "process_memory_megabytes", "process_gpu_memory_megabytes"

OnStep = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Sample:
    """What was seen at `at` (ms since the epoch) in an attempt that began at `began`; `peaks` are the highest since the sample before.

    `steps` and `step_seconds` are what the attempt has done so far, from the end of its first step on.
    """

    began: int
    at: int
    steps: int
    step_seconds: float
    values: Mapping[str, float]
    peaks: Mapping[str, float]


@dataclass(frozen=True)
class Effort:
    """What a tuning took over all its attempts, of which all but the last were killed: steps that were lost and done again count."""

    began: int  # ms since the epoch
    attempts: int
    seconds: float
    steps_per_second: float | None
    peak_memory_megabytes: float | None
    peak_gpu_memory_megabytes: float | None


class Watch:
    """Is told of each step by the tuning, and writes what a thread of its own samples."""

    def __init__(self, folder: Path, on_step: OnStep) -> None:
        self._file, self._on_step = folder / SAMPLES, on_step
        self._began = _now()
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] = (0, 0.0)

    def step(self, step: int, steps: int, loss: float) -> None:
        """Passes on that a step has ended."""
        self._last = step, time.perf_counter()
        self._first = self._first or self._last
        self._on_step(step, steps, loss)

    def write(self, values: Mapping[str, float], peaks: Mapping[str, float]) -> bool:
        """Appends a sample; none, and False, before a step has ended, as work that was finished before takes nothing."""
        if self._first is None:
            return False
        steps, seconds = self._last[0] - self._first[0], self._last[1] - self._first[1]
        sample = Sample(self._began, _now(), steps, round(seconds, 3), values, peaks)
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{json.dumps(asdict(sample))}")  # on a line of its own, also after one that a kill cut off
        return True


class _Processes:
    """This process, and with `below` all that it has launched, or those have: what they take together."""

    def __init__(self, below: bool) -> None:
        from psutil import Process

        self._own, self._below = Process(), below
        self._seen: dict[Any, Any] = {}

    def hold_memory(self) -> float:
        """Megabytes that are resident; pages that several share count in each."""
        return round(sum(self._ask(lambda process: process.memory_info().rss)) / 1e6, 1)

    def take_share(self) -> float:
        """Percent of a core since the call before; nothing of a process that was not there then."""
        return round(sum(self._ask(lambda process: process.cpu_percent())), 1)

    def _ask(self, question: Callable[[Any], float]) -> list[float]:
        from psutil import NoSuchProcess

        # A process remembers its last answer, so that the same object is asked.
        there = [self._own, *(self._own.children(recursive=True) if self._below else ())]
        self._seen = {process: self._seen.get(process, process) for process in there}
        answers = []
        for process in self._seen.values():
            with suppress(NoSuchProcess):
                answers.append(question(process))
        return answers


@contextmanager
def watch_machine(folder: Path, on_step: OnStep, *, below: bool = False) -> Iterator[Watch]:
    """Samples into `folder` as long as inside; with `below`, processes that this one has launched count as this one.

    What cannot be sampled or written costs samples, and no tuning.
    """
    watch, ended = Watch(folder, on_step), threading.Event()
    collectors = _open_collectors()
    thread = threading.Thread(target=_sample, args=(watch, collectors, _Processes(below), ended), name="system-metrics", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()


def read_samples(folder: Path) -> list[Sample]:
    """The samples of a tuning, in order; a line that a kill cut off is left out. Empty where nothing was sampled."""
    file, samples = folder / SAMPLES, []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        with suppress(ValueError, TypeError):
            samples.append(Sample(**json.loads(line)))
    return samples


def sum_effort(samples: Sequence[Sample]) -> Effort | None:
    """What the samples come to; None of none."""
    if not samples:
        return None
    last = {sample.began: sample for sample in samples}.values()
    stepping = sum(sample.step_seconds for sample in last)
    return Effort(
        began=samples[0].began,
        attempts=len(last),
        seconds=round(sum(sample.at - sample.began for sample in last) / 1000, 3),
        steps_per_second=sum(sample.steps for sample in last) / stepping if stepping else None,
        peak_memory_megabytes=_find_peak(samples, MEMORY),
        peak_gpu_memory_megabytes=_find_peak(samples, GPU_MEMORY),
    )


def draw_curves(samples: Sequence[Sample]) -> list[Curve]:
    """The samples as MLflow shows its own: `system/<name>`, by number of the sample and time."""
    curves = []
    for name in dict.fromkeys(name for sample in samples for name in sample.values):
        points = [(number, sample) for number, sample in enumerate(samples) if name in sample.values]
        values = [(number, sample.values[name]) for number, sample in points]
        curves.append(Curve(f"system/{name}", values, [sample.at for _, sample in points]))
    return curves


def _find_peak(samples: Sequence[Sample], name: str) -> float | None:
    return max((sample.peaks[name] for sample in samples if name in sample.peaks), default=None)


def _sample(watch: Watch, collectors: Sequence[Any], processes: _Processes, ended: threading.Event) -> None:
    from psutil import cpu_percent

    taken, looks, before = 0, 1, time.monotonic()
    for measure in (cpu_percent, processes.take_share):
        measure()  # each call tells of the time since the one before, and the first of none
    try:
        while not ended.is_set():
            peaks: dict[str, float] = {}
            for _ in range(looks):
                ended.wait(LOOK_SECONDS)
                held = {MEMORY: processes.hold_memory()} | _look_at_gpus()
                peaks = {name: max(value, peaks.get(name, 0.0)) for name, value in held.items()}
                if ended.is_set():
                    break
            # The last one may come right after another, and shares of so short a time say nothing.
            since, before = time.monotonic() - before, time.monotonic()
            lasted = not taken or since > LOOK_SECONDS / 2
            shares = {"process_cpu_percentage": processes.take_share()}
            taken += watch.write(_collect(collectors) | shares | held if lasted else {}, peaks)
            if taken and taken % SAMPLES_TO_LENGTHEN == 0:
                looks = min(2 * looks, LONGEST_SECONDS)
    except Exception as error:  # of the disk, of the system or of a GPU's library: none is worth a tuning
        logging.getLogger("factory").warning("What the tuning takes of the machine is no longer sampled: %s. The tuning goes on.", error)


def _open_collectors() -> list[Any]:
    """MLflow's collectors of what there is on this machine; of GPUs those of the first library that finds one."""
    from mlflow.system_metrics.metrics import cpu_monitor, disk_monitor, gpu_monitor, network_monitor, rocm_monitor

    one_each = ((cpu_monitor.CPUMonitor,), (disk_monitor.DiskMonitor,), (network_monitor.NetworkMonitor,))
    collectors = (_open_first(kinds) for kinds in (*one_each, (gpu_monitor.GPUMonitor, rocm_monitor.ROCMMonitor)))
    return [collector for collector in collectors if collector is not None]


def _open_first(kinds: Sequence[Any]) -> Any | None:
    for kind in kinds:
        try:
            return kind()
        except Exception:  # each library has errors of its own for what is not there
            continue
    return None


def _collect(collectors: Sequence[Any]) -> dict[str, float]:
    values: dict[str, float] = {}
    for collector in collectors:
        collector.collect_metrics()
        values |= collector.aggregate_metrics()
        collector.clear_metrics()
    return values


def _look_at_gpus() -> dict[str, float]:
    """What PyTorch holds on all GPUs for this process, if it uses any. Never the first to ask for one, as that would set it up."""
    cuda = sys.modules.get("torch.cuda")
    # The tuning may be importing it right now, and it is there in part.
    is_initialized = getattr(cuda, "is_initialized", None)
    if cuda is None or is_initialized is None or not is_initialized():
        return {}
    held = sum(cuda.memory_reserved(device) for device in range(cuda.device_count()))
    return {GPU_MEMORY: round(held / 1e6, 1)}


def _now() -> int:
    return int(1000 * time.time())
