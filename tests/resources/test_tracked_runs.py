"""MLflow's run of a Dagster run is tagged with where it comes from, and ends as that one does, also where it was killed."""

import subprocess
from contextlib import suppress
from pathlib import Path

import dagster as dg
import mlflow
import pytest
from mlflow.entities import Run
from students import ASKED, Work

from resources import tracked_runs
from resources.tracked_runs import COMMIT_TAG, DIRTY_TAG, find_source
from resources.tracking import Tracking


def find_runs(tracking: Tracking, run_id: str) -> tuple[Run, list[Run]]:
    """The parent and the children of a Dagster run."""
    client = mlflow.MlflowClient(tracking.uri, tracking.uri)
    places = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(places, f"tags.`dagster.run_id` = '{run_id}'")
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    return parent, [run for run in runs if run is not parent]


def tell(tracking: Tracking, line: str, run_id: str) -> None:
    work = Work(line, "evaluation", run_id, "digest-of-the-line")
    assert tracking.log_evaluation(work, {"tuned_all": 0.5}, "table", asked=ASKED, of_model={}, model=None)


def build_assets(line: str, fault: BaseException | None) -> list[dg.AssetsDefinition]:
    """One asset that tells MLflow, and one after it that raises `fault`."""

    @dg.asset
    def evaluation(context: dg.AssetExecutionContext, tracking: Tracking) -> None:
        tell(tracking, line, context.run_id)

    @dg.asset(deps=[evaluation])
    def champion() -> None:
        if fault is not None:
            raise fault

    return [evaluation, champion]


@pytest.mark.parametrize(
    ("fault", "status"),
    [(None, "FINISHED"), (ValueError("no"), "FAILED"), (dg.DagsterExecutionInterruptedError(), "KILLED")],
    ids=["success", "failure", "interrupt"],
)
def test_it_ends_as_the_dagster_run_does(tracking: Tracking, fault: BaseException | None, status: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        with suppress(dg.DagsterExecutionInterruptedError):
            dg.materialize(build_assets("ends", fault), resources={"tracking": tracking}, instance=instance, raise_on_error=False)
        (record,) = instance.get_run_records()
    parent, children = find_runs(tracking, record.dagster_run.run_id)
    assert parent.info.status == status
    assert [child.info.status for child in children] == ["FINISHED"], "what was told before stays as it is"


def test_a_run_whose_process_was_killed_is_ended_by_the_next(tracking: Tracking) -> None:
    @dg.job
    def work() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance, dg.DagsterInstance.ephemeral() as elsewhere:
        killed, foreign = (each.create_run_for_job(work) for each in (instance, elsewhere))
        for run in (killed, foreign):
            tell(tracking, "killed", run.run_id)  # and never ended
        assert find_runs(tracking, killed.run_id)[0].info.status == "RUNNING"
        instance.report_run_failed(killed, "The run's process ended without a word.")
        dg.materialize(build_assets("killed", None), resources={"tracking": tracking}, instance=instance)
    assert find_runs(tracking, killed.run_id)[0].info.status == "FAILED"
    assert find_runs(tracking, foreign.run_id)[0].info.status == "RUNNING", "another Dagster's run may be at work"


def test_parent_and_child_say_which_run_asset_line_and_commit(
    tracking: Tracking, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_runs, "project_folder", lambda: repository)
    tell(tracking, "tagged", "run-1")
    tracking.end_run("run-1")
    parent, (child,) = find_runs(tracking, "run-1")
    commit = git(repository, "rev-parse", "HEAD")
    shared = {"dagster.run_id": "run-1", "factory.line_digest": "digest-of-the-line", COMMIT_TAG: commit, DIRTY_TAG: "false"}
    assert shared.items() <= parent.data.tags.items() and shared.items() <= child.data.tags.items()
    assert child.data.tags["dagster.asset"] == "tagged/evaluation" and child.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_a_changed_file_is_told_and_no_repository_is_no_failure(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "lines" / "tiny.yaml").write_text("seed: 4")
    assert find_source(repository / "lines")[DIRTY_TAG] == "true"
    assert find_source(tmp_path) == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_source(tmp_path) == {}


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    (folder / "lines").mkdir()
    (folder / "lines" / "tiny.yaml").write_text("seed: 3")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=Sari", "-c", "user.email=sari@example.org", "commit", "--quiet", "-m", "A line")
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
