"""Fidelity of columns against scipy, scikit-learn, SDMetrics and closed forms; its ranges and symmetries; and what bad input gives."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import mutual_info_score

from factory.validation.columns.associations import correlate, correlation_ratio, cramers_v, informational
from factory.validation.columns.effects import critical, difference_limits, ratio_limits
from factory.validation.columns.marginals import count_marginals
from factory.validation.columns.moments import quantile, read_moments
from factory.validation.columns.shapes import compare_shapes, correct_for_chance
from factory.validation.columns.table import TYPES, Columns
from factory.validation.gates import list_default_gates
from factory.validation.intervals import Z, wilson, wilson_limits
from factory.validation.metric import LINE, METRICS, Row
from factory.validation.reports import measure_report
from factory.validation.roc import area_variance
from factory.validation_spec import Kind

OURS = [
    key for key, each in METRICS.items() if each.report == "fidelity" and each.of == "columns" and key != "fidelity.column_utility"
]  # which has a target and a holdout, and is tested with what else needs them
GATES = {key: gate for key, gate in list_default_gates("columns").items() if key in OURS}
QUICK = [key for key in OURS if "sdmetrics" not in key and "classifier" not in key]
NUMBERS = st.lists(st.one_of(st.none(), st.integers(-5, 5).map(float), st.floats(-1e300, 1e300)), min_size=1, max_size=30)
LETTERS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30)


def table(real: dict[str, list[Any]], synthetic: dict[str, list[Any]], kinds: dict[str, Kind]) -> Columns:
    sides = [pl.DataFrame(side, schema={name: TYPES[kind] for name, kind in kinds.items()}) for side in (real, synthetic)]
    return Columns(sides[0], sides[1], sides[0].clear(), kinds)


def of_number(real: Any, synthetic: Any) -> Columns:
    return table({"x": list(real)}, {"x": list(synthetic)}, {"x": "number"})


def of_category(real: Any, synthetic: Any) -> Columns:
    return table({"x": list(real)}, {"x": list(synthetic)}, {"x": "category"})


def rows_of(key: str, columns: Columns) -> dict[str, Row]:
    return {row.subject: row for row in METRICS[f"fidelity.{key}"].measure(columns)}


def value_of(key: str, columns: Columns) -> float:
    value = rows_of(key, columns)[LINE].value
    assert value is not None
    return float(value)


def failed(columns: Columns, gates: dict[str, Any] = GATES) -> set[str]:
    names = set()
    for key, gate in gates.items():
        row = next(iter(METRICS[key].measure(columns)))
        low, high = (row.value if end is None else end for end in (row.low, row.high))
        if low is None or high is None or (low > gate.threshold if gate.side == "max" else high < gate.threshold):
            names.add(key.removeprefix("fidelity."))
    return names


def people(rows: int, seed: int) -> pl.DataFrame:
    """Six columns of every kind that go together: what follows from age, and what from the job."""
    rng = np.random.default_rng(seed)
    age = rng.gamma(6, 6, rows) + 18
    job = rng.choice(["cook", "nurse", "smith", "clerk", "guard"], rows, p=[0.4, 0.25, 0.15, 0.1, 0.1])
    pay = 20 * age + 400 * (job == "nurse") + rng.normal(0, 150, rows)
    town = np.where(rng.random(rows) < 0.8, np.where(job == "cook", "port", "hill"), "lake")
    since = np.array(["2020-01-01"], dtype="datetime64[us]") + (age * 1e10 + rng.normal(0, 1e11, rows)).astype("timedelta64[us]")
    return pl.DataFrame(
        {"age": age, "job": job, "pay": pay, "town": town, "since": since, "owner": rng.random(rows) < age / 100},
        schema={name: TYPES[kind] for name, kind in KINDS.items()},
    ).with_columns(pl.when(pl.Series(rng.random(rows) < 0.1)).then(None).otherwise("pay").alias("pay"))


KINDS: dict[str, Kind] = {"age": "number", "job": "category", "pay": "number", "town": "category", "since": "date", "owner": "boolean"}


def of_people(real: pl.DataFrame, synthetic: pl.DataFrame) -> Columns:
    return Columns(real, synthetic, real.clear(), KINDS)


# Against references.


@given(NUMBERS, NUMBERS)
@settings(max_examples=60, deadline=None)
def test_distance_of_numbers_is_the_kolmogorov_smirnov_statistic_of_scipy(real: list[Any], synthetic: list[Any]) -> None:
    present = [[each for each in side if each is not None] for side in (real, synthetic)]
    if not all(present):
        return
    shape = compare_shapes(of_number(real, synthetic))["x"]
    theirs = stats.ks_2samp(*present, method="asymp")
    assert shape.distance == pytest.approx(theirs.statistic)
    if len(present[0]) > 1 and len(present[1]) > 1:  # scipy's asymptotic p value of one row is none
        assert shape.p == pytest.approx(theirs.pvalue, abs=1e-9)


@given(LETTERS, LETTERS)
@settings(max_examples=60, deadline=None)
def test_categories_are_compared_as_scipy_does(real: list[Any], synthetic: list[Any]) -> None:
    shapes = compare_shapes(of_category(real, synthetic))
    sides = [[each for each in side if each] for side in (real, synthetic)]
    if not all(sides):
        assert all(shape.distance == 1 for shape in shapes.values())
        return
    shares = [np.array([side.count(each) for each in "abc"]) / len(side) for side in sides]
    assert shapes["x"].distance == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)
    table = np.array([[side.count(each) for each in ("a", "b", "c", None)] for side in (real, synthetic)])
    assert shapes["x"].divergence == pytest.approx(jensenshannon(*table, base=2) ** 2, abs=1e-9)
    table = table[:, table.sum(axis=0) > 0]
    expected = stats.chi2_contingency(table, correction=False).pvalue if table.shape[1] > 1 else 1.0
    assert shapes["x"].p == pytest.approx(expected)


def test_p_values_are_adjusted_as_scipy_does() -> None:
    columns = of_people(people(300, 1), people(300, 2))
    rows = rows_of("column_p", columns)
    expected = stats.false_discovery_control([shape.p for shape in compare_shapes(columns).values()])
    assert [rows[name].value for name in KINDS] == pytest.approx(expected.tolist())
    assert rows[LINE].value == min(expected)


@given(
    st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=40), st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=40)
)
@settings(max_examples=60, deadline=None)
def test_moments_and_wasserstein_are_those_of_numpy_and_scipy(real: list[float], synthetic: list[float]) -> None:
    columns = of_number(real, synthetic)
    marginal = count_marginals(columns)["x"]
    moments = read_moments(marginal.values, marginal.real)
    assert moments.mean == pytest.approx(np.mean(real), abs=1e-9)
    assert moments.variance == pytest.approx(np.var(real, ddof=1), abs=1e-9)
    if moments.variance:
        assert moments.kurtosis == pytest.approx(stats.kurtosis(real, fisher=False))
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert quantile(marginal.values, np.cumsum(marginal.real), level) == np.quantile(real, level, method="inverted_cdf")
    if spread := np.std([*real, *synthetic]):
        assert value_of("column_wasserstein", columns) == pytest.approx(stats.wasserstein_distance(real, synthetic) / spread)
    if spread := math.sqrt((np.var(real, ddof=1) + np.var(synthetic, ddof=1)) / 2):
        assert value_of("column_means", columns) == pytest.approx(min(abs(np.mean(real) - np.mean(synthetic)) / spread, 10))


def test_correlations_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3))
    present = rng.random((200, 3)) < 0.8
    r, rows = correlate(np.where(present, values, 0.0), present)
    both = present[:, 0] & present[:, 2]
    assert r[0, 2] == pytest.approx(stats.pearsonr(values[both, 0], values[both, 2]).statistic)
    assert rows[0, 2] == both.sum()
    columns = of_people(people(400, 1).drop_nulls(), people(300, 2).drop_nulls())
    for key, theirs in (("pair_pearson", stats.pearsonr), ("pair_spearman", stats.spearmanr)):
        sides = [theirs(side["age"], side["pay"]).statistic for side in (columns.real, columns.synthetic)]
        assert rows_of(key, columns)["age × pay"].value == pytest.approx(abs(sides[0] - sides[1]))


@given(st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=2, max_size=4))
@settings(max_examples=60, deadline=None)
def test_associations_of_a_table_are_those_of_their_papers(cells: list[list[int]]) -> None:
    counts = np.array(cells)
    held = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    n = counts.sum()
    if min(held.shape) < 2 or n < 5:
        return
    r, c = held.shape
    phi = stats.chi2_contingency(held, correction=False).statistic / n
    corrected = max(0, phi - (r - 1) * (c - 1) / (n - 1))
    expected = math.sqrt(corrected / (min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1))
    assert cramers_v(counts).value == pytest.approx(min(expected, 1.0), abs=1e-7)
    first, second = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    information = max(0.0, mutual_info_score(first, second) - (r - 1) * (c - 1) / (2 * n))
    assert informational(counts).value == pytest.approx(math.sqrt(1 - math.exp(-2 * information)), abs=1e-6)


def test_correlation_ratio_is_the_root_of_the_share_between_groups_that_an_analysis_of_variance_gives() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(3, size=300)
    x = rng.normal(size=300) + group
    y = x - x.mean()
    eta = correlation_ratio(np.array([np.bincount(group, weights=y**power) for power in range(5)]))
    f = stats.f_oneway(*(x[group == each] for each in range(3))).statistic
    assert eta.value**2 == pytest.approx(f * 2 / (f * 2 + 297))


def test_information_of_two_normals_is_their_correlation() -> None:
    x, y = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 200_000).T
    cells = [np.searchsorted(np.quantile(each, np.arange(1, 30) / 30), each) for each in (x, y)]
    counts = np.bincount(cells[0] * 30 + cells[1], minlength=900).reshape(30, 30)
    assert informational(counts).value == pytest.approx(0.6, abs=0.02)


@given(st.integers(0, 40), st.integers(0, 40))
def test_intervals_of_shares_are_wilsons_and_cover_their_share(first: int, second: int) -> None:
    low, high = wilson_limits(first, 40, Z)
    assert (float(low), float(high)) == pytest.approx(wilson(first, 40), abs=1e-12)
    apart = (first - second) / 40
    low, high = difference_limits(first, 40, second, 40, Z)
    assert -1 - 1e-12 <= low <= apart <= high <= 1 + 1e-12
    if second:
        low, high = ratio_limits(first, 40, second, 40, Z)
        assert 0 <= low <= first / second + 1e-12 and first / second - 1e-12 <= high


def test_newcombes_interval_is_that_of_his_paper() -> None:
    assert [float(end) for end in difference_limits(56, 70, 48, 80, Z)] == pytest.approx([0.0524, 0.3339], abs=5e-5)


def test_variance_of_an_area_is_that_of_hanley_and_mcneil() -> None:
    # Their Table II: areas of 0.7 to 0.95 from as many of both kinds; without any difference it is the Mann-Whitney variance.
    assert area_variance(0.5, 30, 40) == pytest.approx((30 + 40 + 1) / (12 * 30 * 40))
    assert area_variance(1.0, 30, 40) == 0


@pytest.mark.parametrize("seed", range(3))
def test_sdmetrics_gives_the_same_scores(seed: int) -> None:
    pytest.importorskip("sdmetrics")
    from sdmetrics.column_pairs import CorrelationSimilarity
    from sdmetrics.single_column import KSComplement, TVComplement

    columns = of_people(people(400, 10 + seed), people(350, 20 + seed))
    real, synthetic = ({name: side[name].drop_nulls().to_pandas() for name in KINDS} for side in (columns.real, columns.synthetic))
    shapes = compare_shapes(columns)
    for name in ("age", "pay"):
        assert 1 - shapes[name].distance == pytest.approx(KSComplement.compute(real[name], synthetic[name]))
    for name in ("job", "town", "owner"):
        assert 1 - shapes[name].distance == pytest.approx(TVComplement.compute(real[name].astype(str), synthetic[name].astype(str)))
    sides = [side.drop_nulls().select("age", "pay").to_pandas() for side in (columns.real, columns.synthetic)]
    theirs = CorrelationSimilarity.compute(*sides, coefficient="Pearson")
    ours = rows_of("pair_pearson", of_people(columns.real.drop_nulls(), columns.synthetic.drop_nulls()))["age × pay"].value
    assert ours is not None and 1 - ours / 2 == pytest.approx(theirs)


def test_sdmetrics_reports_stand_beside() -> None:
    pytest.importorskip("sdmetrics")
    columns = of_people(people(200, 1), people(200, 2))
    quality, diagnostic = rows_of("sdmetrics_quality", columns), rows_of("sdmetrics_diagnostic", columns)
    parts = [quality[name].value for name in ("column shapes", "pair trends")]
    assert quality[LINE].value == pytest.approx(np.mean(parts))
    assert {"validity", "structure"} < set(diagnostic) and 0.9 < diagnostic[LINE].value <= 1


# Properties.


@given(NUMBERS, NUMBERS, LETTERS, LETTERS)
@settings(max_examples=25, deadline=None)
def test_every_value_is_in_its_interval_the_same_both_ways_and_in_any_order(
    first: Any, second: Any, letters: Any, letters_too: Any
) -> None:
    sizes = min(len(first), len(letters)), min(len(second), len(letters_too))
    kinds: dict[str, Kind] = {"x": "number", "y": "category"}
    real, synthetic = {"x": first[: sizes[0]], "y": letters[: sizes[0]]}, {"x": second[: sizes[1]], "y": letters_too[: sizes[1]]}
    there, back = table(real, synthetic, kinds), table(synthetic, real, kinds)
    turned = table({name: side[::-1] for name, side in real.items()}, {name: side[::-1] for name, side in synthetic.items()}, kinds)
    for key in QUICK:
        name = key.removeprefix("fidelity.")
        rows, reordered = rows_of(name, there), rows_of(name, turned)
        for subject, row in rows.items():
            assert row.value is not None and math.isfinite(row.value)
            if row.low is not None and row.high is not None:
                assert row.low - 1e-9 <= row.value <= row.high + 1e-9
                assert [row.low, row.high] == pytest.approx([reordered[subject].low, reordered[subject].high], abs=1e-6)
            assert row.value == pytest.approx(reordered[subject].value, abs=1e-6)
        if name not in ("column_categories", "column_tails", "repeated_row", "column_distance", "column_divergence"):
            assert rows[LINE].value == pytest.approx(value_of(name, back), abs=1e-6)


@pytest.mark.parametrize("key", ["column_classifier", "sdmetrics_quality"])
def test_a_sampled_metric_does_not_depend_on_the_order_of_rows(key: str) -> None:
    if key.startswith("sdmetrics"):
        pytest.importorskip("sdmetrics")
    real, synthetic = people(200, 1), people(200, 2)
    turned = of_people(real.reverse(), synthetic.sample(fraction=1, shuffle=True, seed=1))
    assert value_of(key, of_people(real, synthetic)) == value_of(key, turned)


@pytest.mark.parametrize("key", [key.removeprefix("fidelity.") for key in QUICK])
def test_a_table_against_itself_is_as_near_as_can_be(key: str) -> None:
    rows = people(300, 1)
    best = 1.0 if METRICS[f"fidelity.{key}"].direction == "min" or key == "column_p" else 0.0
    assert value_of(key, of_people(rows, rows)) == pytest.approx(best, abs=1e-9)


def test_chance_is_taken_off_two_samples_of_one_population() -> None:
    rng = np.random.default_rng(0)
    raw, corrected = [], []
    for _ in range(30):
        (shape,) = compare_shapes(of_number(rng.normal(size=50), rng.normal(size=50))).values()
        raw.append(shape.distance)
        corrected.append((shape.distance - shape.chance) / (1 - shape.chance))
    assert np.mean(raw) > 0.12
    assert abs(np.mean(corrected)) < 0.05
    assert correct_for_chance(1.0, 0.2) == 1.0


@pytest.mark.parametrize("key", ["column_means", "column_variances", "column_quantiles", "pair_pearson", "pair_association", "distance"])
def test_intervals_cover_a_known_effect_about_as_often_as_they_say(key: str) -> None:
    """Two normals, a mean apart by 0.5 of a deviation, the second with twice the variance and a correlation of 0.6 for 0.3."""
    pooled = math.sqrt(1.5)
    z = 0.6744897501960817
    truth = {
        "column_means": 0.5 / pooled,
        "column_variances": math.log(2),
        "distance": max(stats.norm.cdf(x) - stats.norm.cdf(x, 0.5, math.sqrt(2)) for x in np.linspace(-4, 4, 4001)),
        "column_quantiles": abs(0.5 + z * (math.sqrt(2) - 1)) / pooled,
        "pair_pearson": 0.3,
        "pair_association": 6 / math.pi * (math.asin(0.3) - math.asin(0.15)),
    }[key]
    subject = {"column_quantiles": "x, 75%", "pair_pearson": "x × y", "pair_association": "x × y"}.get(key, "x")
    rng, covered = np.random.default_rng(5), 0
    for _ in range(60):
        real = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], 300)
        synthetic = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 300) * [math.sqrt(2), 1] + [0.5, 0]
        columns = table(
            *({"x": side[:, 0].tolist(), "y": side[:, 1].tolist()} for side in (real, synthetic)), {"x": "number", "y": "number"}
        )
        if key == "distance":  # before the correction for chance, which takes the same off every distance
            shape = compare_shapes(columns)["x"]
            covered += abs(shape.distance - truth) <= Z * shape.error
            continue
        row = rows_of(key, columns)[subject]
        covered += row.low <= truth <= row.high
    assert covered >= 52


def test_the_worst_of_many_columns_has_a_simultaneous_interval() -> None:
    assert critical(1) == pytest.approx(Z)
    assert critical(15) == pytest.approx(stats.norm.ppf(1 - 0.025 / 15))
    columns = of_people(people(300, 1), people(300, 2))
    rows = rows_of("column_means", columns)
    line, single = rows.pop(LINE), list(rows.values())
    assert line.value == max(row.value for row in single)
    assert line.high > max(row.high for row in single)


# Gates.


@pytest.mark.parametrize("rows", [60, 500])
@pytest.mark.parametrize("seed", range(4))
def test_two_samples_of_one_population_fail_no_gate(rows: int, seed: int) -> None:
    assert failed(of_people(people(rows, seed), people(rows, 100 + seed))) == set()


@pytest.mark.parametrize(
    ("gates", "plant"),
    [
        (
            {"pair_association", "pair_matrix", "column_classifier"},
            lambda rows: rows.select(pl.col(name).shuffle(seed=at) for at, name in enumerate(KINDS)),
        ),
        ({"column_means"}, lambda rows: rows.with_columns(pl.col("pay") + 0.3 * pl.col("pay").std())),
        ({"column_means", "column_distance"}, lambda rows: rows.with_columns(pl.col("age") + pl.col("age").std())),
        ({"column_tails"}, lambda rows: rows.with_columns(pl.col("age").clip(pl.col("age").quantile(0.05), pl.col("age").quantile(0.95)))),
        ({"column_categories"}, lambda rows: rows.filter(pl.col("job") != "guard")),
        ({"repeated_row"}, lambda rows: pl.concat([rows[:1350], *([rows[:1]] * 150)])),
        ({"column_missing"}, lambda rows: rows.with_columns(pl.col("pay").fill_null(strategy="forward"))),
    ],
    ids=["shuffled", "shifted", "shifted_far", "tails", "group", "mode", "missing"],
)
def test_a_planted_fault_fails_its_gates(gates: set[str], plant: Any) -> None:
    assert gates <= failed(of_people(people(1500, 1), plant(people(1500, 2))))


def test_a_gate_reads_the_interval_and_not_the_value() -> None:
    few, many = (of_number(values, values + 0.2) for values in (stats.norm.ppf((np.arange(rows) + 0.5) / rows) for rows in (40, 4_000)))
    means = {"fidelity.column_means": GATES["fidelity.column_means"]}
    assert value_of("column_means", few) > 0.1 and failed(few, means) == set()
    assert value_of("column_means", many) > 0.1 and failed(many, means) == {"column_means"}


# Bad input: a verdict each, and never a crash or NaN.

DAY = datetime(2026, 1, 1)
SOME: dict[str, list[Any]] = {
    "n": [*map(float, range(18)), None, None] * 3,
    "c": ["a", "b", "b", None] * 15,
    "d": [DAY] * 60,
    "b": [True, False] * 30,
}
SOME_KINDS: dict[str, Kind] = {"n": "number", "c": "category", "d": "date", "b": "boolean"}


def bad(**changed: list[Any]) -> dict[str, list[Any]]:
    return SOME | changed


@pytest.mark.parametrize(
    ("synthetic", "gates"),
    [
        (SOME, set()),
        (bad(n=[9.0] * 60), {"column_distance"}),
        (bad(n=[50.0] * 60), {"column_distance", "column_means"}),
        (bad(n=[None] * 60), {"column_distance", "column_missing"}),
        (bad(c=[None] * 60), {"column_categories", "column_distance", "column_missing"}),
        (bad(d=[None] * 60), {"column_distance", "column_missing"}),
        (bad(d=[datetime(2027, 1, 1)] * 60), {"column_distance", "column_means"}),
        (bad(n=[1e300, -1e300, 0.0] * 20), {"column_distance"}),
        ({name: values[:1] for name, values in SOME.items()}, {"column_classifier"}),
        ({name: [] for name in SOME}, {key.removeprefix("fidelity.") for key in GATES}),
    ],
    ids=["same", "constant", "elsewhere", "no_number", "no_category", "no_date", "other_date", "huge", "one_row", "empty"],
)
def test_bad_input_has_a_verdict_and_no_nan(synthetic: dict[str, list[Any]], gates: set[str]) -> None:
    columns = table(SOME, synthetic, SOME_KINDS)
    metrics = measure_report("fidelity", columns)
    given = {key.removeprefix("fidelity.") for key in OURS} - ({"sdmetrics_quality", "sdmetrics_diagnostic"})
    assert set(metrics.filter(subject=LINE)["metric"]) >= given
    assert not metrics.select(pl.col("value", "low", "high").is_nan().any()).sum_horizontal().item()
    assert gates <= failed(columns)
    if not gates:
        assert failed(columns) == set()
    if not synthetic["n"]:
        assert metrics["value"].null_count() == metrics.height


@pytest.mark.parametrize("kind", ["number", "category", "date", "boolean"])
def test_a_table_of_one_kind_has_a_value_for_every_gate(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    values: dict[Kind, Any] = {"number": rng.random(80), "category": rng.choice(list("ab"), 80), "boolean": rng.random(80) < 0.5}
    values["date"] = [datetime(2026, 1, 1 + int(day)) for day in rng.integers(28, size=80)]
    columns = table({"x": list(values[kind])}, {"x": list(values[kind])[::-1]}, {"x": kind})
    assert failed(columns) == set()


def test_ten_thousand_categories() -> None:
    rng = np.random.default_rng(0)
    real, alike, other = (rng.integers(*span, 12_000).astype(str) for span in ((0, 10_000), (0, 10_000), (10_000, 20_000)))
    quick = {key: gate for key, gate in GATES.items() if key in QUICK}
    assert failed(of_category(real, alike), quick) == set()
    assert failed(of_category(real, other), quick) == {"column_distance"}


def test_rows_of_measure_report_are_the_same_twice() -> None:
    first, second = (measure_report("fidelity", of_people(people(120, 1), people(120, 2))) for _ in range(2))
    assert_frame_equal(first, second)
