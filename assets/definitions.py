"""Composition root: every line file becomes assets, checks, a job, a sensor and a schedule over the same resources."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.automation import build_automation, build_job
from assets.generation import build_generation
from assets.release import build_release
from assets.reward import build_reward
from assets.seeds import build_seeds
from assets.training import build_training
from assets.validation import build_validation
from factory.faults import FactoryError
from factory.line import Line, load_line
from resources.home import Home, find_home, prepare_environment, project_folder
from resources.keeper import Keeper
from resources.lock import LineLock
from resources.models import Models
from resources.progress import Progress
from resources.store import FrameStore
from resources.tracking import Tracking

STAGES = (build_seeds, build_generation, build_reward, build_validation, build_release, build_training)
"""What makes the assets of a line, in the order of the stages."""


@dg.definitions
def definitions() -> dg.Definitions:
    """The graph of every sound line file; a bad one is left out, and the log says why."""
    home = find_home()
    prepare_environment(home)
    return build_definitions(read_lines(lines_folder()), build_resources(home))


def build_definitions(lines: Iterable[Line], resources: Mapping[str, Any]) -> dg.Definitions:
    """The graph of `lines`."""
    lines = list(lines)
    automation = [build_automation(line) for line in lines]
    return dg.Definitions(
        assets=[asset for line in lines for build in STAGES for asset in build(line)],
        jobs=[build_job(line) for line in lines],
        schedules=[part for parts in automation for part in parts if isinstance(part, dg.ScheduleDefinition)],
        sensors=[part for parts in automation for part in parts if isinstance(part, dg.SensorDefinition)],
        resources=dict(resources),
        executor=dg.in_process_executor,
    )


def build_resources(home: Home, progress: Progress | None = None) -> dict[str, Any]:
    """What the assets need from outside, all of it under `home` but what the environment points elsewhere."""
    lock = LineLock(home=str(home.root))
    store = FrameStore(root=home.frames, lock=lock)
    progress = progress or Progress()
    uri = os.environ["MLFLOW_TRACKING_URI"]
    artifacts = (home.mlflow / "artifacts").as_uri() if uri.startswith("sqlite:") else ""
    return {
        "lock": lock,
        "io_manager": store,
        "progress": progress,
        "keeper": Keeper(store=store, progress=progress),
        "models": Models(),
        "tracking": Tracking(uri=uri, artifacts=artifacts),
    }


def lines_folder() -> Path:
    """Where line files lie: $FACTORY_LINES, or `lines` in the project."""
    return Path(os.environ.get("FACTORY_LINES") or project_folder() / "lines")


def read_lines(folder: Path) -> list[Line]:
    """The lines in the YAML files of `folder`. One that is bad, or takes a name that is taken, does not take the others down."""
    lines: dict[str, Line] = {}
    for file in sorted(folder.glob("*.yaml")):
        try:
            line = load_line(file)
        except FactoryError as error:
            logging.getLogger("factory").error("%s\nThe line is left out of the graph until this is mended.", error)
            continue
        if line.name in lines:
            logging.getLogger("factory").error("%s: another file already defines line %r, so this one is left out.", file, line.name)
            continue
        lines[line.name] = line
    return list(lines.values())
