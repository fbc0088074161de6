"""A line whose teacher stands behind a server: the graph asks it, parks it, asks again, and writes its key nowhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from plant import ADDITION, SORT, Plant

from assets.run import RunFailedError, run_line

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer

CANARY = "canary-key-c0ffee"


def serve(plant: Plant, server: MisbehavingServer, **more: Any) -> None:
    """Gives the plant's line a teacher behind `server`, with a key."""
    keys = {"key_variable": "TEACHER_KEY", "headers": {"X-Token": "${TEACHER_TOKEN}"}}
    served = {"base_url": server.base_url, "in_flight": 4, "tries": 2, "deadline_seconds": 1, "park_seconds": 0.2, **keys}
    plant.write_line(generation={"teacher": {"model": "granite", "server": served}, "candidates_per_leaf": 6, **more})


def test_a_served_line_is_made_parked_and_mended_and_its_key_is_in_nothing(
    fresh: Plant, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEACHER_KEY", CANARY)
    monkeypatch.setenv("TEACHER_TOKEN", f"{CANARY}-too")
    with MisbehavingServer(schedule=lambda asked: "500 echo" if asked.number in (5, 6, 7, 8) else None) as server:
        serve(fresh, server)
        fresh.run(ADDITION)
        assert server.asked[0].headers["authorization"] == f"Bearer {CANARY}"
        made = fresh.frame("candidates")
        assert made["teacher"].unique().to_list() == ["granite@served"]
        failed = made.filter(pl.col("parse_fault").str.contains("no answer")).height

        asked = len(server.asked)
        fresh.run(ADDITION)
        assert len(server.asked) == asked, "nothing is asked twice"
        run_line(fresh.home, fresh.line, (ADDITION,), ask_failed_again=True)
        assert len(server.asked) - asked >= failed
        assert not fresh.frame("candidates")["parse_fault"].drop_nulls().str.contains("no answer").any()

        server.schedule = lambda asked: "500 echo"
        with pytest.raises(RunFailedError, match=server.base_url):
            fresh.run(SORT)
    told = capfd.readouterr()
    written = b"".join(file.read_bytes() for file in fresh.root.rglob("*") if file.is_file())
    assert CANARY.encode() not in written
    assert CANARY not in told.out + told.err
