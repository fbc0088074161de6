"""How fast, how lean and how polite the client of servers is, beside peers that do the same work. Run from the project's folder:

.venv/bin/python bench/client.py PEERS --peer openai=/venvs/openai/bin/python --peer datatrove=/venvs/datatrove/bin/python

PEERS is a folder that holds mock.py (`mock.py PORT LATENCY [SHARE_OF_429S | cap:N]`: a loopback server of chat completions that tells at
/stats what it was asked) and a script for each peer (`b_xx.py REQUESTS IN_FLIGHT PORT FOLDER`). Each run is a process of its own with a
server of its own; the runs of all clients are interleaved. Spans are the server's, from its first request to its last answer.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

IN_FLIGHT = 32
LATENCY_SECONDS = 0.05
SCRIPTS = {"openai": "b_openai.py", "datatrove": "b_dt.py", "data_designer": "b_dd.py", "curator": "b_bc.py", "distilabel": "b_dl.py"}
QUIET = {
    "NEMO_TELEMETRY_ENABLED": "false",
    "TELEMETRY_ENABLED": "False",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
"""Switches the peers' telemetry and downloads off."""
OURS = "data-factory"


@dataclass(frozen=True)
class Case:
    """Work for a client: so many requests, to a server of such behaviour. A peer that does not end in `limit` seconds is stopped."""

    name: str
    requests: int
    behaviour: str
    ideal: float
    limit: float = 150.0


CASES = (
    Case("1,000 requests", 1000, "0", 1000 / IN_FLIGHT * LATENCY_SECONDS),
    Case("refuses above 8 in flight", 1000, "cap:8", 1000 / 8 * LATENCY_SECONDS),
    Case("20 % random 429s", 300, "0.2", 0.0),
)
LONG = Case("10,000 requests", 10_000, "0", 10_000 / IN_FLIGHT * LATENCY_SECONDS)


@dataclass(frozen=True)
class Run:
    """What was seen of one run. Seconds, megabytes (proportional set size of the process group, at its highest), and counts."""

    ended: bool
    wall: float
    span: float
    cpu: float
    memory: float
    asked: int
    refused: int
    answered: int
    output: str


@contextmanager
def serve(peers: Path, behaviour: str) -> Iterator[int]:
    """The port of a fresh server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(peers / "mock.py"), str(port), str(LATENCY_SECONDS), behaviour])
    try:
        while True:
            try:
                read_stats(port)
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        server.kill()
        server.wait()


def read_stats(port: int) -> dict[str, float]:
    """What the server counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
        found: dict[str, float] = json.load(answer)
        return found


def sum_memory(session: int) -> float:
    """Megabytes of all processes of a session, shared pages by their share."""
    kilobytes = 0
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and os.getsid(int(process.name)) == session:
                lines = (process / "smaps_rollup").read_text().splitlines()
                kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue  # ended in the meantime
    return kilobytes / 1024


