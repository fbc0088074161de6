"""MLflow: what it is told of a line's assets, of reward models and of benchmarks. A tracker that fails never costs a model."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
import polars as pl
from pydantic import PrivateAttr

from factory.release.trend import Point
from factory.seeds.git import hide_credentials
from factory.tuning.libraries import is_of_writing
from resources.reach import is_server, reach
from resources.registry import DECISION_TAG, Student, crown, name_model, register, write_decision
from resources.tracked_metrics import About, Curve, log_metrics
from resources.tracked_runs import Work, find_parent, open_child, read_status

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

DIGEST_TAG = "factory.model_digest"
BENCHMARK_TAG = "factory.benchmark"
SERIES_TAG = "factory.releases"
LONGEST_DIGEST = 36
"""Characters of a dataset's digest in MLflow."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""What an experiment's pages in MLflow are about: training, and not traces of agents."""

T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """Rows that a run reads, under a name and a digest of them, with `tags`; `source` is the folder that they are from, if one."""

    rows: pl.DataFrame
    name: str
    digest: str
    source: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, str]:
        """How figures name it."""
        return self.name, self.digest[:LONGEST_DIGEST]


@dataclass(frozen=True)
class Decision:
    """What was decided of the student of that revision: whether it became champion, why, and the figures that decided."""

    revision: str
    promoted: bool
    reason: str
    figures: Mapping[str, float]


class Tracking(dg.ConfigurableResource[None]):
    """What MLflow is told. `uri` is its database or server; `artifacts` is where models go, or empty where the server decides.

    In a Dagster run its MLflow run is open from the first asset that tells something, and ends as that one does.
    """

    uri: str
    artifacts: str = ""
    _instance: dg.DagsterInstance | None = PrivateAttr(default=None)
    _open: dict[str, str] = PrivateAttr(default_factory=dict)  # MLflow's run by the Dagster run

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._instance = context.instance

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        for run_id in [*self._open]:
            self.end_run(run_id)

    def end_run(self, run_id: str) -> None:
        """Ends MLflow's run of a Dagster run as that one ends; nothing where it told nothing."""
        parent = self._open.pop(run_id, None)
        if parent is not None:
            status = "FINISHED" if self._instance is None else read_status(self._instance, run_id)
            self._tell(lambda client: client.set_terminated(parent, status))

    def log_student(
        self,
        work: Work,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        curves: Sequence[Curve],
        system: Sequence[Curve],
        trained_on: Dataset,
        note: str,
        began: int | None,
        student: Student | None,
    ) -> dict[str, str] | None:
        """Logs a trained phase and, where it is the `student` of its line, its model as a new version under the alias `candidate`.

        Returns `mlflow_run`, `mlflow_url` and, where registered, `mlflow_model`, `mlflow_version` and `mlflow_model_id`; None where MLflow
        failed. `metrics` stand with the model too. A model that is registered already, by its revision, keeps its version.
        """

        def log(client: "MlflowClient") -> dict[str, str]:
            with self._child(client, work, note, began) as (child, facts):
                for name, value in params.items():
                    client.log_param(child, name, value)
                _log_input(trained_on, "training")
                log_metrics(client, child, {}, *curves)
                if student is not None:
                    facts |= register(client, name_model(work.line), child, student, params)
                log_metrics(client, child, metrics, *system, about=About(facts.get("mlflow_model_id"), trained_on.named))
                return facts

        return self._tell(log)

    def log_evaluation(
        self, work: Work, metrics: Mapping[str, float], table: str, *, asked: Dataset, of_model: Mapping[str, float], model: str | None
    ) -> dict[str, str] | None:
        """Logs the figures of an evaluation and its `table` (Markdown); None where MLflow failed.

        `of_model` are those among `metrics` that are the tuned student's, which stand with its LoggedModel `model` too.
        """

        def log(client: "MlflowClient") -> dict[str, str]:
            with self._child(client, work, table) as (child, facts):
                _log_input(asked, "evaluation")
                others = {name: value for name, value in metrics.items() if name not in of_model}
                log_metrics(client, child, others, about=About(dataset=asked.named))
                _log_model(client, child, model)
                log_metrics(client, child, of_model, about=About(model or None, asked.named))
                client.log_text(child, table, "evaluation.md")
                return facts

        return self._tell(log)

    def log_release(self, work: Work, version: str, points: Sequence[Point]) -> dict[str, str] | None:
        """Logs the measures of the release `version`, the last of `points`, which are all releases of the line; None where MLflow failed.

        They stand in a run of the asset, and as one more step of the line's run `releases`, where each measure is a curve over the
        releases. Releases that this run was not told of yet, because MLflow failed, are told too.
        """

        def log(client: "MlflowClient") -> dict[str, str]:
            with self._child(client, work, f"Release {version} of line {work.line}.") as (child, facts):
                client.log_param(child, "version", version)
                log_metrics(client, child, _known(points[-1]))
                series = _find_series(client, self._experiment(client, work.line))
                told = client.get_run(series).data.tags
                for point in points:
                    if (tag := f"{SERIES_TAG}.{point.step}") not in told:
                        log_metrics(client, series, {}, *(Curve(key, [(point.step, value)]) for key, value in _known(point).items()))
                        client.set_tag(series, tag, point.version)
                return facts

        return self._tell(log)

    def log_decision(self, work: Work, decision: Decision) -> dict[str, str] | None:
        """Says in a run, and on the registered student, what was decided and why; None where MLflow failed.

        Beside `mlflow_run` and `mlflow_url` gives what `log_student` gave of that student, where it is registered.
        """

        def log(client: "MlflowClient") -> dict[str, str]:
            with self._child(client, work, decision.reason) as (child, facts):
                client.log_param(child, "student", decision.revision)
                decided = "promoted" if decision.promoted else "refused"
                client.set_tag(child, DECISION_TAG, decided)
                log_metrics(client, child, decision.figures)
                version = write_decision(client, name_model(work.line), decision.revision, decided, decision.reason)
                _log_model(client, child, version.get("mlflow_model_id"))
                return facts | version

        return self._tell(log)

    def crown(self, line: str, revision: str) -> str | None:
        """Gives the newest version of the student of that revision the alias `champion`; None where there is none, or MLflow failed."""

        return self._tell(lambda client: crown(client, name_model(line), revision))

    def log_reward_model(
        self, experiment: str, name: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], curve: Curve, digest: str
    ) -> dict[str, str] | None:
        """Logs a trained reward model as a run `name` of `experiment`, its folder's `digest` as a tag; None where MLflow failed.

        Training again what is finished logs nothing new: the run of that digest is told instead.
        """

        return self._tell(lambda client: self._log_once(client, experiment, name, (DIGEST_TAG, digest), params, [curve], metrics, ()))

    def log_benchmark(
        self, experiment: str, name: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], files: Sequence["Path"], key: str
    ) -> dict[str, str] | None:
        """Logs one model's scores under one judge as a run `name` of `experiment`, with the `files`; None where MLflow failed.

        What was logged before under the same `key` is not logged again.
        """
        return self._tell(lambda client: self._log_once(client, experiment, name, (BENCHMARK_TAG, key), params, [], metrics, files))

    def _log_once(
        self,
        client: "MlflowClient",
        experiment: str,
        name: str,
        tag: tuple[str, str],
        params: Mapping[str, Any],
        curves: Sequence[Curve],
        metrics: Mapping[str, float],
        files: Sequence["Path"],
    ) -> dict[str, str]:
        """The finished run of `experiment` that has the `tag`, made where there is none."""
        place = self._experiment(client, experiment)
        known = client.search_runs([place], f"tags.`{tag[0]}` = '{tag[1]}' AND attributes.status = 'FINISHED'", max_results=1)
        if known:
            return {"mlflow_run": known[0].info.run_id, "mlflow_url": self._page(place, known[0].info.run_id)}
        run = client.create_run(place, run_name=name, tags={tag[0]: tag[1]}).info.run_id
        for key, value in params.items():
            client.log_param(run, key, value)
        log_metrics(client, run, metrics, *curves)
        for file in files:
            client.log_artifact(run, str(file))
        client.set_terminated(run, "FINISHED")
        return {"mlflow_run": run, "mlflow_url": self._page(place, run)}

    @contextmanager
    def _child(self, client: "MlflowClient", work: Work, note: str, began: int | None = None) -> Iterator[tuple[str, dict[str, str]]]:
        """An MLflow run for one asset, active while inside, under that of the Dagster run: its id, and the facts that name it."""
        experiment = self._experiment(client, work.line)
        parent = find_parent(client, experiment, work, self._instance)
        self._open[work.run_id] = parent.info.run_id
        with open_child(client, experiment, work, parent, note, began) as child:
            yield child, {"mlflow_run": child, "mlflow_url": self._page(experiment, child)}

    def _page(self, experiment: str, run: str) -> str:
        """The page of a run: on the server that is told, or where `factory ui` serves MLflow, which stands at $FACTORY_MLFLOW_URL."""
        served = hide_credentials(self.uri.rstrip("/")) if is_server(self.uri) else "http://127.0.0.1:5000"
        return f"{os.environ.get('FACTORY_MLFLOW_URL', served)}/#/experiments/{experiment}/runs/{run}"

    def _experiment(self, client: "MlflowClient", line: str) -> str:
        found = client.get_experiment_by_name(line)
        if found is not None:
            return str(found.experiment_id)
        place = f"{self.artifacts}/{line}" if self.artifacts else None
        return str(client.create_experiment(line, artifact_location=place, tags=KIND))

    def _tell(self, log: "Callable[[MlflowClient], T]") -> T | None:
        """What `log` gives, or None with a warning where MLflow cannot be reached or written, or its copy of a model cannot."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            reach(self.uri)
            return log(self._client())
        except Exception as error:
            if not isinstance(error, MlflowException | SQLAlchemyError) and not is_of_writing(error):
                raise
            reason = hide_credentials(" ".join(str(error).split()))[:500]
            logging.getLogger("factory").warning("MLflow was not told: %s. Nothing else is lost; the next run tells it again.", reason)
            return None

    def _client(self) -> "MlflowClient":
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        return mlflow.MlflowClient()


def _log_input(dataset: Dataset, context: str) -> None:
    """Logs what the active run reads."""
    import mlflow

    read = mlflow.data.from_polars(dataset.rows, source=dataset.source, name=dataset.name, digest=dataset.named[1])
    mlflow.log_input(read, context=context, tags=dict(dataset.tags))


def _log_model(client: "MlflowClient", run: str, model: str | None) -> None:
    """Says which LoggedModel a run reads, if one."""
    from mlflow.entities import LoggedModelInput

    if model:
        client.log_inputs(run, models=[LoggedModelInput(model)])


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
