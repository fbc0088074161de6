"""MLflow: what it is told of a line's assets, of reward models and of benchmarks. A tracker that fails never costs a model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from factory.release.trend import Point
from resources.registry import DECISION_TAG, Student, crown, name_model, register, write_decision
from resources.tracked_inputs import Dataset, log_input, log_model
from resources.tracked_metrics import About, Curve, log_metrics
from resources.tracked_once import log_once
from resources.tracked_place import Place
from resources.tracked_releases import log_series, take_known
from resources.tracked_runs import Work, find_parent, open_child, read_status

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

DIGEST_TAG = "factory.model_digest"
BENCHMARK_TAG = "factory.benchmark"


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

    @property
    def _place(self) -> Place:
        return Place(self.uri, self.artifacts)

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
            self._place.tell(lambda client: client.set_terminated(parent, status))

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
                log_input(trained_on, "training")
                log_metrics(client, child, {}, *curves)
                if student is not None:
                    facts |= register(client, name_model(work.line), child, student, params)
                log_metrics(client, child, metrics, *system, about=About(facts.get("mlflow_model_id"), trained_on.named))
                return facts

        return self._place.tell(log)

    def log_evaluation(
        self, work: Work, metrics: Mapping[str, float], table: str, *, asked: Dataset, of_model: Mapping[str, float], model: str | None
    ) -> dict[str, str] | None:
        """Logs the figures of an evaluation and its `table` (Markdown); None where MLflow failed.

        `of_model` are those among `metrics` that are the tuned student's, which stand with its LoggedModel `model` too.
        """

        def log(client: "MlflowClient") -> dict[str, str]:
            with self._child(client, work, table) as (child, facts):
                log_input(asked, "evaluation")
                others = {name: value for name, value in metrics.items() if name not in of_model}
                log_metrics(client, child, others, about=About(dataset=asked.named))
                log_model(client, child, model)
                log_metrics(client, child, of_model, about=About(model or None, asked.named))
                client.log_text(child, table, "evaluation.md")
                return facts

        return self._place.tell(log)

    def log_release(self, work: Work, version: str, points: Sequence[Point]) -> dict[str, str] | None:
        """Logs the measures of the release `version`, the last of `points`, which are all releases of the line; None where MLflow failed.

        They stand in a run of the asset, and as one more step of the line's run `releases`, where each measure is a curve over the
        releases. Releases that this run was not told of yet, because MLflow failed, are told too.
        """

        def log(client: "MlflowClient") -> dict[str, str]:
            with self._child(client, work, f"Release {version} of line {work.line}.") as (child, facts):
                client.log_param(child, "version", version)
                log_metrics(client, child, take_known(points[-1]))
                log_series(client, self._place.find_experiment(client, work.line), points)
                return facts

        return self._place.tell(log)

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
                log_model(client, child, version.get("mlflow_model_id"))
                return facts | version

        return self._place.tell(log)

    def crown(self, line: str, revision: str) -> str | None:
        """Gives the newest version of the student of that revision the alias `champion`; None where there is none, or MLflow failed."""

        return self._place.tell(lambda client: crown(client, name_model(line), revision))

    def log_reward_model(
        self, experiment: str, name: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], curve: Curve, digest: str
    ) -> dict[str, str] | None:
        """Logs a trained reward model as a run `name` of `experiment`, its folder's `digest` as a tag; None where MLflow failed.

        Training again what is finished logs nothing new: the run of that digest is told instead.
        """

        tag = (DIGEST_TAG, digest)
        return self._place.tell(
            lambda client: log_once(client, self._place, experiment, name, tag, params=params, metrics=metrics, curves=[curve])
        )

    def log_benchmark(
        self, experiment: str, name: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], files: Sequence["Path"], key: str
    ) -> dict[str, str] | None:
        """Logs one model's scores under one judge as a run `name` of `experiment`, with the `files`; None where MLflow failed.

        What was logged before under the same `key` is not logged again.
        """
        tag = (BENCHMARK_TAG, key)
        return self._place.tell(
            lambda client: log_once(client, self._place, experiment, name, tag, params=params, metrics=metrics, files=files)
        )

    @contextmanager
    def _child(self, client: "MlflowClient", work: Work, note: str, began: int | None = None) -> Iterator[tuple[str, dict[str, str]]]:
        """An MLflow run for one asset, active while inside, under that of the Dagster run: its id, and the facts that name it."""
        experiment = self._place.find_experiment(client, work.line)
        parent = find_parent(client, experiment, work, self._instance)
        self._open[work.run_id] = parent.info.run_id
        with open_child(client, experiment, work, parent, note, began) as child:
            yield child, self._place.name_run(experiment, child)