def measure(command: Sequence[str], case: Case, port: int) -> Run:
    """Runs a client to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=os.environ | QUIET)
        peak = 0.0

        def watch() -> None:
            nonlocal peak
            while process.poll() is None:
                peak = max(peak, sum_memory(process.pid))
                time.sleep(0.2)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            ended = process.wait(case.limit) == 0
        except subprocess.TimeoutExpired:
            ended = False
            os.killpg(process.pid, 9)
            process.wait()
        wall = time.perf_counter() - began
        watcher.join()
        output.seek(0)
        said = output.read().strip()
    after, stats = resource.getrusage(resource.RUSAGE_CHILDREN), read_stats(port)
    return Run(
        ended=ended and stats["distinct"] >= case.requests,
        wall=wall,
        span=(stats["t_last"] or 0) - (stats["t_first"] or 0),
        cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        memory=peak,
        asked=int(stats["requests"]),
        refused=int(stats["s429"]),
        answered=int(stats["ok"]),
        output=said,
    )


def write_command(client: str, python: str, peers: Path, case: Case, port: int, folder: str) -> list[str]:
    """How a client is started."""
    script = [__file__, "--drive"] if client == OURS else [str(peers / SCRIPTS[client])]
    return [python, *script, str(case.requests), str(IN_FLIGHT), str(port), folder]


def compare(clients: dict[str, str], peers: Path, case: Case, runs: int) -> None:
    """Prints the medians of all clients on one case."""
    seen: dict[str, list[Run]] = {client: [] for client in clients}
    for _ in range(runs):
        for client, python in clients.items():
            if any(not run.ended for run in seen[client]):
                continue
            with serve(peers, case.behaviour) as port, tempfile.TemporaryDirectory() as folder:
                seen[client].append(measure(write_command(client, python, peers, case, port, folder), case, port))
    ideal = f"ideal {case.ideal:.2f} s, " if case.ideal else ""
    load = os.getloadavg()[0]
    print(f"\n### {case.name} ({ideal}{IN_FLIGHT} in flight, {LATENCY_SECONDS * 1000:.0f} ms each; median of {runs}; load {load:.1f})\n")
    print("| client | span s (each run) | wall s | CPU s | memory MB | asked | refused |\n|---|---|---|---|---|---|---|")
    for client, found in seen.items():
        if not found[-1].ended:
            last = found[-1]
            print(
                f"| {client} | did not end: {last.answered} of {case.requests} answered after {last.wall:.0f} s | | | | | {last.refused} |"
            )
            continue
        span, wall, cpu, memory, asked, refused = (
            statistics.median(getattr(run, key) for run in found) for key in ("span", "wall", "cpu", "memory", "asked", "refused")
        )
        each = ", ".join(f"{run.span:.2f}" for run in found)
        part = f"{refused:.0f} ({refused / asked:.1%})"
        print(f"| {client} | **{span:.2f}** ({each}) | {wall:.1f} | {cpu:.1f} | {memory:.0f} | {asked:.0f} | {part} |", flush=True)


def watch_memory(peers: Path) -> None:
    """Prints our own resident memory while many requests pass."""
    with serve(peers, LONG.behaviour) as port, tempfile.TemporaryDirectory() as folder:
        run = measure(write_command(OURS, sys.executable, peers, LONG, port, folder), LONG, port)
    print(f"\n### {LONG.name}: span {run.span:.1f} s (ideal {LONG.ideal:.1f}), CPU {run.cpu:.1f} s, at most {run.memory:.0f} MB\n")
    print(run.output)


async def drive(requests: int, in_flight: int, port: int, folder: Path) -> None:
    """Our client on the work: workers pull from an iterator and write each answer as it comes."""
    from factory.generation.chat import Message, Request
    from factory.generation.server_teacher import ServerTeacher
    from factory.model_spec import Sampling, ServerSpec

    teacher = ServerTeacher("mock", ServerSpec(base_url=f"http://127.0.0.1:{port}/v1", in_flight=in_flight))
    work, sampling = iter(range(requests)), Sampling()
    done = 0

    async def pull() -> None:
        nonlocal done
        for number in work:
            answer = await teacher.ask(Request((Message("user", f"question {number}"),), number, sampling))
            assert answer.finish_reason == "stop", answer.text
            file.write(json.dumps({"number": number, "text": answer.text}) + "\n")
            done += 1
            if done % max(1000, requests // 10) == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                print(f"{done} answered: {pages * resource.getpagesize() / 1e6:.1f} MB resident")

    with (folder / "answers.jsonl").open("w") as file:
        # Twice as many workers as slots, so that one that waits for its next try leaves no slot empty.
        await asyncio.gather(*(pull() for _ in range(2 * in_flight)))
    await teacher.close()


def main() -> None:
    """Parses the arguments and measures."""
    if sys.argv[1] == "--drive":
        asyncio.run(drive(*(int(given) for given in sys.argv[2:5]), Path(sys.argv[5])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--peer", action="append", default=[], help=f"NAME=PYTHON, a peer and its interpreter; names: {', '.join(SCRIPTS)}")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--case", type=int, action="append", choices=range(len(CASES) + 1), help="its place, from 0; all by default")
    given = parser.parse_args()
    clients = {OURS: sys.executable} | dict(peer.split("=", 1) for peer in given.peer)
    chosen = range(len(CASES) + 1) if given.case is None else given.case
    for place in chosen:
        if place < len(CASES):
            compare(clients, given.peers, CASES[place], given.runs)
        else:
            watch_memory(given.peers)


if __name__ == "__main__":
    main()
