"""One run of a line at a time, and what a killed one leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.home import Home
from resources.lock import LINE_TAG, LineBusyError, hold_line, lines_of, register_run

HOLDER = """
import sys, time
from pathlib import Path
from resources.home import Home
from resources.lock import hold_line
with hold_line(Home(Path(sys.argv[1])), "demo"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_held_line_names_its_holder_and_is_free_after_a_kill(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LineBusyError, match=rf"demo is being run by process {holder.pid} since 20\d\d-"), hold_line(Home(tmp_path), "demo"):
        pass
    with hold_line(Home(tmp_path), "other"):
        pass
    holder.kill()
    holder.wait()
    with hold_line(Home(tmp_path), "demo"):
        held = json.loads((tmp_path / "locks" / "demo.holder.json").read_text())
        assert held["pid"] == os.getpid()
    assert not (tmp_path / "locks" / "demo.holder.json").exists()


def test_waiting_takes_the_line_when_it_comes_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    holder.terminate()
    with hold_line(Home(tmp_path), "demo", wait_seconds=30):
        assert time.monotonic() - started < 30


def test_the_holder_may_take_it_again_inside(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with hold_line(home, "demo"):
        with hold_line(home, "demo"):
            pass
        assert (tmp_path / "locks" / "demo.holder.json").exists(), "still held by the outer one"
    with pytest.raises(ZeroDivisionError), hold_line(home, "demo"):
        _ = 1 / 0
    assert not (tmp_path / "locks" / "demo.holder.json").exists(), "a failure inside frees the line"


def start_runs(instance: dg.DagsterInstance, count: int) -> list[str]:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def work() -> None:
        nothing()

    return [instance.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED).run_id for _ in range(count)]


def test_a_run_that_died_is_marked_failed_by_the_next_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.locks.mkdir()
    with dg.DagsterInstance.ephemeral() as instance:
        dead, alive, waiting = start_runs(instance, 3)
        (home.locks / "demo.run.json").write_text(json.dumps({"run": dead}))
        with register_run(home, instance, "demo", alive):
            statuses = {run.run_id: run.status for run in instance.get_runs()}
            assert statuses == {
                dead: dg.DagsterRunStatus.FAILURE,
                alive: dg.DagsterRunStatus.STARTED,
                waiting: dg.DagsterRunStatus.STARTED,  # of another process, which waits for this one
            }
            assert json.loads((home.locks / "demo.run.json").read_text()) == {"run": alive}
            assert [run.run_id for run in instance.get_runs(dg.RunsFilter(tags={LINE_TAG: "demo"}))] == [alive]
        assert not (home.locks / "demo.run.json").exists()


def test_the_lines_of_a_run_are_those_of_its_tag_or_its_assets() -> None:
    assert lines_of(dg.DagsterRun("job", tags={LINE_TAG: "demo"})) == ["demo"]
    keys = frozenset({dg.AssetKey(["b", "x"]), dg.AssetKey(["a", "x"]), dg.AssetKey(["b", "y"])})
    assert lines_of(dg.DagsterRun("job", asset_selection=keys)) == ["a", "b"]
