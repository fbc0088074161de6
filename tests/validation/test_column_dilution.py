"""What stands beside a fault dilutes nothing: further secrets, a more frequent row, tied scores; and nothing depends on the cores."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from factory.validation.columns.table import Columns
from factory.validation.metric import Row
from factory.validation.reports import METRICS
from factory.validation.roc import area_under_roc
from factory.validation_spec import Kind

KEYS, MORE = [f"q{at}" for at in range(8)], [f"s{at}" for at in range(9)]
KINDS: dict[str, Kind] = {**dict.fromkeys([*KEYS, "diagnosis"], "category"), **dict.fromkeys(MORE, "number")}


def patients(size: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    named = {name: [f"v{at}" for at in rng.integers(0, 20, size)] for name in [*KEYS, "diagnosis"]}
    return pl.DataFrame(named | {name: rng.normal(size=size) for name in MORE})


def rows_of(metric: str, table: Columns) -> dict[str, Row]:
    return {row.subject: row for row in METRICS[metric].measure(table)}


@pytest.mark.parametrize("others", [[], MORE])
def test_a_secret_that_leaks_fails_however_many_are_declared(others: list[str]) -> None:
    real = patients(1000, 1)
    synthetic = real.select(*KEYS, "diagnosis").hstack(patients(1000, 3).select(MORE))
    rows = rows_of("privacy.attribute_inference", Columns(real, synthetic, patients(1000, 2), KINDS, sensitive=("diagnosis", *others)))
    assert rows["line"].value == rows["secret=diagnosis"].value == pytest.approx(1, abs=0.01)
    assert rows["secret=diagnosis"].size == 1000
    assert rows["success=training"].value == 1


def test_the_row_that_is_made_too_often_is_found_below_one_that_is_as_frequent_as_it_should_be() -> None:
    def table(missing: int, repeated: int) -> pl.DataFrame:
        values = np.random.default_rng(missing).normal(size=1000 - missing - repeated)
        return pl.DataFrame({"x": [*[None] * missing, *[0.1] * repeated, *values]}, schema={"x": pl.Float64})

    kinds: dict[str, Kind] = {"x": "number"}
    real = table(200, 0)
    row, clean = (rows_of("fidelity.repeated_row", Columns(real, table(200, count), real.clear(), kinds))["line"] for count in (150, 0))
    assert row.value == pytest.approx(0.15)
    assert row.low is not None and row.low > 0.05
    assert clean.value == 0


def test_scores_that_are_all_equal_show_nothing_of_few_and_much_of_many() -> None:
    few, many = (area_under_roc(np.zeros(size), np.zeros(size)) for size in (20, 2000))
    assert few[0] == many[0] == 0.5
    assert few[0] + 1.96 * few[1] > 0.65
    assert many[0] + 1.96 * many[1] < 0.55


MEASURE = """
import numpy as np, polars as pl
from factory.validation.columns.table import Columns
from factory.validation.metric import METRICS
from factory.validation import reports
rng = np.random.default_rng(0)
rows = pl.DataFrame({"a": rng.normal(size=3000).round(3), "b": rng.integers(0, 5, 3000).astype(float)})
table = Columns(rows, rows, rows.clear(), {"a": "number", "b": "number"}, quasi_identifiers=("b",), sensitive=("a",))
names = ("t_closeness", "entropy_l_diversity")
print([repr(row.value) for name in names for row in METRICS[f"privacy.{name}"].measure(table)])
"""


def test_diversity_has_the_same_last_digit_on_any_number_of_cores() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", MEASURE], env=os.environ | {"POLARS_MAX_THREADS": cores}, capture_output=True, text=True, check=True
        ).stdout
        for cores in ("1", "4")
    }
    assert len(told) == 1
