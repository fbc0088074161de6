"""One full run that many tests look at, and copies of it that a test may change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from plant import Plant, Said, Whole, at_home, build_plant, copy_plant

from assets.cli import main
from resources.home import prepare_stores

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def empty_plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """Its databases are made, and nothing else. Never to be changed."""
    plant = build_plant(tmp_path_factory.mktemp("empty"))
    with at_home(plant):
        prepare_stores(plant.home)
    return plant


@pytest.fixture(scope="session")
def whole(empty_plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The line made once. Never to be changed."""
    plant = copy_plant(empty_plant, tmp_path_factory.mktemp("whole"))
    with at_home(plant):
        return Whole(plant, plant.run())


@pytest.fixture
def made(whole: Whole) -> Iterator[Plant]:
    """The made line, to be looked at."""
    with at_home(whole.plant):
        yield whole.plant


@pytest.fixture
def copied(whole: Whole, tmp_path: Path) -> Iterator[Plant]:
    """A copy of the made line, to be changed."""
    with at_home(copy_plant(whole.plant, tmp_path)) as plant:
        yield plant


@pytest.fixture
def fresh(empty_plant: Plant, tmp_path: Path) -> Iterator[Plant]:
    """A line of which nothing is made."""
    with at_home(copy_plant(empty_plant, tmp_path)) as plant:
        yield plant


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Calls `factory` in this process."""

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["factory", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        read = capsys.readouterr()
        assert "Traceback" not in read.out + read.err
        return Said(int(ended.value.code or 0), read.out, read.err)

    return call
