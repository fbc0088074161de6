"""Privacy of typed columns against figures worked out by hand, published examples, and the ranges and invariances it must keep."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, wasserstein_distance
from sklearn.metrics import roc_auc_score
from small_world import TODAY, clean_world

from factory.validation.columns.closeness import measure_closeness
from factory.validation.columns.encoding import encode_together
from factory.validation.columns.neighbours import find_agreement, find_nearest
from factory.validation.columns.sample import sample_rows
from factory.validation.columns.table import TYPES, Columns
from factory.validation.evidence import Evidence
from factory.validation.gates import decide_gates, failed_gates, list_default_gates
from factory.validation.intervals import wilson
from factory.validation.metric import METRICS
from factory.validation.privacy.column_excess import count_above, count_independent, find_threshold, row_of_excess
from factory.validation.privacy.column_risk import Attack, find_risk
from factory.validation.reports import measure_report
from factory.validation.roc import area_under_roc
from factory.validation_spec import Kind, ValidationSpec

KINDS: dict[str, Kind] = {"age": "number", "city": "category", "joined": "date", "member": "boolean", "salary": "number"}
PRIVACY = [each.name for each in METRICS.values() if each.of == "columns" and each.report == "privacy"]
GATED = {each.name for each in METRICS.values() if each.of == "columns" and each.report == "privacy" and each.gate}


def table_of(
    real: dict[str, list[Any]], synthetic: dict[str, list[Any]], holdout: dict[str, list[Any]], kinds: dict[str, Kind], **roles: Any
) -> Columns:
    schema = {name: TYPES[kind] for name, kind in kinds.items()}
    return Columns(*(pl.DataFrame(rows, schema=schema) for rows in (real, synthetic, holdout)), kinds, **roles)


def people(rng: np.random.Generator, size: int, missing: float = 0.05) -> dict[str, list[Any]]:
    """Rows of one population, in which a salary follows from age and city, and some values are missing."""
    age, city = rng.integers(18, 90, size), rng.choice(list("abcdefgh"), size)
    salary = age * 100 + rng.normal(0, 500, size).round(0) + np.array([ord(each) for each in city]) * 20
    rows: dict[str, list[Any]] = {
        "age": age.astype(float).tolist(),
        "city": city.tolist(),
        "joined": [datetime(2000 + int(at) % 25, 1 + int(at) % 12, 1) for at in rng.integers(0, 3000, size)],
        "member": (rng.random(size) < 0.3).tolist(),
        "salary": salary.tolist(),
    }
    return {name: [None if rng.random() < missing else value for value in values] for name, values in rows.items()}


def clean_table(seed: int = 0, size: int = 1500, **roles: Any) -> Columns:
    rng = np.random.default_rng(seed)
    return table_of(people(rng, size), people(rng, size), people(rng, size), KINDS, **roles)


def with_copies(table: Columns, share: float, change: pl.Expr | None = None) -> Columns:
    count = round(share * table.synthetic.height)
    copies = table.real.head(count).with_columns(change) if change is not None else table.real.head(count)
    synthetic = pl.concat([copies, table.synthetic.tail(table.synthetic.height - count)])
    return Columns(table.real, synthetic, table.holdout, table.kinds, table.quasi_identifiers, table.sensitive)


def lines(table: Columns) -> dict[str, dict[str, Any]]:
    rows = measure_report("privacy", table).filter(pl.col("subject") == "line").to_dicts()
    assert len(rows) == len({row["metric"] for row in rows})
    return {row["metric"]: row for row in rows}


def value(table: Columns, metric: str, subject: str = "line") -> Any:
    rows = {row.subject: row.value for row in METRICS[f"privacy.{metric}"].measure(table)}
    return rows[subject]


def failed(table: Columns) -> set[str]:
    gates = decide_gates(measure_report("privacy", table), ValidationSpec(), TODAY, of="columns")
    return set(failed_gates(gates).filter(pl.col("report") == "privacy")["metric"])


# The gates


def test_rows_of_the_same_population_pass_every_gate() -> None:
    assert failed(clean_table(size=2000, sensitive=("city",), quasi_identifiers=("age", "city"))) == set()


def test_half_of_the_rows_copied_fails_every_gate_but_links_where_columns_are_few() -> None:
    assert failed(with_copies(clean_table(), 0.5)) >= GATED - {"linkability"}


def test_one_row_in_twenty_copied_is_caught_where_the_distance_share_hardly_moves() -> None:
    copied = with_copies(clean_table(), 0.05)
    assert "identical_rows_excess" in failed(copied)
    assert value(copied, "closer_to_train") < 0.56


def test_copies_with_one_value_changed_are_caught_though_none_is_identical() -> None:
    edited = with_copies(clean_table(), 0.2, (pl.col("age") + 1).fill_null(50.0))
    assert value(edited, "identical_rows_excess") < 0.01
    assert "near_copies" in failed(edited)


def test_a_little_noise_in_every_number_is_caught_by_distance() -> None:
    rng = np.random.default_rng(5)
    kinds: dict[str, Kind] = dict.fromkeys("uvwxyz", "number")
    real, synthetic, holdout = ({name: rng.normal(size=1500).tolist() for name in kinds} for _ in range(3))
    noisy = {name: [*(np.array(real[name][:300]) + rng.normal(0, 0.01, 300)), *synthetic[name][300:]] for name in kinds}
    assert {"close_rows", "closer_to_train"} <= failed(table_of(real, noisy, holdout, kinds))


def test_a_small_table_fails_for_its_size_and_says_so() -> None:
    gates = decide_gates(measure_report("privacy", clean_table(size=40)), ValidationSpec(), TODAY, of="columns")
    row = gates.filter(pl.col("metric") == "identical_rows_excess").row(0, named=True)
    assert row["value"] == 0 and not row["passed"]
    assert "too small a sample" in row["method"]


def test_a_table_without_a_holdout_shows_nothing_and_passes_nothing() -> None:
    table = clean_table(size=200)
    alone = Columns(table.real, table.synthetic, table.holdout.clear(), KINDS)
    assert {name for name, row in lines(alone).items() if row["value"] is not None} == set()
    assert failed(alone) == GATED


def test_columns_of_a_line_are_not_measured_and_have_no_gate() -> None:
    world = clean_world(records=16, examples=6)
    columns = Evidence(world.accepted, world.seeds).columns
    assert [row.value for name in PRIVACY for row in METRICS[f"privacy.{name}"].measure(columns)] == [None] * len(PRIVACY)
    assert not {f"privacy.{name}" for name in PRIVACY} & set(list_default_gates())


# Bad input


def bad_tables() -> dict[str, Columns]:
    rng, size = np.random.default_rng(1), 60
    parts = [people(rng, size) for _ in range(3)]
    roles: dict[str, Any] = {"quasi_identifiers": ("age", "city"), "sensitive": ("salary",)}

    def changed(kinds: dict[str, Kind] = KINDS, **columns: Any) -> Columns:
        return table_of(*(part | {name: make() for name, make in columns.items()} for part in parts), kinds, **roles)

    table = changed()
    return {
        "constant column": changed(salary=lambda: [7.0] * size),
        "all columns constant": changed(
            age=lambda: [1.0] * size,
            city=lambda: ["a"] * size,
            joined=lambda: [datetime(2020, 1, 1)] * size,
            member=lambda: [True] * size,
            salary=lambda: [0.0] * size,
        ),
        "a column missing": changed(salary=lambda: [None] * size),
        "all missing": changed(**{name: lambda: [None] * size for name in KINDS}),
        "far numbers": changed(salary=lambda: [1e308, -1e308, *[0.0] * (size - 2)]),
        "one synthetic row": Columns(table.real, table.synthetic.head(1), table.holdout, KINDS, **roles),
        "one row of each": Columns(table.real.head(1), table.synthetic.head(1), table.holdout.head(1), KINDS, **roles),
        "no synthetic rows": Columns(table.real, table.synthetic.clear(), table.holdout, KINDS, **roles),
        "no rows at all": Columns(table.real.clear(), table.synthetic.clear(), table.holdout.clear(), KINDS, **roles),
        "one column": table_of(*({"age": part["age"]} for part in parts), {"age": "number"}),
        "no column": Columns(pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), {}),
        "10,000 categories": table_of(
            *({"code": [f"c{at}" for at in rng.integers(0, 10_000, 800)], "other": ["x", "y"] * 400} for _ in range(3)),
            {"code": "category", "other": "category"},
            quasi_identifiers=("code",),
            sensitive=("other",),
        ),
    }


@pytest.mark.parametrize("name", bad_tables())
def test_bad_input_gets_a_verdict_and_no_nan(name: str) -> None:
    table = bad_tables()[name]
    rows = measure_report("privacy", table)
    raw = [row for each in METRICS.values() if each.of == "columns" and each.report == "privacy" for row in each.measure(table)]
    assert all(end is None or math.isfinite(end) for row in raw for end in (row.value, row.low, row.high))
    for row in rows.filter(pl.col("low").is_not_null()).to_dicts():
        assert row["low"] <= row["value"] <= row["high"], row
    assert set(PRIVACY) <= set(rows["metric"])
    decided = decide_gates(rows, ValidationSpec(), TODAY, of="columns").filter(
        pl.col("metric").is_in(list(GATED)), report="privacy", subject="line"
    )
    assert decided["passed"].null_count() == 0


# Identical rows


def test_identical_rows_by_hand() -> None:
    """Of four synthetic rows two are in train, one of them in the holdout too, and one is in the holdout alone."""
    kinds: dict[str, Kind] = {"n": "number", "c": "category"}
    real = {"n": [1.0, 2.0, None, 0.0], "c": ["a", "b", "c", "d"]}
    synthetic = {"n": [1.0, None, 5.0, 9.0], "c": ["a", "c", "e", "z"]}
    holdout = {"n": [1.0, 5.0, 6.0, 7.0], "c": ["a", "e", "f", "g"]}
    table = table_of(real, synthetic, holdout, kinds)
    assert value(table, "identical_rows") == 0.5
    assert value(table, "identical_rows_by_chance") == 0.5
    assert value(table, "identical_rows_excess") == 0.0  # 0 of the shared, 1 of the missing, -1 of the holdout's
    only_train = Columns(table.real, table.synthetic, table.holdout.with_columns(pl.lit("q").alias("c")), kinds)
    assert value(only_train, "identical_rows_excess") == 0.5


def test_the_excess_is_0_by_chance_whatever_the_sizes_of_train_and_holdout() -> None:
    excesses = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        train, synthetic, holdout = ({"n": rng.integers(0, 400, size).astype(float).tolist()} for size in (600, 300, 150))
        row = next(iter(METRICS["privacy.identical_rows_excess"].measure(table_of(train, synthetic, holdout, {"n": "number"}))))
        excesses.append(row.value)
    assert np.mean(excesses) == pytest.approx(0, abs=3 * np.std(excesses) / math.sqrt(30))
    assert np.std(excesses) > 0.01


@given(st.integers(1, 400), st.integers(0, 400))
def test_an_excess_without_a_hit_is_as_wide_as_wilsons_interval(size: int, hits: int) -> None:
    assert row_of_excess(np.zeros(size), np.arange(size)).high == pytest.approx(wilson(0, size)[1])
    excess = (np.arange(size) < hits).astype(float)
    share = float(excess.mean())
    row = row_of_excess(excess, np.arange(size))
    reach = max(1.959964 * math.sqrt(share * (1 - share) / size), wilson(0, size)[1])
    assert (row.low, row.high) == (pytest.approx(max(-1, share - reach), abs=1e-6), pytest.approx(min(1, share + reach), abs=1e-6))


def test_rows_near_one_row_count_as_fewer_cases() -> None:
    assert count_independent(np.arange(10)) == 10
    assert count_independent(np.zeros(10)) == 1
    assert count_independent(np.array([0, 0, 1, 1])) == 2
    excess = np.array([1.0, 1.0, 0.0, 0.0] * 25)
    alone, together = (row_of_excess(excess, clusters) for clusters in (np.arange(100), np.arange(100) % 4 // 2 + np.arange(100) // 4 * 2))
    assert together.high - together.value == pytest.approx(math.sqrt(2) * (alone.high - alone.value))


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilsons_interval_is_that_of_scipy(hits: int, size: int) -> None:
    hits = min(hits, size)
    expected = binomtest(hits, size).proportion_ci(0.95, method="wilson")
    assert wilson(hits, size) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=80), st.floats(0.005, 0.5))
def test_a_threshold_leaves_just_its_share_above(scores: list[int], share: float) -> None:
    values = np.array(scores, dtype=float)
    assert count_above(values, *find_threshold(values, share)).mean() == pytest.approx(share)


# Distances


def test_gower_distance_by_hand() -> None:
    """Ranges: the numbers 0 to 10 have the range 10. Of three columns each counts a third."""
    kinds: dict[str, Kind] = {"n": "number", "c": "category", "b": "boolean"}
    real = {"n": [float(at) for at in range(11)], "c": ["x"] * 11, "b": [True] * 11}
    rows = {"n": [2.0, None, None], "c": ["x", "x", None], "b": [True, False, None]}
    table = table_of(real, rows, rows, kinds)
    first, second = encode_together(table, [table.synthetic, table.real[[4]]])
    distances, places = find_nearest(first, second)
    assert distances[:, 0] == pytest.approx([0.2 / 3, (1 + 0.1 + 0 + 1) / 3, (1 + 0.1 + 1 + 1) / 3])
    assert places[:, 0].tolist() == [0, 0, 0]
    assert find_nearest(first, first)[0][:, 0].tolist() == [0, 0, 0]
    assert np.isinf(find_nearest(first, second, 2)[0][:, 1]).all()


def test_agreement_sums_what_the_equal_columns_tell() -> None:
    table = table_of({"c": ["a", "b"], "d": ["x", "y"]}, {"c": ["a"], "d": ["y"]}, {"c": [], "d": []}, {"c": "category", "d": "category"})
    first, second = encode_together(table, [table.synthetic, table.real])
    best, places = find_agreement(first, second, np.array([[1.0, 2.5]]))
    assert (best.tolist(), places.tolist()) == ([2.5], [1])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_distances_are_symmetric_and_within_their_range(seed: int) -> None:
    table = clean_table(seed, 25)
    first, second = encode_together(table, [table.real, table.synthetic])
    there = np.array([find_nearest(first, second.take(np.array([at])))[0][:, 0] for at in range(25)])
    back = np.array([find_nearest(second.take(np.array([at])), first, 25)[0][0] for at in range(25)])
    assert np.sort(there, axis=1) == pytest.approx(back)
    assert (there >= 0).all()


def test_swapping_train_and_holdout_mirrors_what_is_closer() -> None:
    table = with_copies(clean_table(size=300), 0.3)
    swapped = Columns(table.holdout, table.synthetic, table.real, KINDS)
    there, back = (measure_closeness(each) for each in (table, swapped))
    assert there is not None and back is not None
    assert value(table, "closer_to_train") + value(swapped, "closer_to_train") == pytest.approx(1, abs=0.02)
    assert value(table, "closer_to_train") > 0.6


def test_neighbour_ratio_by_hand() -> None:
    real = {"n": [0.0, 10.0, 10.0]}
    table = table_of(real, {"n": [1.0, 10.0]}, {"n": [0.0, 1.0, 5.0]}, {"n": "number"})
    assert value(table, "neighbour_ratio") == pytest.approx((1 / 9 + 1) / 2)  # of the second both neighbours are at 0
    assert value(table, "closest_distance") == pytest.approx(0.05)


# Row order, seeds


@pytest.mark.parametrize("size", [120, 2300])
def test_the_order_of_rows_changes_nothing(size: int) -> None:
    table = with_copies(clean_table(size=size, sensitive=("salary",), quasi_identifiers=("age",)), 0.1)
    shuffled = Columns(
        *(frame.sample(fraction=1, shuffle=True, seed=3) for frame in (table.real, table.synthetic, table.holdout)),
        table.kinds,
        table.quasi_identifiers,
        table.sensitive,
    )
    assert measure_report("privacy", table).equals(measure_report("privacy", shuffled))


def test_a_sample_is_of_rows_that_are_there_without_replacement() -> None:
    frame = pl.DataFrame({"n": range(1000)})
    drawn = sample_rows(frame, "test", 100)
    assert drawn["n"].n_unique() == 100
    assert set(sample_rows(frame.reverse(), "test", 100)["n"]) == set(drawn["n"]) != set(sample_rows(frame, "other", 100)["n"])
    assert abs(drawn["n"].mean() - 499.5) < 4 * 288.7 / 10  # type: ignore[operator]


# Attacks


def test_risk_is_anonymeters() -> None:
    """What anonymeter 1.1.0 gives for these counts of its linkability and inference attacks: docs/validation-metrics.md."""
    risk, low, high = find_risk(Attack(341, 23, 1, 2000, 2000))
    assert (round(risk, 4), round(low, 4), round(high, 4)) == (0.1607, 0.1435, 0.1779)
    risk, low, high = find_risk(Attack(1262, 517, 198, 2000, 2000))
    assert (round(risk, 4), round(low, 4), round(high, 4)) == (0.5017, 0.4704, 0.5330)
    assert find_risk(Attack(500, 506, 0, 2000, 2000))[0] == 0


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50))
def test_risk_keeps_its_range(train: int, holdout: int, size: int) -> None:
    risk, low, high = find_risk(Attack(min(train, size), min(holdout, size), 0, size, size))
    assert 0 <= low <= risk <= high <= 1


def test_singling_out_by_one_by_hand() -> None:
    """Alone stand the values a, b and c, the least and the greatest: each once in train, a alone in the holdout."""
    kinds: dict[str, Kind] = {"c": "category"}
    table = table_of({"c": ["a", "b", "c", "x"]}, {"c": ["a", "b", "c", "x", "x"]}, {"c": ["a", "x", "y", "z"]}, kinds)
    rows = {row.subject: row for row in METRICS["privacy.singling_out_by_one"].measure(table)}
    # each row stands once for this attack, so x is alone too
    assert rows["success=training"].value == 1.0
    assert rows["success=holdout"].value == 0.5
    assert rows["line"].size == 4


def test_nothing_singles_out_where_all_rows_come_in_pairs() -> None:
    rows = {"c": ["a", "a", "b", "b"] * 20, "d": ["x", "y", "x", "y"] * 20}
    table = table_of(rows, rows, rows, {"c": "category", "d": "category"})
    row = next(iter(METRICS["privacy.singling_out"].measure(table)))
    assert row.value is not None and row.value <= row.high


def test_halves_of_a_row_are_linked_by_its_copy() -> None:
    rng = np.random.default_rng(2)
    kinds: dict[str, Kind] = dict.fromkeys("wxyz", "number")
    real, holdout = ({name: rng.random(300).tolist() for name in kinds} for _ in range(2))
    rows = {row.subject: row.value for row in METRICS["privacy.linkability"].measure(table_of(real, real, holdout, kinds))}
    assert rows["success=training"] == 1.0
    assert rows["success=holdout"] < 0.1
    assert rows["success=naive"] == pytest.approx(1 / 300)
    assert rows["line"] > 0.95


def test_a_secret_is_guessed_from_the_nearest_row() -> None:
    """In train the secret follows from the key as in the table; in the holdout from no key; right within 5 % for a number."""
    keys = [f"k{at}" for at in range(200)]
    real = {"key": keys, "secret": [100.0 + at for at in range(200)]}
    synthetic = {"key": keys, "secret": [(100.0 + at) * 1.04 for at in range(200)]}
    holdout = {"key": keys, "secret": [-5.0] * 200}
    table = table_of(real, synthetic, holdout, {"key": "category", "secret": "number"}, sensitive=("secret",))
    rows = {row.subject: row.value for row in METRICS["privacy.attribute_inference"].measure(table)}
    assert (rows["success=training"], rows["success=holdout"]) == (1.0, 0.0)
    assert rows["success=naive"] < 0.2
    assert rows["secret=secret"] == rows["line"] > 0.95


# Membership


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40), st.lists(st.integers(0, 9), min_size=2, max_size=40))
def test_area_is_that_of_scikit_learn_and_mirrors(members: list[int], others: list[int]) -> None:
    first, second = np.array(members, dtype=float), np.array(others, dtype=float)
    area, error = area_under_roc(first, second)
    assert area == pytest.approx(roc_auc_score([1] * len(first) + [0] * len(second), [*members, *others]))
    mirrored, same = area_under_roc(second, first)
    assert (mirrored, same) == (pytest.approx(1 - area), pytest.approx(error))


def test_error_of_the_area_is_delongs() -> None:
    """By the definition: the variance of each member's share of others below it over members, and of each other's over others."""
    rng = np.random.default_rng(0)
    members, others = rng.normal(0.7, 1, 80), rng.normal(0, 1, 120)
    wins = (members[:, None] > others[None]).astype(float)
    expected = math.sqrt(wins.mean(axis=1).var(ddof=1) / 80 + wins.mean(axis=0).var(ddof=1) / 120)
    area, error = area_under_roc(members, others)
    assert (area, error) == (pytest.approx(wins.mean()), pytest.approx(expected))
    hanley = area * (1 - area) + 79 * (area / (2 - area) - area**2) + 119 * (2 * area**2 / (1 + area) - area**2)
    assert error == pytest.approx(math.sqrt(hanley / (80 * 120)), rel=0.1)


def test_members_are_found_where_rows_are_copied() -> None:
    table = with_copies(clean_table(size=1000), 0.3)
    assert value(table, "membership_at_one_percent") == pytest.approx(0.3, abs=0.03)
    assert value(table, "membership_auc") == pytest.approx(0.5 + 0.3 / 2, abs=0.03)


# Anonymity: the quasi-identifiers are a ZIP code and an age band, the sensitive columns a disease and a salary


def li_table() -> Columns:
    """Table 3 of Li, Li & Venkatasubramanian 2007 (ICDE): nine rows in three classes."""
    synthetic = {
        "zip": ["476**"] * 3 + ["4790*"] * 3 + ["476*2"] * 3,
        "salary": [3.0, 4.0, 5.0, 6.0, 11.0, 8.0, 7.0, 9.0, 10.0],
        "disease": [
            "gastric ulcer", "gastritis", "stomach cancer", "gastritis", "flu", "bronchitis", "bronchitis", "pneumonia", "stomach cancer",
        ],
    }  # fmt: skip
    kinds: dict[str, Kind] = {"zip": "category", "salary": "number", "disease": "category"}
    empty: dict[str, list[Any]] = {name: [] for name in kinds}
    return table_of(synthetic, synthetic, empty, kinds, quasi_identifiers=("zip",), sensitive=("salary", "disease"))


def test_k_anonymity_and_l_diversity_of_a_published_table() -> None:
    table = li_table()
    assert value(table, "k_anonymity") == 3
    assert value(table, "small_classes") == 1
    assert value(table, "distinct_l_diversity") == 3
    assert value(table, "entropy_l_diversity") == pytest.approx(3)


def test_t_closeness_is_that_of_the_paper() -> None:
    """§4 of the paper: of the salaries 3k to 11k the class {3k, 4k, 5k} is at 0.375, {6k, 8k, 11k} at 0.167."""
    table = li_table()
    assert value(table, "t_closeness", "sensitive=salary") == pytest.approx(0.375)
    second = table.synthetic.filter(pl.col("zip") == "4790*")["salary"].to_numpy()
    assert wasserstein_distance(second - 3, np.arange(9)) / 8 == pytest.approx(0.167, abs=5e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), min_size=1, max_size=40))
def test_t_closeness_is_the_earth_movers_distance_and_the_total_variation(rows: list[tuple[str, int]]) -> None:
    classes, values = [row[0] for row in rows], np.array([row[1] for row in rows])
    kinds: dict[str, Kind] = {"q": "category", "n": "number", "c": "category"}
    synthetic = {"q": classes, "n": values.astype(float).tolist(), "c": [str(each) for each in values]}
    table = table_of(synthetic, synthetic, {name: [] for name in kinds}, kinds, quasi_identifiers=("q",), sensitive=("n", "c"))
    ranks = np.unique(values, return_inverse=True)[1]
    members = [np.array([name == each for each in classes]) for name in set(classes)]
    width = max(1, int(ranks.max()))
    shares = np.bincount(ranks, minlength=width + 1) / len(ranks)
    parts = [np.bincount(ranks[each], minlength=width + 1) / each.sum() for each in members]
    assert value(table, "t_closeness", "sensitive=n") == pytest.approx(
        max(wasserstein_distance(ranks[each], ranks) for each in members) / width
    )
    assert value(table, "t_closeness", "sensitive=c") == pytest.approx(max(np.abs(part - shares).sum() / 2 for part in parts))


def test_missing_quasi_identifiers_are_one_value_and_uniques_are_counted_on_both_sides() -> None:
    kinds: dict[str, Kind] = {"q": "category"}
    table = table_of({"q": [None, "a", "a", "b"]}, {"q": [None, "a", "b", "c"]}, {"q": []}, kinds, quasi_identifiers=("q",))
    assert value(table, "k_anonymity") == 1
    assert value(table, "replicated_uniques") == 0.5  # missing and b; a is twice in the real rows, c not at all
