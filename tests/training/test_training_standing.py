"""What a student was trained on lets it become champion: whole releases, with gates that passed or are waived to this day."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from factory.records import digest
from factory.release.manifest import MANIFEST_FILE
from factory.training import Standing, examine_releases
from factory.validation_spec import GatesSpec, Waiver

TODAY = date(2026, 11, 28)
PASSED = {"gate": "fidelity.records", "passed": True, "waived_by": None, "waiver_reason": None, "waived_until": None, "severity": "block"}
WAIVED = PASSED | {"passed": False, "waived_by": "Sari Dewi", "waiver_reason": "a trial", "waived_until": "2026-12-01"}
FAILED = PASSED | {"passed": False}


def publish(folder: Path, *gates: dict[str, Any]) -> Path:
    """A release of nothing but a manifest with such gates."""
    counted = {name: {} for name in ("leaves", "kinds", "languages", "licences", "depths", "settings", "files")}
    bounds = {"subject": "line", "value": 1.0, "low": None, "high": None, "direction": "min", "threshold": 1.0}
    fields: dict[str, Any] = {
        "line": "tiny",
        "version": folder.name,
        "records": 1,
        "tokens": 1,
        **counted,
        "teacher": "t",
        "reward_model": None,
    }
    fields |= {"seeds": {"digest": "d", "examples": 1, "holdout": 1}, "gates": [bounds | gate for gate in gates]}
    folder.mkdir()
    (folder / MANIFEST_FILE).write_text(json.dumps(fields | {"digest": digest(fields)}))
    return folder


def waive(until: date) -> GatesSpec:
    return GatesSpec(waivers=(Waiver(gate="fidelity.records", by="Sari Dewi", reason="a trial", until=until),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "v-1"


def test_a_sound_release_with_its_gates_passed_is_no_obstacle(folder: Path) -> None:
    standing = examine_releases([publish(folder, PASSED)], GatesSpec(), TODAY)
    assert standing == Standing(notes=("1 of 1 gates of release v-1 passed",))


def test_a_waived_gate_is_named_and_an_obstacle_once_its_waiver_stands_no_more(folder: Path) -> None:
    publish(folder, PASSED, WAIVED)
    waived = "gate fidelity.records of release v-1 was waived by Sari Dewi until 2026-12-01 (a trial)"
    stands = examine_releases([folder], waive(until=TODAY), TODAY)
    assert stands == Standing(notes=("1 of 2 gates of release v-1 passed", waived))
    for spec in (GatesSpec(), waive(until=date(2026, 11, 27))):
        (obstacle,) = examine_releases([folder], spec, TODAY).obstacles
        assert obstacle == f"{waived}, and the line has no waiver of it that still holds"


def test_an_obstacle_is_the_same_one_on_the_next_day(folder: Path) -> None:
    publish(folder, WAIVED)
    first, second = (examine_releases([folder], GatesSpec(), date(2026, 12, day)) for day in (2, 3))
    assert first.obstacles and first == second


def test_a_gate_that_only_warns_is_named_and_one_that_blocks_is_an_obstacle(folder: Path) -> None:
    standing = examine_releases([publish(folder, FAILED | {"severity": "warn"}, FAILED)], GatesSpec(), TODAY)
    assert standing.notes[1:] == ("gate fidelity.records of release v-1 failed, and only warns",)
    assert standing.obstacles == ("gate fidelity.records of release v-1 failed",)


def test_every_release_is_looked_at_and_a_changed_or_missing_one_is_an_obstacle(folder: Path) -> None:
    publish(folder, PASSED)
    (folder / "data.jsonl").write_text("one line more")
    added, missing = examine_releases([folder, folder.parent / "v-2"], GatesSpec(), TODAY).obstacles
    assert "data.jsonl does not belong there" in added
    assert "v-2 is no release" in missing
