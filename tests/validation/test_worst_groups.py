"""The worst of several groups: a sure failure is seen beside noisy ones, what is not measured is no pass, and no name hides it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from small_world import TODAY

from factory.faults import FactoryError
from factory.records import SEED, VERDICT, empty
from factory.validation.columns.effects import Effect, around
from factory.validation.columns.table import TYPES, Columns
from factory.validation.evidence import Evidence
from factory.validation.fairness.groups import rows_of_groups
from factory.validation.gates import decide_gates
from factory.validation.metric import METRICS, Row
from factory.validation.reports import measure_report
from factory.validation_spec import Kind, TableSpec


def first_row(metric: str, evidence: Any) -> Row:
    return next(iter(METRICS[f"fairness.{metric}"].measure(evidence)))


def candidates(**rates: tuple[int, int]) -> Evidence:
    """Candidates of one leaf, of each language (accepted, all)."""
    rows = [
        {"record_id": f"{language}{at:05}", "leaf": "knowledge/a", "kind": "knowledge", "language": language, "depth": 1}
        | {"instruction": "q", "response": "r", "verdict": "accepted" if at < accepted else "rejected"}
        for language, (accepted, size) in rates.items()
        for at in range(size)
    ]
    verdicts = pl.DataFrame(rows, schema=VERDICT)
    return Evidence(verdicts.filter(verdict="accepted"), empty(SEED), verdicts=verdicts)


def test_a_small_noisy_language_does_not_hide_one_that_surely_fails() -> None:
    alone = first_row("language_selection", candidates(en=(500, 500), id=(350, 500)))
    beside = first_row("language_selection", candidates(en=(500, 500), id=(350, 500), nl=(18, 27)))
    assert alone.high is not None and alone.high < 0.8
    assert beside.high is not None and beside.high < 0.8
    assert beside.value == pytest.approx(18 / 27)


def test_three_records_that_were_all_accepted_show_nothing_of_the_others() -> None:
    row = first_row("language_selection", candidates(en=(105, 140), nl=(3, 3)))
    assert row.value == 0.75
    assert row.high is not None and row.high > 0.8


def test_the_worst_group_is_the_surest() -> None:
    effects = {
        name: Effect(name, value, around(value, error, -1.0, 1.0), 100) for name, value, error in (("sure", 0.2, 0.02), ("noisy", 0.3, 0.2))
    }
    line, *groups = rows_of_groups(effects | {"unknown": None}, "max", 0.0, 100)
    assert line.value == 0.3
    assert line.low == pytest.approx(0.2 - 2.2414 * 0.02, abs=1e-4)
    assert {row.subject: row.value for row in groups} == {"sure": 0.2, "noisy": 0.3, "unknown": None}


KINDS: dict[str, Kind] = {"sex": "category", "x": "number", "y": "category"}


def answers(size: int, seed: int, bias: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    sex, x = rng.choice(["m", "f"], size), rng.normal(size=size)
    yes = x + bias * (sex == "m") + rng.normal(size=size) * 0.3 > 0.5
    return pl.DataFrame({"sex": sex, "x": x, "y": np.where(yes, "yes", "no")}, schema={name: TYPES[kind] for name, kind in KINDS.items()})


@pytest.mark.parametrize("metric", ["column_parity", "column_odds", "column_error_gap"])
def test_a_model_whose_groups_were_hardly_tried_is_not_called_fair(metric: str) -> None:
    columns = Columns(answers(600, 0), answers(600, 1, bias=4.0), answers(56, 2), KINDS, groups=("sex",), target="y")
    assert [row.value for row in METRICS[f"fairness.{metric}"].measure(columns)] == [None, None]
    gates = decide_gates(measure_report("fairness", columns), TableSpec(), TODAY, "columns")
    assert gates.filter(metric=metric, subject="line")["passed"].to_list() == [False]


def test_rates_of_true_positives_are_not_left_out_where_these_are_few() -> None:
    few = answers(400, 2).filter((pl.col("y") == "no") | (pl.int_range(pl.len()).over("y") < 12))
    columns = Columns(answers(600, 0), answers(600, 1, bias=4.0), few, KINDS, groups=("sex",), target="y")
    assert first_row("column_odds", columns).value is None
    assert first_row("column_parity", columns).value is not None


def test_a_group_of_one_value_has_nothing_to_differ_by() -> None:
    frames = (answers(300, seed).with_columns(sex=pl.lit("f")) for seed in range(3))
    assert first_row("column_parity", Columns(*frames, KINDS, groups=("sex",), target="y")).value == 0


def test_a_target_without_another_column_has_no_model() -> None:
    frames = (answers(100, seed).select("y") for seed in range(3))
    assert first_row("column_parity", Columns(*frames, {"y": "category"}, groups=("y",), target="y")).value is None


def shapes(name: str, share: float, column: str = "shape") -> Columns:
    def draw(seed: int, share: float) -> pl.DataFrame:
        return pl.DataFrame({column: np.random.default_rng(seed).choice(["curve", name], 2000, p=[share, 1 - share])})

    return Columns(draw(0, 0.5), draw(1, share), draw(0, 0.5).clear(), {column: "category"}, groups=(column,))


@pytest.mark.parametrize("name", ["line", "straight"])
def test_no_value_of_a_group_stands_in_for_the_table(name: str) -> None:
    gates = decide_gates(measure_report("fairness", shapes(name, 0.02)), TableSpec(), TODAY, "columns")
    row = gates.filter(metric="column_cell_share", subject="line").row(0, named=True)
    assert row["value"] == pytest.approx(0.04, abs=0.01) and not row["passed"]
    assert {"cell=curve", f"cell={name}"} <= set(gates["subject"])


def test_two_rows_of_the_whole_table_are_refused() -> None:
    with pytest.raises(FactoryError, match="column_group_shift: two rows are called 'line'"):
        measure_report("fairness", shapes("x", 0.5, column="line"))


def test_many_cells_of_one_population_pass() -> None:
    def draw(rng: np.random.Generator) -> pl.DataFrame:
        return pl.DataFrame({"g": [f"g{at}" for at in rng.integers(0, 40, 500)]})

    highs = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        real = draw(rng)
        highs.append(first_row("column_cell_share", Columns(real, draw(rng), real.clear(), {"g": "category"}, groups=("g",))).high)
    assert min(highs) > 0.8
