"""Servers in processes of their own, started and stopped together: none outlives the command that started them."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from assets.console import OUT
from factory.faults import FactoryError

LOOPBACK = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
"""How a line is printed that a person may copy."""


@dataclass(frozen=True)
class Server:
    """One server. `option` of the command line gives it another port; `log` takes its words."""

    name: str
    option: str
    port: int
    command: Sequence[str]
    folder: Path
    log: Path
    host: str = LOOPBACK


def run_servers(
    servers: Sequence[Server], environment: Mapping[str, str], tell: Callable[[], None], start_seconds: float = START_SECONDS
) -> None:
    """Runs the servers until Ctrl-C, SIGTERM, or one of them ends; calls `tell` once all are open.

    Raises FactoryError where a port is taken, or one ends by itself or is not open after `start_seconds`.
    """
    for server in servers:
        _check_port(server)
    stopped = _catch_signals()
    running: list[tuple[Server, subprocess.Popen[bytes]]] = []
    try:
        for server in servers:
            # A session of its own: Ctrl-C reaches this process alone, which then stops each server and all that it started.
            with server.log.open("wb") as log:
                options: dict[str, Any] = {
                    "stdin": subprocess.DEVNULL,
                    "stdout": log,
                    "stderr": subprocess.STDOUT,
                    "start_new_session": True,
                }
                running.append((server, subprocess.Popen(server.command, cwd=server.folder, env=environment, **options)))
        _wait_until_open(running, stopped, start_seconds)
        if not stopped:
            tell()
            OUT.print(f"Ctrl-C stops {'it' if len(servers) == 1 else 'them'}. What is logged lies in {servers[0].log.parent}.", **PLAIN)
        while not stopped:
            _check_alive(running)
            time.sleep(0.5)
    finally:
        _stop(running)


def _check_port(server: Server) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            raise FactoryError(
                f"{server.name} cannot listen on {server.host}:{server.port}: {error.strerror}. Where another program (perhaps another "
                f"`factory`) is there, stop it, or give another port with --{server.option}."
            ) from error


def find_port(host: str) -> int:
    """A port of `host` that is free now; 0 where nothing can listen there."""
    with socket.socket() as probe, suppress(OSError):
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
    return 0


def _catch_signals() -> list[int]:
    """A list that becomes true once Ctrl-C or SIGTERM came."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    return caught


def _wait_until_open(running: Sequence[tuple[Server, "subprocess.Popen[bytes]"]], stopped: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for server, _ in running:
        while not stopped and not _is_open(server):
            _check_alive(running)
            if time.monotonic() > deadline:
                raise FactoryError(f"{server.name} did not open port {server.port} within {seconds:.0f} s; {server.log} may say why.")
            time.sleep(0.2)


def _is_open(server: Server) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((server.host, server.port)) == 0


def _check_alive(running: Sequence[tuple[Server, "subprocess.Popen[bytes]"]]) -> None:
    for server, process in running:
        if (code := process.poll()) is not None:
            words = server.log.read_text(errors="replace").strip().splitlines()[-3:]
            others = ", and the others were stopped" if len(running) > 1 else ""
            raise FactoryError(f"{server.name} ended by itself with code {code}{others}. {server.log} ends: {' '.join(words)}")


def _stop(running: Sequence[tuple[Server, "subprocess.Popen[bytes]"]]) -> None:
    """Asks each server to end, then ends what is left of its session."""
    for _, process in running:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for _, process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
