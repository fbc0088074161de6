"""The run `releases` of a line in MLflow, in which each measure is a curve over the line's releases."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from factory.release.trend import Point
from resources.tracked_metrics import Curve, log_metrics

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERIES_TAG = "factory.releases"


def log_series(client: "MlflowClient", experiment: str, points: Sequence[Point]) -> None:
    """Logs those of `points`, all releases of the line, that its run was not told of yet, because MLflow failed or they are new."""
    series = _find_series(client, experiment)
    told = client.get_run(series).data.tags
    for point in points:
        if (tag := f"{SERIES_TAG}.{point.step}") not in told:
            log_metrics(client, series, {}, *(Curve(key, [(point.step, value)]) for key, value in take_known(point).items()))
            client.set_tag(series, tag, point.version)


def take_known(point: Point) -> dict[str, float]:
    """The measures that a release has a value of."""
    return {name: value for name, value in point.values.items() if value is not None}


def _find_series(client: "MlflowClient", experiment: str) -> str:
    """The MLflow run of a line that has a step for each release."""
    runs = client.search_runs([experiment], f"tags.`{SERIES_TAG}` = 'line'", max_results=1)
    if runs:
        return str(runs[0].info.run_id)
    run = client.create_run(experiment, tags={SERIES_TAG: "line"}, run_name="releases").info.run_id
    client.set_terminated(run, "FINISHED")
    return str(run)
