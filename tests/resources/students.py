"""A trained phase as MLflow is told of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from factory.pico.models import resolve_model
from resources.registry import Student
from resources.tracked_inputs import Dataset
from resources.tracked_metrics import Curve
from resources.tracked_runs import Work
from resources.tracking import Tracking

RECORDS = pl.DataFrame({"record_id": ["a", "b"], "instruction": ["Add 1 and 2.", "Add 2 and 2."], "response": ["1 + 2 = 3", "2 + 2 = 4"]})
ASKED = Dataset(RECORDS, "evaluation problems", "fedcba9876543210")
BEGAN = 1_790_000_000_000


def name_work(run_id: str, asset: str = "student_sft", line: str = "demo") -> Work:
    return Work(line, asset, run_id, "digest-of-the-line")


def log(tracking: Tracking, run_id: str, student: str, *, register: bool = True, line: str = "demo") -> dict[str, str] | None:
    folder = Path(resolve_model("pico-student"))
    return tracking.log_student(
        name_work(run_id, line=line),
        params={"epochs": 2.0, "base": "pico-student"},
        metrics={"records": 2.0},
        curves=[Curve("loss", [(1, 3.0), (2, 2.5)])],
        system=[Curve("system/cpu_utilization_percentage", [(0, 50.0), (1, 70.0)], [BEGAN + 1000, BEGAN + 2000])],
        trained_on=Dataset(RECORDS, "v-1", "0123456789abcdef" * 4, "releases/demo/v-1"),
        note="Phase sft.",
        began=BEGAN,
        student=Student(folder, f"pico@{student}", "v-1", "Compute 31 + 12.", 32) if register else None,
    )
