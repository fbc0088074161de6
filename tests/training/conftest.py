"""Tiny students that the tests of this room share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_student import save_student

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="session")
def student_with_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Resuming it must also restore the state of random numbers."""
    return save_student(tmp_path_factory.mktemp("student_with_dropout"), dropout=0.2)
