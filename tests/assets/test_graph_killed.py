"""A killed run goes on to the bytes of one that was not; two runs of a line never go at once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from plant import LEAVES, Plant, Whole

from factory.generation.local_teacher import LocalTeacher
from resources.home import open_instance
from resources.lock import hold_line

FATAL = "import runpy; runpy.run_module('killed_factory', run_name='__main__')"


def test_a_run_killed_in_generation_goes_on_to_the_same_bytes(fresh: Plant, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FATAL_BATCH", "4")
    ended = fresh.process("run", "tiny", code=FATAL)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    stored = fresh.stored("candidates")
    assert 0 < len(stored) < len(LEAVES), "it was to die in the middle of the leaves"
    assert not fresh.stored("scored")

    asked = []
    complete = LocalTeacher.complete
    monkeypatch.setattr(LocalTeacher, "complete", lambda self, *given, **more: asked.append(1) or complete(self, *given, **more))
    fresh.run(*LEAVES)
    assert {leaf: fresh.stored("candidates")[leaf] for leaf in stored} == stored, "what was made is not made again"
    assert len(asked) == 3, "the batch that was answered but not stored, and those that were never asked"
    fresh.run()

    for name in ("seed_examples", "candidates", "scored", "accepted", "rejected", "gates"):
        resumed, unbroken = (plant.frame(name).drop("source", strict=False).rows(named=True) for plant in (fresh, whole.plant))
        assert len(resumed) == len(unbroken), name
        assert [pair for pair in zip(resumed, unbroken, strict=True) if pair[0] != pair[1]] == [], name
    release, other = fresh.frame("dataset_release"), whole.plant.frame("dataset_release")
    assert release.drop("folder").equals(other.drop("folder"))
    files = {file.name: file.read_bytes() for file in Path(release["folder"][0]).iterdir() if file.is_file()}
    assert files == {file.name: file.read_bytes() for file in Path(other["folder"][0]).iterdir() if file.is_file()}
    assert fresh.frame("student_sft")["revision"].to_list() == whole.plant.frame("student_sft")["revision"].to_list()
    assert fresh.frame("evaluation").equals(whole.plant.frame("evaluation"))

    with open_instance(fresh.home) as instance:
        statuses = sorted(record.dagster_run.status.value for record in instance.get_run_records())
    assert statuses == ["FAILURE", "SUCCESS", "SUCCESS", "SUCCESS"], "the dead run is not left as running"


def test_a_second_run_at_once_does_nothing_and_names_the_first(fresh: Plant) -> None:
    with hold_line(fresh.home, "tiny"):
        ended = fresh.process("run", "tiny")
    assert ended.returncode == 3
    assert f"process {os.getpid()} since" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not fresh.stored("seed_examples")
