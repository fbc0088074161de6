"""MLflow: one parent run per Dagster run, a child per asset, the student in the registry. A tracker that fails never costs a model."""

import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
import polars as pl

from factory.records import digest
from factory.release.trend import Point
from factory.tuning.libraries import is_of_writing

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

RUN_TAG = "dagster.run_id"
FINGERPRINT_TAG = "factory.fingerprint"
DIGEST_TAG = "factory.model_digest"
SERIES_TAG = "factory.releases"
CANDIDATE, CHAMPION = "candidate", "champion"
"""Aliases of a line's student in the registry: the newest one, and the best."""

LONGEST_METRIC = 250
"""Characters of a metric's name in MLflow."""

_NOT_IN_METRICS = re.compile(r"[^/\w.\- :]")

T = TypeVar("T")


@dataclass(frozen=True)
class Released:
    """The dataset that a student was trained on: a release by folder and version, and the digest and `tags` of what was made of it."""

    records: pl.DataFrame
    folder: str
    version: str
    digest: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve:
    """Values of one metric by step."""

    name: str
    points: Sequence[tuple[int, float]]


class Tracking(dg.ConfigurableResource[None]):
    """What MLflow is told. `uri` is its database or server; `artifacts` is where models go, or empty where the server decides."""

    uri: str
    artifacts: str = ""

    def log_student(
        self,
        line: str,
        run_id: str,
        asset: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        curves: Sequence[Curve],
        released: Released,
        model: "Path",
        fingerprint: str,
        register: bool,
    ) -> dict[str, str] | None:
        """Logs a trained phase and, with `register`, its model as a new version of `<line>_student` under the alias `candidate`.

        Returns `mlflow_run`, `mlflow_url` and, where registered, `mlflow_model` and `mlflow_version`; None where MLflow failed.
        A model that is registered already, by its fingerprint, keeps its version.
        """

        def log() -> dict[str, str]:
            import mlflow

            with self._child(line, run_id, asset) as (client, child, url):
                for name, value in params.items():
                    client.log_param(child, name, value)
                _log_metrics(client, child, metrics, *curves)
                dataset = mlflow.data.from_polars(
                    released.records, source=released.folder, name=released.version, digest=released.digest[:36]
                )
                mlflow.log_input(dataset, context="training", tags=dict(released.tags))
                facts = {"mlflow_run": child, "mlflow_url": url}
                return facts | (_register(client, f"{line}_student", child, model, fingerprint) if register else {})

        return _tolerate(log)

    def log_reward_model(
        self, experiment: str, name: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], curve: Curve, digest: str
    ) -> dict[str, str] | None:
        """Logs a trained reward model as a run `name` of `experiment`, its folder's `digest` as a tag; None where MLflow failed.

        Training again what is finished logs nothing new: the run of that digest is told instead.
        """

        def log() -> dict[str, str]:
            client = self._client()
            place = self._experiment(client, experiment)
            known = client.search_runs([place], f"tags.`{DIGEST_TAG}` = '{digest}' AND attributes.status = 'FINISHED'", max_results=1)
            if known:
                return {"mlflow_run": known[0].info.run_id, "mlflow_url": page_url(place, known[0].info.run_id)}
            run = client.create_run(place, run_name=name, tags={DIGEST_TAG: digest}).info.run_id
            for key, value in params.items():
                client.log_param(run, key, value)
            _log_metrics(client, run, metrics, curve)
            client.set_terminated(run, "FINISHED")
            return {"mlflow_run": run, "mlflow_url": page_url(place, run)}

        return _tolerate(log)

    def log_evaluation(self, line: str, run_id: str, metrics: Mapping[str, float], table: str) -> dict[str, str] | None:
        """Logs the figures of an evaluation and its `table` (Markdown); None where MLflow failed."""

        def log() -> dict[str, str]:
            with self._child(line, run_id, "evaluation") as (client, child, url):
                _log_metrics(client, child, metrics)
                client.log_text(child, table, "evaluation.md")
                return {"mlflow_run": child, "mlflow_url": url}

        return _tolerate(log)

    def log_release(self, line: str, run_id: str, version: str, points: Sequence[Point]) -> dict[str, str] | None:
        """Logs the measures of the release `version`, the last of `points`, which are all releases of the line; None where MLflow failed.

        They stand in a run of the asset, and as one more step of the line's run `releases`, where each measure is a curve over the
        releases. Releases that this run was not told of yet, because MLflow failed, are told too.
        """

        def log() -> dict[str, str]:
            with self._child(line, run_id, "dataset_release") as (client, child, url):
                client.log_param(child, "version", version)
                _log_metrics(client, child, _known(points[-1]))
                series = _find_series(client, self._experiment(client, line))
                told = client.get_run(series).data.tags
                for point in points:
                    if (tag := f"{SERIES_TAG}.{point.step}") not in told:
                        _log_metrics(client, series, {}, *(Curve(key, [(point.step, value)]) for key, value in _known(point).items()))
                        client.set_tag(series, tag, point.version)
                return {"mlflow_run": child, "mlflow_url": url}

        return _tolerate(log)

    def crown(self, model: str, version: str) -> bool:
        """Gives a registered version the alias `champion`; False where MLflow failed."""

        def log() -> bool:
            self._client().set_registered_model_alias(model, CHAMPION, version)
            return True

        return bool(_tolerate(log))

    def _client(self) -> "MlflowClient":
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        return mlflow.MlflowClient()

    @contextmanager
    def _child(self, line: str, run_id: str, asset: str) -> Iterator[tuple["MlflowClient", str, str]]:
        """An MLflow run for one asset, active while inside, under the parent of the Dagster run: client, its id and page.

        Each child leaves the parent as it ends itself, so a parent is never left open.
        """
        import mlflow

        client = self._client()
        experiment = self._experiment(client, line)
        parent = _find_parent(client, experiment, run_id, line)
        with mlflow.start_run(experiment_id=experiment, run_name=asset, tags={"mlflow.parentRunId": parent, RUN_TAG: run_id}) as run:
            client.set_terminated(parent, "FAILED")
            yield client, run.info.run_id, page_url(experiment, run.info.run_id)
        client.set_terminated(parent, "FINISHED")

    def _experiment(self, client: "MlflowClient", line: str) -> str:
        found = client.get_experiment_by_name(line)
        if found is not None:
            return str(found.experiment_id)
        place = f"{self.artifacts}/{line}" if self.artifacts else None
        return str(client.create_experiment(line, artifact_location=place))


