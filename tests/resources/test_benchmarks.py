"""A benchmark that MLflow cannot be told of costs nothing else; what it is told stands in tests/assets/test_mt_bench_command.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.tracking import Tracking


def test_mlflow_that_fails_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    tracking = Tracking(uri=f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    assert tracking.log_benchmark("line", "mt-bench m", params={}, metrics={"mt_bench": 4.5}, files=[], key="one") is None
    assert "MLflow was not told" in caplog.text
