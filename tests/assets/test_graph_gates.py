"""Nothing passes a failed gate, and a waiver by name is shown wherever the gate is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
from plant import LENIENT, Plant, Said

from factory.release.manifest import find_releases, read_manifest
from resources.home import open_instance

STRICT = LENIENT | {"fidelity.records": {"min": 1000}}
SMALL = {"gate": "fidelity.records", "by": "Sari Dewi", "reason": "a trial of thirty records", "until": "2100-01-01"}


def test_a_failed_gate_stops_release_and_training(copied: Plant, cli: Callable[..., Said]) -> None:
    before = {event: stamp(copied, event) for event in ("dataset_release", "student_sft", "evaluation", "champion")}
    releases = find_releases(copied.home.releases)
    copied.write_line(validation={"gates": STRICT | {"privacy.personal_data": {"max": 0.01}}})
    said = cli("run", "tiny")
    assert said.code == 1
    assert f"fidelity.records = {copied.frame('accepted').height}" in said.err
    assert "must be at least 1000" in said.err
    privacy = next(line for line in said.err.splitlines() if "privacy.personal_data = 0" in line)
    assert "interval 0 to 0." in privacy, "a value inside its bound must say why the gate failed"
    assert "2 failed" in said.out and "waive the gate" in said.out
    assert {event: stamp(copied, event) for event in before} == before
    assert find_releases(copied.home.releases) == releases


def test_a_waiver_by_name_lets_a_failed_gate_pass(copied: Plant, cli: Callable[..., Said]) -> None:
    copied.write_line(validation={"gates": STRICT, "waivers": [SMALL]})
    said = cli("run", "tiny")
    assert said.code == 0, said.err
    assert "1 waived" in said.out
    manifest = read_manifest(Path(copied.frame("dataset_release")["folder"][0]))
    waived = [gate for gate in manifest.gates if gate.waived_by]
    assert [(gate.gate, gate.waived_by, gate.waiver_reason) for gate in waived] == [("fidelity.records", SMALL["by"], SMALL["reason"])]
    assert SMALL["reason"] in (Path(copied.frame("dataset_release")["folder"][0]) / "card.html").read_text()
    with open_instance(copied.home) as instance:
        key = dg.AssetCheckKey(dg.AssetKey(["tiny", "gates"]), "fidelity_records")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.event is not None and record.event.dagster_event is not None
    check = record.event.dagster_event.asset_check_evaluation_data
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert SMALL["by"] in str(check.description)


def test_a_waiver_of_no_gate_is_refused_before_any_work(fresh: Plant, cli: Callable[..., Said]) -> None:
    fresh.write_line(validation={"waivers": [SMALL | {"gate": "fidelity.record"}]})
    said = cli("run", "tiny")
    assert said.code == 2
    assert "fidelity.records" in said.err
    assert not fresh.stored("seed_examples")


def stamp(plant: Plant, asset: str) -> float | None:
    """When an asset was last materialised."""
    with open_instance(plant.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["tiny", asset]))
    return event.timestamp if event else None
