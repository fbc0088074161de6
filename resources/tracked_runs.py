"""MLflow's runs of a line: a parent for each Dagster run, a child for each asset, what they are tagged with and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from resources.home import project_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_TAG = "dagster.run_id"
ASSET_TAG = "dagster.asset"
LINE_DIGEST_TAG = "factory.line_digest"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
"""What MLflow shows as a run's description."""
COMMIT_TAG, DIRTY_TAG = "mlflow.source.git.commit", "mlflow.source.git.dirty"
INHERITED = (RUN_TAG, LINE_DIGEST_TAG, COMMIT_TAG, DIRTY_TAG)
"""Tags that a child has of its parent."""

ENDED = {dg.DagsterRunStatus.SUCCESS: "FINISHED", dg.DagsterRunStatus.FAILURE: "FAILED", dg.DagsterRunStatus.CANCELED: "KILLED"}
"""How MLflow calls the end of a Dagster run."""


@dataclass(frozen=True)
class Work:
    """An asset of a line that a Dagster run makes; `line_digest` names the line's settings."""

    line: str
    asset: str
    run_id: str
    line_digest: str

    @property
    def key(self) -> str:
        """The asset's key in Dagster."""
        return f"{self.line}/{self.asset}"


def find_parent(client: "MlflowClient", experiment: str, work: Work, instance: dg.DagsterInstance | None) -> "Run":
    """The MLflow run of a Dagster run, made where there is none, and running. Runs of the line that died are ended first."""
    found = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{work.run_id}'")
    for run in found:
        if PARENT_TAG not in run.data.tags:
            if run.info.status != "RUNNING":
                client.update_run(run.info.run_id, "RUNNING")
            return run
    if instance is not None:
        end_dead(client, experiment, instance)
    started = _read_start(instance, work.run_id)
    own = {RUN_TAG: work.run_id, LINE_DIGEST_TAG: work.line_digest, NOTE_TAG: f"Dagster run {work.run_id} of line {work.line}."}
    tags = _resolve(own | find_source(project_folder()))
    return client.create_run(experiment, started, tags, f"{work.line} {work.run_id[:8]}")


@contextmanager
def open_child(client: "MlflowClient", experiment: str, work: Work, parent: "Run", note: str, began: int | None) -> Iterator[str]:
    """A run for an asset, by its id, active while inside, FAILED where what is inside fails; `began` in ms since the epoch, else now."""
    import mlflow

    inherited = {name: value for name, value in parent.data.tags.items() if name in INHERITED}
    own = {PARENT_TAG: parent.info.run_id, ASSET_TAG: work.key} | ({NOTE_TAG: note} if note else {})
    child = client.create_run(experiment, began, _resolve(inherited | own), work.asset)
    with mlflow.start_run(run_id=child.info.run_id, log_system_metrics=False):
        yield str(child.info.run_id)


def read_status(instance: dg.DagsterInstance, run_id: str) -> str:
    """How MLflow calls the state of a Dagster run none of whose steps is at work any more, whether Dagster has ended it yet or not."""
    failures = [
        event.dagster_event.step_failure_data.error_source
        for event in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        if event.dagster_event is not None
    ]
    if any(source is not None and source.name == "INTERRUPT" for source in failures):
        return "KILLED"
    return "FAILED" if failures else "FINISHED"


def end_dead(client: "MlflowClient", experiment: str, instance: dg.DagsterInstance) -> None:
    """Ends the runs that a killed process left running, as Dagster says that theirs ended; those of another Dagster stay."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        record = instance.get_run_record_by_id(run.data.tags.get(RUN_TAG, ""))
        if record is not None and record.dagster_run.is_finished:
            ended = None if record.end_time is None else int(1000 * record.end_time)
            client.set_terminated(run.info.run_id, ENDED[record.dagster_run.status], ended)


def find_source(folder: Path) -> dict[str, str]:
    """Tags of the git commit that `folder` is at, and whether files differ from it; none outside of a repository or without git."""
    from mlflow.utils.git_utils import get_git_commit

    commit = get_git_commit(str(folder))
    if commit is None:
        return {}
    from git import GitError, Repo

    try:
        changed = Repo(folder, search_parent_directories=True).is_dirty()
    except (GitError, OSError, ValueError):
        return {COMMIT_TAG: commit}
    return {COMMIT_TAG: commit, DIRTY_TAG: str(changed).lower()}


def _resolve(tags: dict[str, str]) -> dict[str, str]:
    """`tags` and those of MLflow itself: who runs it, and from which program."""
    from mlflow.tracking.context.registry import resolve_tags

    return dict(resolve_tags(tags))


def _read_start(instance: dg.DagsterInstance | None, run_id: str) -> int | None:
    """When a Dagster run began, in ms since the epoch, where that is known."""
    record = None if instance is None else instance.get_run_record_by_id(run_id)
    return None if record is None or record.start_time is None else int(1000 * record.start_time)
