"""MLflow's run of a benchmark: one model's scores under one judge, with the files that hold them, told once."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resources.tracking import Tracking, name_metric, page_url

BENCHMARK_TAG = "factory.benchmark"


def log_benchmark(
    tracking: Tracking, experiment: str, name: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], folder: Path, key: str
) -> str | None:
    """Logs a run `name` of `experiment` with the files of `folder`, and gives its page; None, with a warning, where MLflow failed.

    What was logged before under the same `key` is not logged again.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = MlflowClient(tracking.uri, tracking.uri)
        found = client.get_experiment_by_name(experiment)
        artifacts = f"{tracking.artifacts}/{experiment}" if tracking.artifacts else None
        place = str(found.experiment_id if found else client.create_experiment(experiment, artifact_location=artifacts))
        known = client.search_runs([place], f"tags.`{BENCHMARK_TAG}` = '{key}' AND attributes.status = 'FINISHED'", max_results=1)
        if known:
            return page_url(place, known[0].info.run_id)
        run = client.create_run(place, run_name=name, tags={BENCHMARK_TAG: key}).info.run_id
        for param, value in params.items():
            client.log_param(run, param, value)
        for metric, number in metrics.items():
            client.log_metric(run, name_metric(metric), number)
        client.log_artifacts(run, str(folder))
        client.set_terminated(run, "FINISHED")
        return page_url(place, run)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = " ".join(str(error).split())[:500]
        logging.getLogger("factory").warning("MLflow was not told: %s. Nothing else is lost; run again and it is told.", reason)
        return None
