"""The graph that Dagster loads: whole, light to load, and no line takes another down."""

from __future__ import annotations

import logging
from pathlib import Path

import dagster as dg
import pytest
import yaml
from plant import LINE, PROJECT, Plant, build_plant

from assets.definitions import build_definitions, build_resources, read_lines

LOAD = """
import sys
import assets.definitions
print(sorted({"torch", "transformers", "trl", "mlflow", "great_expectations", "presidio_analyzer", "sklearn"} & set(sys.modules)))
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return build_plant(tmp_path)


def test_the_graph_is_loadable_with_every_stage_and_gate(plant: Plant) -> None:
    made = build_definitions([plant.line], build_resources(plant.home))
    dg.Definitions.validate_loadable(made)
    graph = made.resolve_asset_graph()
    assert {key.path[-1] for key in graph.materializable_asset_keys} == {
        *("seed_examples", "seed_documents", "candidates", "scored", "accepted", "rejected", "preference_pairs"),
        *("fidelity", "privacy", "fairness", "collapse", "gates", "dataset_release", "training_mix", "student_sft", "evaluation"),
        "champion",
    }
    gates = [key for key in graph.asset_check_keys if key.asset_key.path[-1] == "gates"]
    assert len(gates) >= 20
    assert all(graph.get(key).is_partitioned for key in (dg.AssetKey(["tiny", name]) for name in ("candidates", "scored")))
    assert not graph.get(dg.AssetKey(["tiny", "accepted"])).is_partitioned


def test_the_bundled_lines_are_loadable(plant: Plant) -> None:
    lines = read_lines(PROJECT / "lines")
    assert "bundled" in [line.name for line in lines]
    dg.Definitions.validate_loadable(build_definitions(lines, build_resources(plant.home)))


def test_a_bad_line_file_does_not_take_the_others_down(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    (plant.root / "abroad.yaml").write_text("name: abroad\nseeds: {taxonomy: nowhere}\n")
    (plant.root / "twin.yaml").write_text(yaml.safe_dump(LINE | {"seed": 4}))
    (plant.root / "other.yaml").write_text(yaml.safe_dump(LINE | {"name": "other"}))
    with caplog.at_level(logging.ERROR, "factory"):
        lines = read_lines(plant.root)
    assert [(line.name, line.seed) for line in lines] == [("other", 3), ("tiny", 3)]
    assert "abroad.yaml:2" in caplog.text and "twin.yaml" in caplog.text
    dg.Definitions.validate_loadable(build_definitions(lines, build_resources(plant.home)))


def test_the_graph_is_loaded_without_heavy_libraries(plant: Plant) -> None:
    ended = plant.process(code=LOAD)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
