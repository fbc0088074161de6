"""What a run in MLflow reads: datasets, and a LoggedModel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_DIGEST = 36
"""Characters of a dataset's digest in MLflow."""


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


def log_input(dataset: Dataset, context: str) -> None:
    """Logs what the active run reads."""
    import mlflow

    read = mlflow.data.from_polars(dataset.rows, source=dataset.source, name=dataset.name, digest=dataset.named[1])
    mlflow.log_input(read, context=context, tags=dict(dataset.tags))


def log_model(client: "MlflowClient", run: str, model: str | None) -> None:
    """Says which LoggedModel a run reads, if one."""
    from mlflow.entities import LoggedModelInput

    if model:
        client.log_inputs(run, models=[LoggedModelInput(model)])
