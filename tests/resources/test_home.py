"""Everything that a run makes lies under one folder, and its databases are made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from resources.home import PRIVACY, Home, find_home, open_instance, prepare_environment, prepare_stores

PREPARE = """
import warnings; warnings.simplefilter("ignore")
from resources.home import find_home, prepare_environment, prepare_stores
prepare_environment(find_home()); prepare_stores(find_home())
"""


def test_home_is_given_or_stands_beside_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path / "there"))
    assert find_home().root == tmp_path / "there"
    monkeypatch.delenv("FACTORY_HOME")
    assert find_home().root == Path(__file__).parents[2] / ".factory"


def test_libraries_write_inside_the_home_and_tell_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HOME", "MPLCONFIGDIR", "TLDEXTRACT_CACHE", "MLFLOW_TRACKING_URI", "DAGSTER_HOME", *PRIVACY):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker.example")
    prepare_environment(Home(tmp_path))
    for name in ("HF_HOME", "MPLCONFIGDIR", "TLDEXTRACT_CACHE", "DAGSTER_HOME"):
        assert os.environ[name].startswith(str(tmp_path)), name
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://tracker.example", "a server that the user chose stays"
    assert {name: os.environ[name] for name in PRIVACY} == PRIVACY


def test_two_processes_may_prepare_a_fresh_home_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")}
    environment |= {"FACTORY_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "user")}
    (tmp_path / "user").mkdir()
    both = [subprocess.Popen([sys.executable, "-c", PREPARE], env=environment, cwd=tmp_path) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "user"]
    assert not list((tmp_path / "user").rglob("*")), "nothing is written outside of the home"

    home = Home(tmp_path / "home")
    assert home.mlflow.joinpath("mlflow.db").exists()
    config = home.dagster / "dagster.yaml"
    assert yaml.safe_load(config.read_text())["concurrency"]["runs"]["tag_concurrency_limits"][0]["limit"] == 1
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with open_instance(home) as instance:
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.run_monitoring_enabled and not instance.telemetry_enabled

    config.write_text(config.read_text() + "# mine\n")
    prepare_stores(home)
    assert config.read_text().endswith("# mine\n"), "settings that a person changed stay"
