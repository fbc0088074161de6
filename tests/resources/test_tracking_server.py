"""An MLflow server is told all that a database is, and one that cannot be reached costs seconds and nothing else."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from students import ASKED, log, name_work

from assets.servers import find_port
from resources.tracking import Decision, Tracking

START_SECONDS = 120


@pytest.fixture(scope="module")
def server(tracking: Tracking, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    """A server over the database of the room, which it need not make first; its line is its own, as its artifacts are."""
    folder = tmp_path_factory.mktemp("server")
    port = find_port("127.0.0.1")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", tracking.uri, "--artifacts-destination", (folder / "artifacts").as_uri()]
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    mlflow.MlflowClient(tracking.uri, tracking.uri).search_registered_models()
    with (folder / "log").open("w") as told:
        process = subprocess.Popen(command, cwd=folder, env=quiet, stdout=told, stderr=told, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, folder / "log")
        yield Tracking(uri=url)
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            requests.get(f"{url}/health", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.2)
    raise TimeoutError(log.read_text())


def test_a_server_is_told_of_a_student_its_evaluation_and_its_crown(server: Tracking) -> None:
    named = Tracking(uri=server.uri.replace("//", "//sari:secret@"))
    told = log(named, "served-run", "served", line="served")
    assert told is not None and told["mlflow_url"].startswith(f"{server.uri}/#/experiments/"), "a page's address holds no password"
    work = name_work("served-run", "evaluation", "served")
    assert server.log_evaluation(work, {"tuned_all": 0.5}, "table", asked=ASKED, of_model={"tuned_all": 0.5}, model=told["mlflow_model_id"])
    assert server.log_decision(
        name_work("served-run", "champion", "served"), Decision("pico@served", True, "Promoted: it won.", {"difference": 0.5})
    )
    assert server.crown("served", "pico@served") == told["mlflow_version"]
    server.end_run("served-run")

    client = mlflow.MlflowClient(server.uri, server.uri)
    version = client.get_model_version_by_alias("served_student", "champion")
    assert str(version.version) == told["mlflow_version"] and version.description == "Promoted: it won."
    run = client.get_run(told["mlflow_run"])
    assert run.info.status == client.get_run(run.data.tags["mlflow.parentRunId"]).info.status == "FINISHED"
    assert {metric.key for metric in client.get_logged_model(told["mlflow_model_id"]).metrics} == {"records", "tuned_all"}
    answering = mlflow.pyfunc.load_model("models:/served_student@champion")
    (answer,) = answering.predict({"messages": [{"role": "user", "content": "Compute 31 + 12."}], "max_tokens": 8})
    assert answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("kind", ["nobody listens", "it never answers"])
def test_a_server_that_is_not_there_costs_seconds_and_no_student(
    kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.reach.REACH_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if kind == "it never answers":
            silent.listen()
        away = Tracking(uri=f"http://sari:secret@127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with caplog.at_level(logging.WARNING, logger="factory"):
            assert log(away, "run-1", "f") is None
        assert time.monotonic() - started < 2
    assert "MLflow was not told" in caplog.text and "the next run tells it again" in caplog.text and "secret" not in caplog.text
