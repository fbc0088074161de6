"""The outside of the sandbox: starts the process, feeds it, reads what it says up to a limit, and ends it in time."""

from __future__ import annotations

import json
import marshal
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

INSIDE: Final = Path(__file__).with_name("inside.py")
BLOCK: Final = 65_536
MOST_TURNS: Final = 10
"""Times that a program may have its `seconds` while it computes: a machine with so much other work that a share of it is a tenth of what a
quiet one gives still finds that an infinite loop uses up its processor time."""

Stop = Literal["processor time", "time", "output", "ended"]


@dataclass(frozen=True)
class Limits:
    """What a program may use: seconds of processor time (whole) and on the clock, megabytes of memory, bytes of output and of values.

    Time on the clock is for what waits: a program that still computes when `seconds` are over gets as many again, up to MOST_TURNS times.
    """

    cpu_seconds: int = 4
    seconds: float = 12.0
    memory_mb: int = 512
    output_bytes: int = 1_000_000


@dataclass(frozen=True)
class Other:
    """A value that is no plain data: by the name of its type. `items`: what an iterator gave; null for what is none."""

    kind: str
    items: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Step:
    """What came of one step: its value (of plain data, or Other; null for a statement), what it printed, the error it raised.

    `errors` are the names of the error's class and of those above it, nearest first; empty for none. `missing`: the module it lacked.
    """

    value: Any = None
    printed: str = ""
    errors: tuple[str, ...] = ()
    message: str = ""
    missing: str | None = None


@dataclass(frozen=True)
class Ran:
    """The program's own step, then the others as far as it came; `stopped` where it did not come to the end, `note` how, in words."""

    steps: tuple[Step, ...]
    stopped: Stop | None = None
    note: str = ""


class SandboxUnavailableError(Exception):
    """This machine cannot isolate a program, so nothing was run; the text says what it lacks."""


