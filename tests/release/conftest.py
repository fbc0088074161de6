"""A made-up line and its release, made once for the tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_line import MODELS, MadeUpLine, make_line

from factory.release.writer import Release, publish_release


@pytest.fixture(scope="session")
def made_up() -> MadeUpLine:
    return make_line()


@pytest.fixture(scope="session")
def release(made_up: MadeUpLine, tmp_path_factory: pytest.TempPathFactory) -> Release:
    return publish(tmp_path_factory.mktemp("releases"), made_up)


def publish(root: Path, line: MadeUpLine) -> Release:
    return publish_release(root, line.line, line.accepted, line.seeds, line.funnel, line.gates, line.verdicts, models=MODELS)
