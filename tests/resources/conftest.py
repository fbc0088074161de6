"""One MLflow store for the tests of this room, as making one costs seconds; each test has runs and students of its own in it."""

from __future__ import annotations

import pytest

from resources.tracking import Tracking


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    folder = tmp_path_factory.mktemp("mlflow")
    return Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}", artifacts=(folder / "artifacts").as_uri())
