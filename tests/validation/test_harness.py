"""The harness of planted faults: each at its strongest is caught by a gate that is there for it, and clean splits pass."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import gates_tables
import gates_texts
from gates import CLEAN, Case, Judged, write_tables
from planted import Fault, list_failed

from factory.validation.columns.table import TYPES, Columns
from factory.validation.metric import METRICS
from factory.validation_spec import Kind

KINDS: dict[str, Kind] = {
    "age": "number",
    "pay": "number",
    "hours": "number",
    "job": "category",
    "city": "category",
    "sex": "category",
    "origin": "category",
    "rich": "category",
}
LET_PASS = ("a generator of its own rows",)
"""What the gates let pass at every strength; docs/validation-metrics.md says why."""


def draw_people(rng: np.random.Generator, size: int) -> pl.DataFrame:
    """Rows of one population, in which pay follows from age and job, and who is rich from pay."""
    age, job = rng.integers(18, 80, size).astype(float), rng.choice(20, size, p=(shares := 1 / np.arange(1, 21)) / shares.sum())
    pay = np.round(age * 300 + job * 1_000 + rng.normal(0, 2_000, size))
    columns = {
        "age": age,
        "pay": pay,
        "hours": np.round(rng.normal(40, 9, size)),
        "job": [f"job {at}" for at in job],
        "city": [f"city {at}" for at in rng.integers(0, 12, size)],
        "sex": rng.choice(["f", "m"], size, p=[0.45, 0.55]),
        "origin": rng.choice(["a", "b", "c"], size, p=[0.7, 0.2, 0.1]),
        "rich": np.where(pay + rng.normal(0, 3_000, size) > 22_000, "yes", "no"),
    }
    return pl.DataFrame(columns, schema={name: TYPES[kind] for name, kind in KINDS.items()})


@cache
def split_people() -> Columns:
    rng = np.random.default_rng(5)
    return Columns(*(draw_people(rng, 2_000) for _ in range(3)), KINDS, ("age", "city"), ("job",), ("sex", "origin"), "rich")


@cache
def split_texts() -> Any:
    return gates_texts.split_problems(5)


def name_fault(fault: Fault[Any]) -> str:
    return fault.name


@pytest.mark.parametrize("fault", [each for each in gates_tables.FAULTS if each.name not in LET_PASS], ids=name_fault)
def test_a_fault_in_a_table_is_caught(fault: Fault[Columns]) -> None:
    planted = list(fault.plants.values())[-1](split_people(), np.random.default_rng(1))
    assert list_failed(planted, fault.spoken_of_by)


@pytest.mark.parametrize("fault", [each for each in gates_texts.FAULTS if each.name not in LET_PASS], ids=name_fault)
def test_a_fault_in_texts_is_caught(fault: Fault[Any]) -> None:
    planted = list(fault.plants.values())[-1](split_texts(), np.random.default_rng(1))
    assert list_failed(planted, fault.spoken_of_by)


@pytest.mark.parametrize("split", [split_people, split_texts])
def test_clean_splits_pass_every_gate(split: Any) -> None:
    assert list_failed(split()) == set()


@pytest.mark.parametrize("fault", [*gates_tables.FAULTS, *gates_texts.FAULTS], ids=name_fault)
def test_every_fault_has_three_strengths_and_gates_of_its_own(fault: Fault[Any]) -> None:
    assert len(fault.plants) == 3
    assert all(METRICS[key].gate for key in fault.spoken_of_by)


def test_the_tables_count_what_was_caught_and_which_gates_cried_wolf() -> None:
    copied = ("tables", "rows of the training copied", "5% of the rows")
    judged = [
        Judged(Case("tables", CLEAN, "", 0), [], 1.0),
        Judged(Case("tables", CLEAN, "", 1), ["privacy.near_copies"], 1.0),
        Judged(Case(*copied, 1_000), ["privacy.near_copies", "fidelity.column_means"], 1.0),
        Judged(Case(*copied, 1_001), ["fidelity.column_means"], 1.0),
    ]
    table = write_tables(judged, ["tables"])
    assert "| tables | privacy | 1 of 2 | 50.0% | 9.5% to 90.5% | privacy.near_copies 1 |" in table
    assert "| tables | fidelity | 0 of 2 | 0.0% | 0.0% to 65.8% |  |" in table
    assert f"| {' | '.join(copied[1:])} | 2 of 2 | 1 | **privacy.near_copies** 1, fidelity.column_means 2 |" in table
