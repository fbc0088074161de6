"""Metrics against scipy, scikit-learn, published formulas and closed forms, and the ranges and symmetries they must keep."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.spatial.distance import jensenshannon
from scipy.stats import chisquare, ks_2samp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import jaccard_score
from small_world import LEAVES, clean_world, line_value, measure_all

from factory.validation.columns.table import Columns
from factory.validation.distances import (
    chi_square_p,
    compare_lengths,
    compare_vocabulary,
    jensen_shannon,
    kolmogorov_smirnov,
    share_distance,
    total_variation,
)
from factory.validation.evidence import Evidence
from factory.validation.intervals import normal_interval, wilson
from factory.validation.reports import measure_report
from factory.validation.text import distinct, incompressible, overlaps, words

LENGTHS = st.lists(st.integers(1, 30), min_size=2, max_size=25)
COUNTS = st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(sum)


def texts_of(lengths: list[int]) -> list[list[str]]:
    return [["word"] * length for length in lengths]


def shares(counts: list[int]) -> np.ndarray:
    return np.array([counts], dtype=float) / sum(counts)


@given(LENGTHS, LENGTHS)
def test_kolmogorov_smirnov_is_that_of_scipy(first: list[int], second: list[int]) -> None:
    values = sorted({*first, *second})
    ours = kolmogorov_smirnov(*(shares([side.count(value) for value in values]) for side in (first, second)))
    assert ours[0] == pytest.approx(ks_2samp(first, second, method="asymp").statistic)


@given(COUNTS, COUNTS)
def test_jensen_shannon_is_the_square_of_scipys_distance(first: list[int], second: list[int]) -> None:
    ours = jensen_shannon(shares(first), shares(second))[0]
    assert ours == pytest.approx(jensenshannon(first, second, base=2) ** 2, abs=1e-6)


@given(COUNTS, COUNTS)
def test_distances_are_symmetric_and_from_0_to_1(first: list[int], second: list[int]) -> None:
    for distance in (kolmogorov_smirnov, total_variation, jensen_shannon):
        there, back = distance(shares(first), shares(second))[0], distance(shares(second), shares(first))[0]
        assert there == pytest.approx(back)
        assert -1e-12 <= there <= 1 + 1e-12
        assert distance(shares(first), shares(first))[0] == pytest.approx(0)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.tuples(LENGTHS, LENGTHS), min_size=1))
def test_corrected_distances_keep_their_range_and_interval(lengths: dict[str, tuple[list[int], list[int]]]) -> None:
    compared = compare_lengths({leaf: (texts_of(first), texts_of(second)) for leaf, (first, second) in lengths.items()}, "test")
    assert compared.value is not None and compared.p is not None
    assert 0 <= compared.low <= compared.value <= compared.high <= 1
    assert 0 < compared.p <= 1
    assert {leaf.leaf for leaf in compared.leaves} == set(lengths)


def test_corrected_distance_is_1_apart_and_0_between_samples_of_one_population_whatever_their_size() -> None:
    rng = np.random.default_rng(0)
    apart = compare_lengths({"a": (texts_of([1, 2, 3] * 9), texts_of([10, 11] * 5))}, "test")
    assert (apart.value, apart.low, apart.p) == (pytest.approx(1), pytest.approx(1), pytest.approx(1 / 201))
    for size in (5, 12, 60):
        samples = {f"leaf{at}": (texts_of(rng.integers(4, 30, 60)), texts_of(rng.integers(4, 30, size))) for at in range(20)}
        alike = compare_lengths(samples, "test")
        raw = np.mean([ks_2samp(*([len(text) for text in side] for side in sides)).statistic for sides in samples.values()])
        assert raw > 0.13  # what a threshold on the plain distance would have to bear
        assert alike.value < 0.06
        assert alike.p > 0.01


def test_corrected_distance_of_large_samples_is_the_plain_one() -> None:
    first, second = np.arange(2000) % 10, np.arange(2000) % 10 + 4
    compared = compare_lengths({"a": (texts_of(first), texts_of(second))}, "test")
    assert compared.value == pytest.approx(ks_2samp(first, second).statistic, abs=0.03)
    assert compared.high - compared.low < 0.06


def test_vocabulary_divergence_counts_words_that_differ() -> None:
    same = [["red", "apple"], ["green", "pear"]] * 20
    other = [["blue", "plum"], ["black", "fig"]] * 20
    assert compare_vocabulary({"a": (same, same)}).value == 0
    assert compare_vocabulary({"a": (same, other)}).value == pytest.approx(1)
    half = compare_vocabulary({"a": (same, same), "b": (same, other)})
    assert half.value == pytest.approx(0.5, abs=0.02)


def test_digits_are_one_word_to_the_vocabulary() -> None:
    world = clean_world(records=12, examples=6)
    numbered = world.accepted.with_columns(pl.lit("Add 123 and 456").alias("instruction"), pl.lit("579").alias("response"))
    seeds = world.seeds.with_columns(pl.lit("add 7 and 8").alias("question"), pl.lit("15").alias("answer"))
    assert line_value(measure_report("fidelity", Evidence(numbered, seeds)), "vocabulary") == 0


def test_goodness_of_fit_is_that_of_scipy() -> None:
    counts, reference = {"en": 60, "id": 25, "de": 15}, {"en": 0.5, "id": 0.3, "de": 0.2}
    assert chi_square_p(counts, reference) == pytest.approx(chisquare([60, 25, 15], [50, 30, 20]).pvalue)
    assert chi_square_p({"en": 9, "fr": 1}, {"en": 1.0}) == 0.0
    assert chi_square_p({}, reference) is None


def test_share_distance_is_the_share_that_must_move() -> None:
    value, low, high = share_distance({"en": 7_000, "id": 3_000}, {"en": 0.5, "id": 0.5}, "test")
    assert value == pytest.approx(0.2, abs=0.005)
    error = math.sqrt(0.7 * 0.3 / 10_000)
    assert high - value == pytest.approx(1.96 * error, rel=0.15)
    assert value - low == pytest.approx(high - value)
    assert share_distance({}, {"en": 1.0}, "test") is None
    assert share_distance({"en": 1}, {}, "test") is None
    assert share_distance({"id": 9}, {"en": 1.0}, "test") == (1, 1, 1)


def test_share_distance_is_0_by_chance_however_few_the_cases_of_each_category_and_1_apart() -> None:
    rng = np.random.default_rng(0)
    for leaves, size in ((10, 20), (1_000, 1_500), (1_000, 100)):
        even = {f"{at}": 1 / leaves for at in range(leaves)}
        dealt = dict(zip(even, rng.multinomial(size, [1 / leaves] * leaves).tolist(), strict=True))
        value, low, high = share_distance(dealt, even, "test")
        assert value < 0.1 and low == 0 and high < 0.4
        half = {key: 2 * count for key, count in list(dealt.items())[::2]}
        assert share_distance(half, even, "test")[0] == pytest.approx(0.5, abs=0.12)


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_is_its_closed_formula(hits: int, size: int) -> None:
    hits = min(hits, size)
    z, share = 1.959963984540054, hits / size
    middle = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    spread = z / (1 + z**2 / size) * math.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    assert wilson(hits, size) == (pytest.approx(max(0, middle - spread), abs=1e-9), pytest.approx(min(1, middle + spread), abs=1e-9))


def test_normal_interval_is_cut_to_the_range() -> None:
    draws = np.array([0.0, 0.1, 0.2])
    assert normal_interval(0.1, draws) == (0.0, pytest.approx(0.1 + 1.96 * 0.1, abs=1e-3))
    assert normal_interval(0.9, draws, highest=1.0)[1] == 1.0


def test_distinct_and_overlaps_agree_with_counting_by_scikit_learn() -> None:
    texts = ["the cat sat on the mat", "the cat sat on a chair", "no cat here", "mat"]
    tokens = [text.split() for text in texts]
    pairs = CountVectorizer(ngram_range=(2, 2), token_pattern=r"\S+").fit_transform(texts).toarray()
    assert distinct(tokens, 2) == pytest.approx(np.count_nonzero(pairs.sum(axis=0)) / pairs.sum())
    ours = overlaps(tokens[:3], 2)
    for first in range(3):
        for second in range(3):
            assert ours[first, second] == pytest.approx(jaccard_score(pairs[first] > 0, pairs[second] > 0))
    assert overlaps([["mat"], ["hat"]], 2).tolist() == [[1, 1], [1, 1]]
    assert distinct([], 2) == 0


def test_repetition_compresses() -> None:
    assert incompressible(["an amber basket"] * 50) < 0.1 < incompressible([f"{at * 7919 % 10007:x}" for at in range(50)])
    assert incompressible([]) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is 47 + 85?", ["what", "is", "47", "85"]),
        ('{"name": "Ana"}', ["name", "ana"]),
        ("Café, ÉTÉ!", ["café", "été"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("我爱你 ok", ["我", "爱", "你", "ok"]),
        (None, []),
        ("...", []),
    ],
)
def test_words_in_several_scripts(text: str | None, expected: list[str]) -> None:
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    assert frame.select(words("text"))["text"].to_list() == [expected]


def test_likeness_is_one_over_the_number_of_repeated_texts() -> None:
    world = clean_world(records=64, examples=20)
    for kinds in (1, 4):
        repeated = world.accepted.with_columns(
            [pl.col(name).gather(pl.int_range(pl.len()) % kinds).over("leaf").alias(name) for name in ("instruction", "response")]
        )
        assert line_value(measure_report("collapse", Evidence(repeated, world.seeds)), "likeness") == pytest.approx(1 / kinds, abs=0.03)


def test_depth_and_real_share() -> None:
    world = clean_world(records=24, examples=6)
    half = (pl.int_range(pl.len()) % 2).cast(pl.Int32).alias("depth")
    same_texts = [pl.lit("one two three").alias("instruction"), pl.lit("four").alias("response")]
    metrics = measure_report("collapse", Evidence(world.accepted.with_columns(half, *same_texts), world.seeds))
    assert line_value(metrics, "depth") == 1
    assert line_value(metrics, "real_share") == pytest.approx(0.5, abs=0.01)
    by_depth = metrics.filter(pl.col("metric") == "depth_share")
    assert by_depth["subject"].to_list() == ["depth=0", "depth=1"]
    assert by_depth["value"].sum() == pytest.approx(1)


def test_the_reference_weighs_leaves_not_seeds() -> None:
    world = clean_world(records=16, examples=6)
    many = world.seeds.filter(pl.col("leaf") == next(iter(LEAVES)))
    copies = [many.with_columns(pl.concat_str("record_id", pl.lit(str(at))).alias("record_id")) for at in range(20)]
    metrics = measure_report("fairness", Evidence(world.accepted, pl.concat([world.seeds, *copies]), verdicts=world.verdicts))
    assert line_value(metrics, "leaf_shift") == pytest.approx(0)


def test_what_a_verifier_proved_wrong_does_not_count_against_the_filter() -> None:
    world = clean_world(records=40, examples=6)
    wrong = (pl.col("language") == "id") & (pl.int_range(pl.len()) % 2 == 0)
    verdicts = world.verdicts.with_columns(
        pl.when(wrong).then(False).otherwise("verified").alias("verified"),
        pl.when(wrong).then(pl.lit("rejected")).otherwise("verdict").alias("verdict"),
    )
    metrics = measure_report("fairness", Evidence(verdicts.filter(pl.col("verdict") == "accepted"), world.seeds, verdicts=verdicts))
    qualified = metrics.filter((pl.col("metric") == "qualified_rate") & (pl.col("subject") == "language=id"))
    assert qualified["value"].item() == pytest.approx(0.5)
    assert line_value(metrics, "language_selection") > 0.8


def test_a_line_without_groups_or_with_one_language_is_even() -> None:
    world = clean_world(records=16, examples=6)
    bare = [pl.lit("en").alias("language"), pl.lit([], world.seeds.schema["groups"]).alias("groups")]
    verdicts = world.verdicts.with_columns(bare)
    metrics = measure_report("fairness", Evidence(verdicts.filter(verdict="accepted"), world.seeds.with_columns(bare), verdicts=verdicts))
    names = ("group_shift", "group_selection", "language_shift", "language_selection")
    assert [line_value(metrics, name) for name in names] == pytest.approx([0, 1, 0, 1])


def test_a_group_that_only_one_leaf_declares_is_missed_when_it_is_lost() -> None:
    world = clean_world(records=40, examples=6)
    declared = pl.col("leaf") == next(iter(LEAVES))
    none = pl.lit([], world.seeds.schema["groups"])
    seeds = world.seeds.with_columns(pl.when(declared).then("groups").otherwise(none).alias("groups"))
    verdicts = world.verdicts.with_columns(
        pl.when(declared).then("groups").otherwise(none).alias("groups"),
        pl.when(declared).then(pl.lit("rejected")).otherwise("verdict").alias("verdict"),
    )
    metrics = measure_report("fairness", Evidence(verdicts.filter(pl.col("verdict") == "accepted"), seeds, verdicts=verdicts))
    assert line_value(metrics, "group_selection") == 0
    assert line_value(metrics, "group_shift") == pytest.approx(1 / len(LEAVES), abs=0.02)


def test_two_reports_of_the_same_frames_are_equal() -> None:
    world = clean_world(records=16, examples=6)
    assert measure_report("fidelity", Evidence(world.accepted, world.seeds)).equals(
        measure_report("fidelity", Evidence(world.accepted, world.seeds))
    )
    assert measure_report("collapse", Evidence(world.accepted, world.seeds)).equals(
        measure_report("collapse", Evidence(world.accepted, world.seeds))
    )


def test_topics_are_no_texts_to_compare_with() -> None:
    world = clean_world()
    text = pl.lit("every record repeats this topic of twelve words and more word for word here")
    topic = {"record_id": pl.concat_str(pl.lit("t"), "record_id"), "kind": pl.lit("topic"), "answer": pl.lit(None, pl.String)}
    topics = world.seeds.with_columns(question=text, split=pl.lit("seed"), **topic)
    assert_frame_equal(measure_all(dataclasses.replace(world, seeds=pl.concat([world.seeds, topics]))), measure_all(world))


def test_the_columns_of_records_hold_as_many_rows_of_a_leaf_on_both_sides() -> None:
    world = clean_world(records=16, examples=6)
    uneven = world.seeds.filter((pl.col("leaf") != min(LEAVES)) | (pl.int_range(pl.len()).over("leaf") < 2))
    columns = Evidence(world.accepted, uneven).columns
    assert columns.real.height == columns.synthetic.height == 6 * (len(LEAVES) - 1) + 2
    assert columns.of_kind("number") == ["instruction_words", "response_words"]
    assert (
        columns.real["group:domain"]
        .value_counts()
        .sort("group:domain")
        .equals(columns.synthetic["group:domain"].value_counts().sort("group:domain"))
    )


def test_columns_of_another_type_are_refused() -> None:
    number = pl.DataFrame({"age": [1.0]})
    with pytest.raises(ValueError, match="synthetic has the columns"):
        Columns(number, number.cast(pl.String), number.clear(), {"age": "number"})
