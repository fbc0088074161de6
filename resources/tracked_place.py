"""The MLflow that is told: its client, its experiments and pages, and that a failure of it costs nothing else."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from factory.seeds.git import hide_credentials
from factory.tuning.libraries import is_of_writing
from resources.reach import is_server, reach

if TYPE_CHECKING:
    from mlflow import MlflowClient

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""What an experiment's pages in MLflow are about: training, and not traces of agents."""

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """An MLflow by its database or server; `artifacts` is where models go, or empty where the server decides."""

    uri: str
    artifacts: str = ""

    def tell(self, log: "Callable[[MlflowClient], T]") -> T | None:
        """What `log` gives, or None with a warning where MLflow cannot be reached or written, or its copy of a model cannot."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            reach(self.uri)
            return log(self._open_client())
        except Exception as error:
            if not isinstance(error, MlflowException | SQLAlchemyError) and not is_of_writing(error):
                raise
            reason = hide_credentials(" ".join(str(error).split()))[:500]
            logging.getLogger("factory").warning("MLflow was not told: %s. Nothing else is lost; the next run tells it again.", reason)
            return None

    def find_experiment(self, client: "MlflowClient", name: str) -> str:
        """The id of the experiment of that name, made where there is none."""
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        folder = f"{self.artifacts}/{name}" if self.artifacts else None
        return str(client.create_experiment(name, artifact_location=folder, tags=KIND))

    def name_run(self, experiment: str, run: str) -> dict[str, str]:
        """The facts that name a run: `mlflow_run`, its id, and `mlflow_url`, its page.

        A page is on the server that is told, or where `factory ui` serves MLflow, which stands at $FACTORY_MLFLOW_URL.
        """
        served = hide_credentials(self.uri.rstrip("/")) if is_server(self.uri) else "http://127.0.0.1:5000"
        url = os.environ.get("FACTORY_MLFLOW_URL", served)
        return {"mlflow_run": run, "mlflow_url": f"{url}/#/experiments/{experiment}/runs/{run}"}

    def _open_client(self) -> "MlflowClient":
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        return mlflow.MlflowClient()
