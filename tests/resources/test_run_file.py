"""What a run leaves in the locks folder may be damaged, and never stops the next run."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from resources.home import Home
from resources.lock import hold_line, register_run


@pytest.mark.parametrize("left", ["", "{", "[1]", "3", '{"run": "no-such-run"}'])
def test_a_damaged_file_of_the_last_run_is_passed_over(tmp_path: Path, left: str) -> None:
    home = Home(tmp_path)
    home.locks.mkdir()
    (home.locks / "tiny.run.json").write_text(left)

    @dg.job
    def work() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(work)
        with register_run(home, instance, "tiny", run.run_id):
            assert json.loads((home.locks / "tiny.run.json").read_text()) == {"run": run.run_id}


def test_a_failure_inside_frees_the_line(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(ZeroDivisionError), hold_line(home, "tiny"):
        _ = 1 / 0
    assert not (home.locks / "tiny.holder.json").exists()
    with hold_line(home, "tiny"):
        assert (home.locks / "tiny.holder.json").exists()
