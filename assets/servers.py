"""`factory ui`: Dagster, MLflow and the data cards side by side on loopback, started and stopped together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from assets.console import OUT
from factory.faults import FactoryError
from resources.home import Home, prepare_stores, project_folder

LOOPBACK = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Ports:
    """Where the three servers listen."""

    dagster: int = 3000
    mlflow: int = 5000
    cards: int = 5001


@dataclass(frozen=True)
class _Server:
    name: str
    option: str  # of the command line, that gives it another port
    port: int
    command: Sequence[str]
    folder: Path
    log: Path


def serve(home: Home, ports: Ports) -> None:
    """Runs the servers until Ctrl-C, SIGTERM, or one of them ends. Raises FactoryError where a port is taken or one ends by itself."""
    prepare_stores(home)
    servers = _plan(home, ports)
    for server in servers:
        _check_port(server)
    environment = os.environ | {
        "FACTORY_HOME": str(home.root),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its workers serve evaluations of language models, which nothing here asks for
        "PYTHONWARNINGS": "ignore",
        "FACTORY_MLFLOW_URL": f"http://{LOOPBACK}:{ports.mlflow}",
        "FACTORY_CARDS_URL": f"http://{LOOPBACK}:{ports.cards}",
    }
    stopped = _catch_signals()
    running: list[tuple[_Server, subprocess.Popen[bytes]]] = []
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
        _wait_until_open(running, stopped)
        for server in servers:
            OUT.print(f"{server.name:<10} http://{LOOPBACK}:{server.port}", highlight=False)
        OUT.print(f"Ctrl-C stops them. Their words are in {servers[0].log.parent}.", highlight=False, soft_wrap=True)
        while not stopped:
            _check_alive(running)
            time.sleep(0.5)
    finally:
        _stop(running)


def _plan(home: Home, ports: Ports) -> list[_Server]:
    python = sys.executable
    workspace = project_folder() / "workspace.yaml"
    graph = ["-w", str(workspace)] if workspace.is_file() else ["-m", "assets.definitions"]
    dagster = [python, "-m", "dagster", "dev", *graph, "-h", LOOPBACK, "-p", str(ports.dagster), "--log-level", "warning"]
    mlflow = [python, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(ports.mlflow), "--workers", "1"]
    mlflow += ["--backend-store-uri", os.environ["MLFLOW_TRACKING_URI"], "--artifacts-destination", (home.mlflow / "artifacts").as_uri()]
    cards = [python, "-m", "http.server", str(ports.cards), "--bind", LOOPBACK, "--directory", str(home.releases)]
    logs = home.root / "logs"
    logs.mkdir(exist_ok=True)
    return [
        _Server("Dagster", "dagster", ports.dagster, dagster, project_folder(), logs / "dagster.log"),
        _Server("MLflow", "mlflow", ports.mlflow, mlflow, home.mlflow, logs / "mlflow.log"),
        _Server("data cards", "cards", ports.cards, cards, home.releases, logs / "cards.log"),
    ]


def _check_port(server: _Server) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, server.port))
        except OSError as error:
            raise FactoryError(
                f"{server.name} cannot listen on {LOOPBACK}:{server.port}: {error.strerror}. Another program (perhaps another "
                f"`factory ui`) is there; stop it, or give another port with --{server.option}-port."
            ) from error


def _catch_signals() -> list[int]:
    """A list that becomes true once Ctrl-C or SIGTERM came."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    return caught


def _wait_until_open(running: Sequence[tuple[_Server, "subprocess.Popen[bytes]"]], stopped: list[int]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for server, _ in running:
        while not stopped and not _is_open(server.port):
            _check_alive(running)
            if time.monotonic() > deadline:
                raise FactoryError(
                    f"{server.name} did not open port {server.port} within {START_SECONDS:.0f} s; its own words stand above."
                )
            time.sleep(0.2)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _check_alive(running: Sequence[tuple[_Server, "subprocess.Popen[bytes]"]]) -> None:
    for server, process in running:
        if (code := process.poll()) is not None:
            words = server.log.read_text(errors="replace").strip().splitlines()[-3:]
            raise FactoryError(
                f"{server.name} ended by itself with code {code}, and the others were stopped. {server.log} ends: {' '.join(words)}"
            )


def _stop(running: Sequence[tuple[_Server, "subprocess.Popen[bytes]"]]) -> None:
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
