"""Groups, downstream models, tails and variety of typed columns: against fairlearn and closed forms, and planted faults."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import TODAY

from factory.validation.columns.downstream import serve
from factory.validation.columns.table import TYPES, Columns
from factory.validation.gates import decide_gates, failed_gates
from factory.validation.metric import LINE
from factory.validation.reports import REPORTS, measure_report
from factory.validation_spec import Kind, ValidationSpec

KINDS: dict[str, Kind] = {"age": "number", "sex": "category", "job": "category", "married": "boolean", "rich": "category"}
OURS = ("column_group_shift", "column_cell_share", "column_parity", "column_odds", "column_error_gap")
TAILS = ("column_rare_categories", "column_variety")


def people(size: int, seed: int, bias: float = 0.0) -> pl.DataFrame:
    """People whose riches depend on age and job, and, by `bias`, on their sex."""
    rng = np.random.default_rng(seed)
    age, sex = rng.normal(40, 12, size), rng.choice(["f", "m"], size, p=[0.4, 0.6])
    job = rng.choice(["cook", "clerk", "smith", "pilot", "diver"], size, p=[0.4, 0.3, 0.23, 0.04, 0.03])
    rich = (age - 40) / 12 + (job == "clerk") + bias * np.where(sex == "m", 1, -1) + rng.normal(0, 0.5, size) > 0.8
    columns = {"age": age, "sex": sex, "job": job, "married": rng.random(size) < 0.5, "rich": np.where(rich, "yes", "no")}
    return pl.DataFrame(columns, schema={name: TYPES[kind] for name, kind in KINDS.items()})


def table(synthetic: pl.DataFrame, size: int = 3000) -> Columns:
    return Columns(people(size, 1), synthetic, people(size, 3), KINDS, groups=("sex", "married"), target="rich")


def measured(columns: Columns) -> dict[str, float | None]:
    rows = pl.concat([measure_report(report, columns) for report in REPORTS]).filter(subject=LINE)
    return dict(zip(rows["metric"], rows["value"], strict=True))


def failed(columns: Columns) -> set[str]:
    metrics = pl.concat([measure_report(report, columns) for report in ("fairness", "collapse")])
    return set(failed_gates(decide_gates(metrics, ValidationSpec(), TODAY, "columns"))["metric"]) & {*OURS, *TAILS}


def test_real_rows_pass_for_synthetic_ones() -> None:
    assert failed(table(people(3000, 2))) == set()


@pytest.mark.parametrize("kept", [0.4, 0.2, 0.0])
def test_a_group_that_goes_missing(kept: float) -> None:
    made = people(6000, 2)
    fewer = made.filter((pl.col("sex") != "f") | (pl.int_range(pl.len()) < kept * pl.len()))
    assert {"column_group_shift", "column_cell_share"} <= failed(table(fewer))


def test_a_table_that_decides_by_sex_makes_a_model_that_does() -> None:
    assert {"column_parity", "column_odds"} <= failed(table(people(3000, 2, bias=1.0)))


def test_dropped_rare_categories() -> None:
    made = people(3000, 2)
    assert failed(table(made.filter(~pl.col("job").is_in(["pilot", "diver"])))) == {"column_rare_categories"}


def test_one_mode_repeated() -> None:
    made = people(3000, 2)
    assert {"column_variety", "column_rare_categories"} <= failed(table(pl.concat([made.head(600), *[made[:1]] * 2400])))


def test_differences_between_groups_are_those_of_fairlearn() -> None:
    columns = table(people(800, 2, bias=0.7), 800)
    served = serve(columns)
    assert served is not None and served.binary
    rows = measure_report("fairness", columns).filter(subject="sex")
    values = dict(zip(rows["metric"], rows["value"], strict=True))
    for name, difference in (("column_parity", demographic_parity_difference), ("column_odds", equalized_odds_difference)):
        sides = [
            difference(served.positive, served.chosen[side], sensitive_features=served.groups["sex"]) for side in ("synthetic", "real")
        ]
        assert values[name] == pytest.approx(sides[0] - sides[1])
    wrong = {side: [1 - served.right[side][served.groups["sex"] == sex].mean() for sex in "fm"] for side in ("synthetic", "real")}
    assert values["column_error_gap"] == pytest.approx(abs(np.diff(wrong["synthetic"])[0]) - abs(np.diff(wrong["real"])[0]))


def test_variety_falls_by_wright_fisher_drift_as_the_closed_form_says() -> None:
    rng, size, generations = np.random.default_rng(0), 200, 40
    start = people(size, 1)
    left = []
    for _ in range(60):
        shares = start["job"].value_counts(sort=True)["count"].to_numpy() / size
        for _ in range(generations):
            shares = rng.multinomial(size, shares) / size
        drifted = start.with_columns(job=pl.Series(np.repeat(["a", "b", "c", "d", "e"], np.rint(shares * size).astype(int))))
        columns = Columns(start, drifted, start.clear(), KINDS)
        value = measure_report("collapse", columns).filter(metric="column_variety", subject="job")["value"]
        left.append(value.item() if value.len() else 0.0)
    # E[H] = H0 (1 - 1/M)^n, of which the unbiased H is the same ratio times M/(M - 1) on both sides.
    assert np.mean(left) == pytest.approx((1 - 1 / size) ** generations, abs=0.05)


@settings(max_examples=8, deadline=None)
@given(st.integers(5, 60), st.integers(0, 10**6))
def test_neither_the_order_of_rows_nor_that_of_columns_matters(size: int, seed: int) -> None:
    columns = table(people(size, seed), 300)
    order = list(reversed(KINDS))
    kinds = {name: KINDS[name] for name in order}
    frames = (
        frame.sample(fraction=1.0, shuffle=True, seed=seed).select(order) for frame in (columns.real, columns.synthetic, columns.holdout)
    )
    turned = Columns(*frames, kinds, groups=columns.groups)
    plain = dataclasses.replace(columns, target=None)
    there, back = measured(plain), measured(turned)
    for name in (*OURS, *TAILS):
        assert there[name] == pytest.approx(back[name])


@pytest.mark.parametrize(
    "synthetic",
    [
        people(0, 0),
        people(1, 0),
        people(50, 0).with_columns(age=pl.lit(3.0), job=pl.lit("cook")),
        people(50, 0).with_columns(pl.lit(None, TYPES[kind]).alias(name) for name, kind in KINDS.items()),
        people(50, 0).with_columns(job=pl.int_range(pl.len()).cast(pl.String)),
    ],
    ids=["no rows", "one row", "constant", "all missing", "each its own category"],
)
def test_bad_tables_get_a_verdict(synthetic: pl.DataFrame) -> None:
    metrics = pl.concat([measure_report(report, table(synthetic, 200)) for report in ("fairness", "collapse")])
    for column in ("value", "low", "high"):
        assert metrics[column].is_finite().fill_null(True).all()
    gates = decide_gates(metrics, ValidationSpec(), TODAY, "columns").filter(pl.col("threshold").is_not_null())
    assert gates["passed"].null_count() == 0
    if synthetic.is_empty():
        assert not gates.filter(pl.col("metric").is_in([*OURS, *TAILS]))["passed"].any()
