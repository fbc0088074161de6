"""A line whose teacher stands behind a server: the graph asks it, parks it, asks again, and writes its key nowhere."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from plant import ADDITION, SORT, THANKS, Plant, Said

from assets.run import RunFailedError, run_line
from factory.pico.models import resolve_model
from factory.validation.gates import list_default_gates

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import Asked, MisbehavingServer

CANARY = "canary-key-c0ffee"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", CANARY)
    monkeypatch.setenv("TEACHER_TOKEN", f"{CANARY}-too")


def serve(
    plant: Plant, server: MisbehavingServer, sections: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **more: Any
) -> None:
    """Gives the plant's line a teacher behind `server`, with a key."""
    keys = {"key_variable": "TEACHER_KEY", "headers": {"X-Token": "${TEACHER_TOKEN}"}}
    served = {"base_url": server.base_url, "in_flight": 4, "tries": 2, "deadline_seconds": 5, "park_seconds": 0.2, "patience_seconds": 3}
    served |= keys | (settings or {})
    generation = {"teacher": {"model": "granite", "server": served}, "candidates_per_leaf": 6, **more}
    plant.write_line(generation=generation, **sections or {})


def read_everything(root: Path) -> dict[str, str]:
    """The content of every file under `root` by its path: also of what Parquet and Dagster's snapshots compress."""
    read = {}
    for file in (file for file in root.rglob("*") if file.is_file()):
        content = file.read_bytes()
        parts = [content]
        if file.suffix == ".parquet":
            parts += [pl.read_parquet(file).write_json().encode(), str(pl.read_parquet_metadata(file)).encode()]
        if content.startswith(b"SQLite format 3"):
            parts += read_database(file)
        read[file.relative_to(root).as_posix()] = b"\n".join(parts).decode(errors="replace")
    return read


def read_database(file: Path) -> list[bytes]:
    """What stands compressed in the cells of a database."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for name in tables for row in connection.execute(f'SELECT * FROM "{name}"') for cell in row]
    return [zlib.decompress(cell) for cell in cells if isinstance(cell, bytes) and cell[:1] == b"\x78"]


def test_a_served_line_is_made_parked_and_mended_and_its_key_is_in_nothing(fresh: Plant, capfd: pytest.CaptureFixture[str]) -> None:
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
    assert CANARY not in told.out + told.err
    assert not [file for file, content in read_everything(fresh.root).items() if CANARY in content]


def test_leaves_of_a_server_that_was_parked_are_returned_to_in_the_same_run(fresh: Plant) -> None:
    dies_at, dead_until = 4, 0.0

    def die_for_a_while(asked: Asked) -> str | None:
        nonlocal dead_until
        if asked.number == dies_at:
            dead_until = asked.at + 1.2
        return "500" if asked.at < dead_until else None

    with MisbehavingServer(schedule=die_for_a_while) as server:
        serve(fresh, server)
        fresh.run(SORT, THANKS)
        assert server.met["500"] >= 3
        assert sorted(fresh.frame("candidates")["leaf"].value_counts().rows()) == [(SORT, 6), (THANKS, 6)]

        dies_at, dead_until = -1, float("inf")
        serve(fresh, server, settings={"tokenizer": resolve_model("pico-teacher")}, candidates_per_leaf=9)
        asked, chunks = len(server.asked), fresh.stored("seed_documents")
        with pytest.raises(RunFailedError, match="2 leaves are parked, as their server does not answer"):
            fresh.run(SORT, THANKS)
        assert len(server.asked) > asked + 6, "it was tried again, and given up when patience ended"
        again = fresh.stored("seed_documents")
        assert all(again[leaf][0] > chunks[leaf][0] for leaf in (SORT, THANKS)), "chunks are counted by the tokenizer now"


def test_a_whole_run_tells_its_key_to_nobody_though_it_is_debugged_and_the_server_repeats_it(
    fresh: Plant, cli: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(fresh.root / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(fresh.root / "temporary"))
    (fresh.root / "temporary").mkdir()
    for leaf in (ADDITION, SORT):
        shutil.rmtree(fresh.qna(leaf).parent)
    lenient = {
        "reward": {"min_goodness": -100, "near_duplicate": 1},
        "validation": {
            "waivers": [{"gate": gate, "by": "T. Ester", "reason": "a test", "until": "2100-01-01"} for gate in list_default_gates()]
        },
    }
    given_up: set[str] = set()

    def fail(asked: Asked) -> str | None:
        """A fault now and then, and one request that meets it each time."""
        if asked.number == 7:
            given_up.add(asked.key)
        return f"{500 + asked.number % 2} echo" if asked.number % 4 == 3 or asked.key in given_up else None

    with MisbehavingServer(schedule=fail) as server:
        serve(fresh, server, lenient, candidates_per_leaf=12)
        run = cli("--debug", "run", "tiny")
        assert run.code == 0 and "dagster - INFO" in run.err, run.err
        assert "made-up fault" in fresh.frame("candidates").write_json() + fresh.home.ledger("tiny").read_bytes().decode(errors="replace")
        said = [run.out + run.err]
        record = fresh.frame("accepted").row(0, named=True)
        assert record["leaf"] == THANKS
        said += [cli(*arguments).out for arguments in (["trace", record["record_id"]], ["status", "tiny"], ["report", "tiny"])]

        serve(fresh, server, lenient, candidates_per_leaf=14)
        server.schedule = lambda asked: "401 echo"
        ended = fresh.process("--debug", "run", "tiny", "--leaf", THANKS)
        assert ended.returncode != 0 and "Traceback" in ended.stderr and "made-up fault 401" in ended.stderr
        said.append(ended.stdout + ended.stderr)
    written = read_everything(fresh.root)
    for place, told in {
        "data.parquet": "granite",
        "card.html": "granite",
        "event_log.db": "granite",
        "runs.db": "tiny__candidates",
    }.items():
        assert any(file.endswith(place) and told in content for file, content in written.items()), f"the search sees into {place}"
    assert any("mlflow.db" in file for file in written) and any("manifest.json" in file for file in written)
    assert not [file for file, content in written.items() if CANARY in content]
    assert CANARY not in "".join(said)


def test_a_served_reward_model_scores_what_no_verifier_decides_and_is_asked_again_where_it_failed(fresh: Plant) -> None:
    def rate(body: dict[str, Any]) -> str:
        return f"reward:{len(body['messages'][-1]['content'])}"

    with MisbehavingServer(schedule=lambda asked: "500 echo", answer=rate) as server:
        keys = {"key_variable": "TEACHER_KEY", "headers": {"X-Token": "${TEACHER_TOKEN}"}}
        served = {"base_url": server.base_url, "tries": 2, "deadline_seconds": 5, "park_seconds": 0.2, **keys}
        fresh.write_line(reward={"model": "nemotron", "server": served, "min_goodness": 0})
        with pytest.raises(RunFailedError, match="parked"):
            fresh.run(THANKS)
        server.schedule = lambda asked: None
        time.sleep(0.5)
        fresh.run(THANKS)
        scored = fresh.frame("scored").filter(leaf=THANKS)
        rated = scored.filter(pl.col("reward").is_not_null())
        assert rated.height and rated["reward_model"].unique().to_list() == ["nemotron@served"]
        assert rated["reward"].to_list() == [float(len(response)) for response in rated["response"]]
        asked = len(server.asked)
        fresh.run(THANKS, refresh=True)
        assert len(server.asked) == asked, "the ledger holds every rating"
    assert not [name for name, text in read_everything(fresh.root).items() if CANARY in text]
