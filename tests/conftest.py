"""What holds for every test: no deadline on property tests, since a busy machine is no fault of the code, and no telemetry."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")


@pytest.fixture(autouse=True, scope="module")
def collect_no_libraries() -> Iterator[None]:
    """Accelerate collects all garbage after each tuning: a third of a second where a million objects of libraries are gone through."""
    yield
    gc.collect()
    gc.freeze()