def run_python(program: str, steps: Sequence[str] = (), limits: Limits | None = None) -> Ran:
    """Runs `program`, then each of `steps` in its names, in one process of the sandbox: an expression gives its value.

    A step that raises does not stop the next. Raises SandboxUnavailableError where the machine cannot isolate it.
    """
    if sys.platform != "linux":
        raise SandboxUnavailableError(f"code is run on Linux alone, where the kernel can isolate it; this is {sys.platform}")
    limits = limits or Limits()
    reply, child_reply = os.pipe()
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-B", str(INSIDE), str(child_reply), str(os.getpid())),
                *(str(limits.cpu_seconds), str(limits.memory_mb * 1_000_000), str(limits.output_bytes)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},
            cwd="/",
            pass_fds=(child_reply,),
            start_new_session=True,
        )
    except BaseException:
        os.close(reply)
        raise
    finally:
        os.close(child_reply)
    with process, os.fdopen(reply, "rb", buffering=0) as answers:
        try:
            told, printed, why, seconds = _listen(process, answers.fileno(), marshal.dumps((program, list(steps))), limits)
        finally:
            # Nobody else waits for it, so the id is still its own; Popen.kill would wait, and lose what it used.
            os.kill(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    spent = usage.ru_utime + usage.ru_stime
    return _conclude(told, printed, why, process.returncode, spent, len(steps) + 1, replace(limits, seconds=seconds))


def _listen(process: subprocess.Popen[bytes], answers: int, work: bytes, limits: Limits) -> tuple[bytes, bytes, Stop | None, float]:
    """What came on the reply pipe and on standard output, why it was cut short, null where the process ended by itself, and the seconds on
    the clock that it was given."""
    assert process.stdin and process.stdout
    feed, output, end = process.stdin.fileno(), process.stdout.fileno(), os.pidfd_open(process.pid)
    read = {answers: bytearray(), output: bytearray()}
    started, given, spent = time.monotonic(), limits.seconds, 0.0
    why: Stop | None = None
    os.set_blocking(feed, False)
    left = memoryview(work)
    with selectors.DefaultSelector() as selector:
        for pipe in (answers, output, end):
            selector.register(pipe, selectors.EVENT_READ)
        selector.register(feed, selectors.EVENT_WRITE)
        while waiting := selector.get_map().keys() - {feed}:
            ready = {key.fd for key, _ in selector.select(max(0.0, started + given - time.monotonic()))}
            if not ready or time.monotonic() > started + given:
                before, spent = spent, _read_spent(process.pid)
                if given >= MOST_TURNS * limits.seconds or spent - before < limits.cpu_seconds / MOST_TURNS:
                    why = "time"
                    break
                given += limits.seconds
            if feed in ready:
                left = _write_some(feed, left)
                if not left:
                    selector.unregister(feed)
                    process.stdin.close()
            for pipe in ready & read.keys():
                block = os.read(pipe, BLOCK)
                read[pipe] += block
                if not block:
                    selector.unregister(pipe)
            if waiting == {end}:
                break
            if sum(map(len, read.values())) > 2 * limits.output_bytes + BLOCK:
                why = "output"
                break
    os.close(end)
    return bytes(read[answers]), bytes(read[output]), why, given


def _read_spent(pid: int) -> float:
    """Seconds of processor time that a process, ended or not, has used (proc(5), utime and stime of /proc/<pid>/stat)."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def _write_some(feed: int, left: memoryview) -> memoryview:
    try:
        return left[os.write(feed, left[:BLOCK]) :]
    except BrokenPipeError:
        return left[:0]


def _conclude(told: bytes, printed: bytes, why: Stop | None, status: int, spent: float, count: int, limits: Limits) -> Ran:
    first, *lines = [_read_line(line) for line in told.splitlines()[: count + 1]] or [None]
    # The first line is written before the program runs: so no program can pass for a machine that isolates nothing.
    if first and "refused" in first:
        raise SandboxUnavailableError(str(first["refused"]))
    if first is None and why is None and status > 0:
        raise SandboxUnavailableError(f"Python did not start in it: {printed.decode(errors='replace').strip()[-300:]}")
    steps = []
    for line in lines:
        if line is None or "stopped" in line:
            break
        steps.append(_read_step(line))
    if len(steps) == count:
        return Ran(tuple(steps))
    if any(line and line.get("stopped") == "output" for line in lines):
        why = "output"
    # The kernel counts by ticks, which may come to more than was used; after much less, SIGKILL is the out-of-memory killer's.
    if why is None and status == -signal.SIGKILL and spent >= limits.cpu_seconds / 2:
        why = "processor time"
    ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended itself with status {status}"
    note = {
        "processor time": f"used its {limits.cpu_seconds} s of processor time",
        "time": f"was not done after {limits.seconds:g} s",
        "output": f"printed or returned more than {limits.output_bytes:,} bytes",
        None: f"{ended} before it was done",
    }[why]
    return Ran(tuple(steps), why or "ended", note)


def _read_line(line: bytes) -> dict[str, Any] | None:
    """The JSON object, or None: a program that finds the pipe can write anything into it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _read_step(line: dict[str, Any]) -> Step:
    try:
        value = _read_value(line.get("value"))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        value = Other("unreadable")
    errors = line.get("error")
    missing = line.get("missing")
    return Step(
        value=value,
        printed=str(line.get("printed", "")),
        errors=tuple(map(str, errors)) if isinstance(errors, list) else (),
        message=str(line.get("message", "")),
        missing=missing if isinstance(missing, str) else None,
    )


def _read_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_read_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, held), *rest) = value.items()
    match kind:
        case "int":
            return int(held, 16)
        case "float":
            return float.fromhex(held)
        case "bytes":
            return bytes.fromhex(held)
        case "tuple":
            return tuple(map(_read_value, held))
        case "set":
            return set(map(_read_value, held))
        case "frozenset":
            return frozenset(map(_read_value, held))
        case "dict":
            return {_read_value(key): _read_value(item) for key, item in held}
        case "range":
            return range(*map(_read_value, held))
    return Other(str(held), tuple(map(_read_value, rest[0][1])) if rest else None)
