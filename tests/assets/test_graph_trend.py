"""Two releases of one line: their trend on the pages, in MLflow and beside the releases, and the drift of each against the last."""

from __future__ import annotations

import shutil
from typing import Any

import dagster as dg
import mlflow
from plant import LENIENT, SORT, TOO_FEW, Plant

from assets.data_docs import docs_folder
from factory.release.history import list_history
from resources.home import open_instance


def page(plant: Plant, asset: str) -> dict[str, Any]:
    """What the newest page of an asset shows."""
    with open_instance(plant.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["tiny", asset]))
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def drift(plant: Plant) -> float | None:
    return plant.frame("collapse").filter(metric="perplexity_drift")["value"][0]


def test_a_line_shows_how_its_releases_moved(copied: Plant) -> None:
    assert drift(copied) is None, "the first release has none before it"
    copied.write_line(validation={"gates": LENIENT, "waivers": [TOO_FEW]})
    shutil.rmtree(copied.qna(SORT).parent)
    copied.run()
    moved = drift(copied)
    assert moved is not None and moved > 0
    history = list_history(copied.home.releases, "tiny")
    assert [entry.step for entry in history] == [1, 2]
    assert history[-1].version == copied.frame("dataset_release")["version"][0]
    assert [entry.against_previous.get("collapse.perplexity_drift") for entry in history] == [None, moved]

    for asset in ("collapse", "gates", "dataset_release"):
        shown = page(copied, asset)
        assert "trend_plot" in shown and "collapse.distinct_pairs" in shown["trend"], asset
    heads = page(copied, "dataset_release")["trend"].splitlines()[0]
    assert all(f"{entry.step} {entry.version}" in heads for entry in history)

    mlflow.set_tracking_uri(f"sqlite:///{copied.home.mlflow / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    (series,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], "attributes.run_name = 'releases'")
    records = client.get_metric_history(series.info.run_id, "fidelity.records")
    assert [point.step for point in records] == [1, 2]
    assert records[-1].value == copied.frame("accepted").height
    assert [point.step for point in client.get_metric_history(series.info.run_id, "collapse.perplexity_drift")] == [2]

    docs = (docs_folder("tiny") / "index.html").read_text()
    assert all(asset in docs for asset in ("seed_examples", "scored", "rejected", "collapse", "dataset_release"))
