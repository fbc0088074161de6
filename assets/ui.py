"""`factory ui`: Dagster, MLflow and the data cards side by side on loopback."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from assets.console import OUT
from assets.servers import LOOPBACK, Server, run_servers
from resources.home import Home, prepare_stores, project_folder


@dataclass(frozen=True)
class Ports:
    """Where the three servers listen."""

    dagster: int = 3000
    mlflow: int = 5000
    cards: int = 5001


def serve_pages(home: Home, ports: Ports) -> None:
    """Runs the servers until Ctrl-C, SIGTERM, or one of them ends. Raises FactoryError where a port is taken or one ends by itself."""
    prepare_stores(home)
    servers = _plan(home, ports)
    environment = os.environ | {
        "FACTORY_HOME": str(home.root),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its workers serve evaluations of language models, which nothing here asks for
        "PYTHONWARNINGS": "ignore",
        "FACTORY_MLFLOW_URL": f"http://{LOOPBACK}:{ports.mlflow}",
        "FACTORY_CARDS_URL": f"http://{LOOPBACK}:{ports.cards}",
    }

    def tell() -> None:
        for server in servers:
            OUT.print(f"{server.name:<10} http://{LOOPBACK}:{server.port}", highlight=False)

    run_servers(servers, environment, tell)


def _plan(home: Home, ports: Ports) -> Sequence[Server]:
    python = sys.executable
    workspace = project_folder() / "workspace.yaml"
    graph = ["-w", str(workspace)] if workspace.is_file() else ["-m", "assets.definitions"]
    dagster = [python, "-m", "dagster", "dev", *graph, "-h", LOOPBACK, "-p", str(ports.dagster), "--log-level", "warning"]
    mlflow = [python, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(ports.mlflow), "--workers", "1"]
    mlflow += ["--backend-store-uri", os.environ["MLFLOW_TRACKING_URI"], "--artifacts-destination", (home.mlflow / "artifacts").as_uri()]
    cards = [python, "-m", "http.server", str(ports.cards), "--bind", LOOPBACK, "--directory", str(home.releases)]
    logs = home.logs
    return [
        Server("Dagster", "dagster-port", ports.dagster, dagster, project_folder(), logs / "dagster.log"),
        Server("MLflow", "mlflow-port", ports.mlflow, mlflow, home.mlflow, logs / "mlflow.log"),
        Server("data cards", "cards-port", ports.cards, cards, home.releases, logs / "cards.log"),
    ]
