"""Processes that accelerate launches on this machine: what they say comes back, and none outlives the process that launched them.

The two ends of each are joined by its standard input and output, which torch's launcher hands on to all: nothing is ever written to the
input, whose end is the launching process's, however it ended; on the output each says one JSON object a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Message = dict[str, Any]

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
GRACE_SECONDS = 10.0
"""How long processes that were told to end may take before they are killed."""


def launch(module: str, job: Path, processes: int, config: Path, threads: int, log: Path, on_message: Callable[[Message], None]) -> int:
    """Runs `processes` of `python -m module job` by `accelerate launch` with its `config`, each with `threads`; gives the exit code.

    `on_message` is called with what any of them tells; what they write beside that is in the file `log`. They end with this process, and
    where it is interrupted, or `on_message` raises, before this raises.
    """
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config), "--num_processes", str(processes)]
    # Port 0: a free one. Processes talk over loopback alone.
    command += ["--main_process_port", "0", "--num_cpu_threads_per_process", str(threads), "--module", module, str(job)]
    environment = {"GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK, **os.environ}
    # The working folder is nowhere that modules are looked for, as in this process.
    return run_workers(command, environment | {"OMP_NUM_THREADS": str(threads), "PYTHONSAFEPATH": "1"}, log, on_message)


def run_workers(command: list[str], environment: Mapping[str, str], log: Path, on_message: Callable[[Message], None]) -> int:
    """Runs `command`, whose processes `tell` and `follow_parent`, as `launch` does."""
    with log.open("wb") as errors:
        # A session of its own: Ctrl-C is this process's alone to answer.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, start_new_session=True
        )
    assert process.stdin and process.stdout
    try:
        for line in process.stdout:
            if (message := _read(line)) is not None:
                on_message(message)
        return process.wait()
    finally:
        process.stdin.close()
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # Its end comes when the last process that holds it is gone: what they wrote may be read and removed from here on.
        process.stdout.read()
        process.stdout.close()


def _read(line: bytes) -> Message | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def follow_parent() -> None:
    """Ends this process as soon as the one that launched it has ended or let go of it."""

    def wait() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def open_channel() -> Callable[[Message], None]:
    """What tells the launching process a message. Whatever else is printed in this process goes to its log from here on."""
    channel = os.dup(1)
    os.dup2(2, 1)

    def tell(message: Message) -> None:
        # One write: the lines of several processes do not mix.
        os.write(channel, json.dumps(message).encode() + b"\n")

    return tell