def page_url(experiment: str, run: str) -> str:
    """The page of a run on MLflow's own server, which stands at $FACTORY_MLFLOW_URL."""
    server = os.environ.get("FACTORY_MLFLOW_URL", "http://127.0.0.1:5000")
    return f"{server}/#/experiments/{experiment}/runs/{run}"


def _known(point: Point) -> dict[str, float]:
    return {name: value for name, value in point.values.items() if value is not None}


def _find_series(client: "MlflowClient", experiment: str) -> str:
    """The MLflow run of a line that has a step for each release."""
    runs = client.search_runs([experiment], f"tags.`{SERIES_TAG}` = 'line'", max_results=1)
    if runs:
        return str(runs[0].info.run_id)
    run = client.create_run(experiment, tags={SERIES_TAG: "line"}, run_name="releases").info.run_id
    client.set_terminated(run, "FINISHED")
    return str(run)


def _find_parent(client: "MlflowClient", experiment: str, run_id: str, line: str) -> str:
    """The MLflow run of a Dagster run; children carry the same tag, and a parent's id."""
    runs = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run_id}'")
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    parent = parents[0] if parents else client.create_run(experiment, tags={RUN_TAG: run_id}, run_name=f"{line} {run_id[:8]}")
    return str(parent.info.run_id)


def name_metric(name: str) -> str:
    """`name` as MLflow takes it: no signs but those that it allows, vowel signs and accents of other scripts among them, and not too long.

    What had to be changed ends in a digest, so that two leaves never share a metric.
    """
    composed = unicodedata.normalize("NFC", name)
    allowed = _NOT_IN_METRICS.sub("-", composed)
    if allowed == composed and len(allowed) <= LONGEST_METRIC:
        return allowed
    mark = digest([name])[:8]
    return f"{allowed[: LONGEST_METRIC - len(mark) - 1]}-{mark}"


def _log_metrics(client: "MlflowClient", run: str, metrics: Mapping[str, float], *curves: Curve) -> None:
    from mlflow.entities import Metric

    now = int(client.get_run(run).info.start_time)
    values = [Metric(name_metric(name), float(value), now, 0) for name, value in metrics.items()]
    values += [Metric(name_metric(curve.name), float(value), now, step) for curve in curves for step, value in curve.points]
    for start in range(0, len(values), 1000):
        client.log_batch(run, metrics=values[start : start + 1000])


def _register(client: "MlflowClient", name: str, run: str, folder: "Path", fingerprint: str) -> dict[str, str]:
    known = client.search_model_versions(f"name = '{name}'")
    version = next((str(found.version) for found in known if found.tags.get(FINGERPRINT_TAG) == fingerprint), None)
    if version is None:
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        logged = _log_model(folder)
        made = client.create_model_version(name, logged.model_uri, run, tags={FINGERPRINT_TAG: fingerprint}, model_id=logged.model_id)
        version = str(made.version)
    client.set_registered_model_alias(name, CANDIDATE, version)
    return {"mlflow_model": name, "mlflow_version": version}


def _log_model(folder: "Path") -> Any:
    """Loads the model from its folder, because MLflow 3.17 cannot log a folder under transformers 5.23."""
    import mlflow
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    parts = {
        "model": transformers.AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False),
        "tokenizer": transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False),
    }
    needs = [f"torch=={torch.__version__.split('+')[0]}", f"transformers=={transformers.__version__}"]
    return mlflow.transformers.log_model(parts, name="student", task="text-generation", pip_requirements=needs)


def _tolerate(log: Callable[[], T]) -> T | None:
    """What `log` gives, or None with a warning where MLflow cannot be reached or written, or its copy of a model cannot."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return log()
    except Exception as error:
        if not isinstance(error, MlflowException | SQLAlchemyError) and not is_of_writing(error):
            raise
        reason = " ".join(str(error).split())[:500]
        logging.getLogger("factory").warning("MLflow was not told: %s. Nothing else is lost; the next run tells it again.", reason)
        return None
