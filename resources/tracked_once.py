"""A run in MLflow that is of no Dagster run and is logged once, however often it is told: a reward model's, a benchmark's."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resources.tracked_metrics import Curve, log_metrics
from resources.tracked_place import Place

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient


def log_once(
    client: "MlflowClient",
    place: Place,
    experiment: str,
    name: str,
    tag: tuple[str, str],
    *,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    curves: Sequence[Curve] = (),
    files: Sequence["Path"] = (),
) -> dict[str, str]:
    """The facts that name the finished run of `experiment` that has the `tag`, made where there is none."""
    within = place.find_experiment(client, experiment)
    known = client.search_runs([within], f"tags.`{tag[0]}` = '{tag[1]}' AND attributes.status = 'FINISHED'", max_results=1)
    if known:
        return place.name_run(within, known[0].info.run_id)
    run = client.create_run(within, run_name=name, tags={tag[0]: tag[1]}).info.run_id
    for key, value in params.items():
        client.log_param(run, key, value)
    log_metrics(client, run, metrics, *curves)
    for file in files:
        client.log_artifact(run, str(file))
    client.set_terminated(run, "FINISHED")
    return place.name_run(within, run)
