"""One run of a line at a time: a lock file that the running process holds, and the clearing away of runs that died."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from factory.faults import FactoryError
from resources.home import Home

LINE_TAG = "factory/line"


class LineBusyError(FactoryError):
    """Another process runs the line."""


@contextmanager
def hold_line(home: Home, line: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds the line's lock, which the operating system frees even after kill -9. The holder may take it again inside.

    Raises LineBusyError, naming the process that holds it and since when, if it is not free within `wait_seconds`.
    """
    home.locks.mkdir(parents=True, exist_ok=True)
    holder = home.locks / f"{line}.holder.json"
    lock = FileLock(home.locks / f"{line}.lock", is_singleton=True, thread_local=False)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise LineBusyError(_describe_holder(line, holder)) from None
    try:
        if lock.lock_counter == 1:
            holder.write_text(json.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}))
        yield
    finally:
        if lock.lock_counter == 1:
            holder.unlink(missing_ok=True)
        lock.release()


def _describe_holder(line: str, holder: Path) -> str:
    held = _read(holder)
    who = f"by process {held['pid']} since {held['since']}" if held else "by another process"
    return (
        f"Line {line} is being run {who}. Two runs of one line at once would write the same frames, so this one did nothing; "
        "wait for the other to end, or stop it (Ctrl-C there, or its run's Terminate button in Dagster), and run again."
    )


class LineLock(dg.ConfigurableResource["LineLock"]):
    """Held for the length of a run, for every line whose assets the run makes."""

    home: str
    wait_seconds: float = 600.0

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LineLock"]:
        run = context.run
        with ExitStack() as stack:
            for line in lines_of(run) if run is not None else []:
                started = time.monotonic()
                stack.enter_context(hold_line(Home(Path(self.home)), line, self.wait_seconds))
                if context.log is not None and time.monotonic() - started > 1:
                    context.log.info(f"waited {time.monotonic() - started:.0f} s for another run of line {line} to end")
                if context.instance is not None and run is not None:
                    stack.enter_context(register_run(Home(Path(self.home)), context.instance, line, run.run_id))
            yield self


def lines_of(run: dg.DagsterRun) -> list[str]:
    """The lines whose assets a run makes: its tag, or the first part of its asset keys. Always in the same order."""
    if tagged := run.tags.get(LINE_TAG):
        return [tagged]
    keys = [*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())]
    return sorted({key.path[0] for key in keys})


@contextmanager
def register_run(home: Home, instance: dg.DagsterInstance, line: str, run_id: str) -> Iterator[None]:
    """Says that `run_id` is the line's run, with the line's lock in hand.

    A run that another process registered and never took back died without a word (kill -9, power): it is marked failed and
    what it held is freed.
    """
    file = home.locks / f"{line}.run.json"
    left = _read(file).get("run")
    if left and left != run_id:
        bury_run(instance, left)
    file.write_text(json.dumps({"run": run_id}))
    instance.add_run_tags(run_id, {LINE_TAG: line})
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def bury_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Marks a run whose process is gone as failed, if it is not ended, and frees the pool slots that it held."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, "The run's process ended without a word (killed, or the machine went down).")
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
