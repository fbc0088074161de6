"""The one folder that holds everything a run makes, and the environment that keeps libraries from writing elsewhere."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
import yaml
from dagster._core.instance.ref import InstanceRef
from filelock import FileLock

PROJECT = Path(__file__).resolve().parents[1]

PRIVACY = {
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DO_NOT_TRACK": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Switches telemetry off, whatever the environment says."""

DAGSTER_CONFIG = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {
        "runs": {
            "max_concurrent_runs": 4,
            "tag_concurrency_limits": [{"key": "factory/line", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}],
        },
        "pools": {"default_limit": 1, "granularity": "op"},
    },
    # One file for the events of all runs: with a file per run, each event costs several waits for the disk.
    "event_log_storage": {
        "module": "dagster.core.storage.event_log",
        "class": "ConsolidatedSqliteEventLogStorage",
        "config": {"base_dir": {"env": "DAGSTER_HOME"}},
    },
    "run_monitoring": {"enabled": True, "free_slots_after_run_end_seconds": 60},
    "retention": {
        "schedule": {"purge_after_days": 30},
        "sensor": {"purge_after_days": {"skipped": 3, "failure": 30, "success": 30}},
    },
}
"""dagster.yaml of a fresh home: one run per line at a time, one step at a time that uses a teacher."""


@dataclass(frozen=True)
class Home:
    """The state folder of the factory; removing it is a full reset."""

    root: Path

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"

    @property
    def frames(self) -> str:
        """Root of the frame store: a folder here, or the fsspec URL in $FACTORY_FRAMES."""
        return os.environ.get("FACTORY_FRAMES") or str(self.root / "frames")

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def documents(self) -> Path:
        """Git repositories that documents were fetched from."""
        return self.root / "documents"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def logs(self) -> Path:
        """What servers say, a file each."""
        return self.root / "logs"

    def ledger(self, line: str) -> Path:
        """The line's ledger of teacher's answers."""
        return self.root / "ledgers" / f"{line}.sqlite"

    def calibrations(self, line: str) -> Path:
        """What is known of the line's judges and reward models."""
        return self.root / "calibrations" / line

    def model(self, line: str, phase: str, fingerprint: str) -> Path:
        """Where the student of one phase lies, made from what `fingerprint` says."""
        return self.root / "models" / line / phase / fingerprint


def find_home() -> Home:
    """The home in $FACTORY_HOME, else `.factory` beside the project (in the working folder where the project is installed as a wheel)."""
    if given := os.environ.get("FACTORY_HOME"):
        return Home(Path(given).expanduser().resolve())
    return Home(project_folder() / ".factory")


def project_folder() -> Path:
    """The checkout that this package runs from, or the working folder where there is none."""
    return PROJECT if (PROJECT / "pyproject.toml").is_file() else Path.cwd()


def prepare_environment(home: Home) -> None:
    """Points every library at `home` and switches telemetry off; a cache or an MLflow server that the user chose stays."""
    os.environ.update(PRIVACY)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    cache = home.root / "cache"
    places = {
        "HF_HOME": cache / "huggingface",
        "MPLCONFIGDIR": cache / "matplotlib",
        "TLDEXTRACT_CACHE": cache / "tldextract",
        "MLFLOW_TRACKING_URI": f"sqlite:///{home.mlflow / 'mlflow.db'}",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a server that is lost in the middle costs seconds, not MLflow's four minutes a request
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve one another on a machine that does anything else
    }
    for name, place in places.items():
        os.environ.setdefault(name, str(place))


def prepare_stores(home: Home) -> None:
    """Makes Dagster's and MLflow's databases once, before two processes could open them fresh. Costs seconds the first time only."""
    for folder in (home.dagster, home.mlflow, home.releases, home.locks, home.logs, home.ledger("line").parent):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(home.locks / "stores.lock"):
        config = home.dagster / "dagster.yaml"
        if not config.exists():
            _write_whole(config, yaml.safe_dump(DAGSTER_CONFIG, sort_keys=False))
        ready = home.locks / "stores.ready"
        if not ready.exists():
            _open_dagster(home)
            _open_mlflow()
            _write_whole(ready, "")


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of this home, for runs in this process: output stays with the terminal, and events do not wait for the disk.

    SQLite's write-ahead log with synchronous=NORMAL never damages a file; a power cut may lose the last events
    (https://www.sqlite.org/wal.html). A connection held open keeps each of Dagster's own short ones from writing the log back.
    """
    quiet = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    if not sqlalchemy.event.contains(sqlalchemy.Engine, "connect", _relax):
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _relax)
    reference = InstanceRef.from_dir(str(home.dagster), overrides={"compute_logs": quiet})
    with dg.DagsterInstance.from_ref(reference) as instance, ExitStack() as stack:
        for file in (home.dagster / "event_log.db", home.dagster / "history" / "runs.db"):
            if file.exists():
                held = stack.enter_context(closing(sqlite3.connect(file)))
                held.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield instance


def _relax(connection: Any, record: Any) -> None:
    if isinstance(connection, sqlite3.Connection) and connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        connection.execute("PRAGMA synchronous=NORMAL")


def _open_dagster(home: Home) -> None:
    with open_instance(home) as instance:
        instance.get_runs_count()
        instance.get_dynamic_partitions("none")
        if instance.schedule_storage is not None:
            instance.schedule_storage.all_instigator_state()


def _open_mlflow() -> None:
    """A server is not asked: it makes its own, and one that is away may come back before a run has something to tell."""
    if not os.environ["MLFLOW_TRACKING_URI"].startswith("sqlite:"):
        return
    from mlflow import MlflowClient

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # its tale of tables made says nothing to a person
    MlflowClient().search_registered_models(max_results=1)


def _write_whole(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    part.write_text(text)
    part.replace(file)
