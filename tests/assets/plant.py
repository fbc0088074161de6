"""A line of three small leaves over the bundled pico models, in a folder of its own with a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import polars as pl
import pytest
import yaml
from mlflow import MlflowClient

from assets.run import Ended, run_line
from assets.shelf import Shelf, open_shelf
from factory.line import Line, load_line
from resources.home import Home, prepare_environment

PROJECT = Path(__file__).parents[2]
ADDITION, SORT, THANKS = (
    "foundational_skills/arithmetic/addition",
    "compositional_skills/words/sort_words",
    "compositional_skills/writing/thank_you_note",
)
LEAVES = sorted((ADDITION, SORT, THANKS))
COUNT = "compositional_skills/words/count_words"
"""A leaf that the line does not have at first."""
PRIVACY = ("holdout_copies", "long_runs", "near_seed_copies", "personal_data", "repeated_responses", "seed_copies")
"""Gates that need hundreds of records to be shown."""
TOO_FEW = {"gate": "fidelity.embedding_coverage", "by": "Sari Dewi", "reason": "some leaves have few texts", "until": "2100-01-01"}
"""Waives the gate that needs five neighbours on both sides."""
LENIENT = {f"privacy.{metric}": {"max": 1.0} for metric in PRIVACY}
LINE = {
    "name": "tiny",
    "seed": 3,
    "seeds": {"taxonomy": "taxonomy"},
    "generation": {"teacher": {"model": "pico-teacher", "batch_size": 10}, "candidates_per_leaf": 10},
    "validation": {"gates": LENIENT},
    "training": {"phases": [{"name": "sft", "epochs": 1}], "evaluation": {"problems_per_leaf": 2}},
    "schedule": {"cron": "0 2 * * *", "timezone": "UTC"},
}
PLACES = ("DAGSTER_HOME", "HF_HOME", "MPLCONFIGDIR", "TLDEXTRACT_CACHE", "MLFLOW_TRACKING_URI", "FACTORY_DEBUG", "FACTORY_FRAMES")


@dataclass(frozen=True)
class Plant:
    """A folder with `tiny.yaml`, `taxonomy` and `home`."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / "tiny.yaml"

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    @property
    def line(self) -> Line:
        return load_line(self.file)

    def qna(self, leaf: str) -> Path:
        return self.root / "taxonomy" / leaf / "qna.yaml"

    def write_line(self, **sections: object) -> None:
        """The line, with `sections` in place of its own."""
        self.file.write_text(yaml.safe_dump(LINE | sections, sort_keys=False))

    def add_leaf(self, leaf: str) -> None:
        shutil.copytree(PROJECT / "taxonomy" / leaf, self.root / "taxonomy" / leaf)

    def run(self, *leaves: str, refresh: bool = False) -> Ended:
        return run_line(self.home, self.line, leaves, refresh=refresh)

    def shelf(self) -> Shelf:
        return open_shelf(self.home, "tiny")

    def frame(self, name: str) -> pl.DataFrame:
        frame = self.shelf().frame(name)
        assert frame is not None, f"nothing is stored of {name}"
        return frame

    def mlflow(self) -> MlflowClient:
        """A client of the home's MLflow, which all of MLflow then speaks to."""
        uri = f"sqlite:///{self.home.mlflow / 'mlflow.db'}"
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return MlflowClient()

    def stored(self, asset: str) -> dict[str, tuple[int, bytes]]:
        """When each stored frame of an asset of leaves was written (ns), and its bytes, by leaf."""
        folder = Path(self.home.frames) / "tiny" / asset
        return {
            file.relative_to(folder).with_suffix("").as_posix(): (file.stat().st_mtime_ns, file.read_bytes())
            for file in sorted(folder.rglob("*.parquet"))
        }

    def process(self, *arguments: str, code: str = "from assets.cli import main; main()") -> subprocess.CompletedProcess[str]:
        """The command line in a process of its own."""
        inherited = {name: value for name, value in os.environ.items() if name not in PLACES}
        home = {"FACTORY_HOME": str(self.home.root), "FACTORY_LINES": str(self.root), "OMP_NUM_THREADS": "1"}
        path = {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(Path(__file__).parent)])}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, env=inherited | home | path, cwd=self.root, capture_output=True, text=True, timeout=120, check=False)


@dataclass(frozen=True)
class Whole:
    """A plant after one whole run."""

    plant: Plant
    ended: Ended


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


@contextmanager
def at_home(plant: Plant) -> Iterator[Plant]:
    """This process lives in the plant's home while inside."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PLACES:
            patch.setenv(name, "")  # so that leaving restores what was there
            patch.delenv(name)
        patch.setenv("FACTORY_HOME", str(plant.home.root))
        patch.setenv("FACTORY_LINES", str(plant.root))
        prepare_environment(plant.home)
        yield plant


def build_plant(root: Path) -> Plant:
    """The line with its three leaves, and nothing made."""
    plant = Plant(root)
    for leaf in LEAVES:
        plant.add_leaf(leaf)
    plant.write_line()
    return plant


def copy_plant(plant: Plant, root: Path) -> Plant:
    """The plant at another place, with all that it made."""
    shutil.copytree(plant.root, root, dirs_exist_ok=True)
    return Plant(root)
