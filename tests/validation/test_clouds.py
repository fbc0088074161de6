"""Clouds of vectors, bigram models and variety of texts: closed forms, references, ranges, and what planted faults do to them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import entropy as scipy_entropy
from sklearn.neighbors import NearestNeighbors
from small_world import LEAVES, World, clean_world, failed, line_value

from factory.validation.clouds import area_of_divergences, count_effective, measure_frechet, measure_mauve, measure_overlap
from factory.validation.collapse.variety import find_rarest, measure_entropy, measure_self_bleu
from factory.validation.embedding import embed_texts
from factory.validation.evidence import Evidence
from factory.validation.ngram_model import NgramModel
from factory.validation.reports import measure_report

WORDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=8)


def normal(size: int, seed: int, shift: float = 0.0, spread: float = 1.0, dimensions: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, spread, (size, dimensions))


def test_two_samples_of_one_population_overlap_as_the_paper_expects() -> None:
    overlaps = [measure_overlap(normal(200, seed), normal(200, 1000 + seed)) for seed in range(20)]
    density = np.mean([each.density for each in overlaps if each])
    coverage = np.mean([each.coverage for each in overlaps if each])
    # Naeem et al. 2020, section 3.2: E[density] = 1, E[coverage] = 1 - (m-1)...(m-k)/((2m-1)...(2m-k)), both sides of size m.
    expected = 1 - math.prod((200 - i) / (400 - i) for i in range(1, 6))
    assert density == pytest.approx(1.0, abs=0.05)
    assert coverage == pytest.approx(expected, abs=0.02)


def test_neighbourhoods_are_those_of_scikit_learn() -> None:
    real, synthetic = normal(60, 1), normal(50, 2, shift=0.5)
    radii = NearestNeighbors(n_neighbors=6).fit(real).kneighbors(real)[0][:, 5]
    inside = np.linalg.norm(real[:, None] - synthetic[None], axis=2) <= radii[:, None]
    overlap = measure_overlap(real, synthetic)
    assert overlap is not None
    assert overlap.precision == pytest.approx(inside.any(axis=0).mean())
    assert overlap.coverage == pytest.approx(inside.any(axis=1).mean())
    assert overlap.density == pytest.approx(inside.sum() / 5 / 50)


def test_a_missing_mode_costs_recall_and_an_invented_one_precision() -> None:
    both = np.concatenate([normal(100, 1), normal(100, 2, shift=9)])
    dropped, invented = measure_overlap(both, normal(200, 3)), measure_overlap(normal(200, 4), both)
    assert dropped and invented
    assert dropped.precision > 0.9 and dropped.recall < 0.6 and dropped.coverage < 0.6
    assert invented.recall > 0.9 and invented.precision < 0.6


def test_frechet_distance_is_that_of_scipys_matrix_root_and_of_the_closed_form() -> None:
    first, second = normal(80, 1), normal(90, 2, shift=0.3, spread=2.0)
    covariances = [np.cov(side, rowvar=False) for side in (first, second)]
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    expected = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root)
    assert measure_frechet(first, second) == pytest.approx(expected)
    assert measure_frechet(first, first + 3.0) == pytest.approx(9.0 * first.shape[1])
    assert measure_frechet(first, first[:1]) is None


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=6), st.integers(0, 10**6))
def test_the_area_of_divergences_is_symmetric_and_1_only_for_equals(shares: list[float], seed: int) -> None:
    first = np.array(shares) / sum(shares)
    second = np.random.default_rng(seed).permutation(first)
    assert area_of_divergences(first, second) == pytest.approx(area_of_divergences(second, first))
    assert area_of_divergences(first, first) == pytest.approx(1.0)
    assert 0 < area_of_divergences(first, second) <= 1 + 1e-9


def test_mauve_falls_as_the_clouds_part() -> None:
    values = [measure_mauve(normal(200, 1), normal(200, 2, shift=shift)) for shift in (0.0, 1.0, 4.0)]
    assert values[0] and values[1] and values[2]
    assert values[0] > 0.9 > values[1] > values[2]
    assert measure_mauve(normal(10, 1), normal(10, 2)) is None


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 5))
def test_the_vendi_score_counts_what_is_quite_different(kinds: int, times: int) -> None:
    assert count_effective(np.repeat(np.eye(kinds), times, axis=0)) == pytest.approx(kinds)


@settings(max_examples=40)
@given(st.lists(WORDS, min_size=1, max_size=6), st.sampled_from("abcdz"))
def test_a_bigram_model_is_a_distribution(texts: list[list[str]], before: str) -> None:
    model = NgramModel(texts)
    assert sum(model.probability(word, before) for word in model.vocabulary) + model.probability("never seen", before) == pytest.approx(1.0)
    assert model.perplexity(texts) >= 1.0


def test_a_text_seen_a_thousand_times_has_a_perplexity_near_1_and_a_strange_one_a_high_one() -> None:
    model = NgramModel([["ask", "the", "sea"]] * 1000)
    assert model.perplexity([["ask", "the", "sea"]]) == pytest.approx(1.0, abs=0.02)
    assert model.perplexity([["green", "ideas", "sleep"]]) > 50
    with pytest.raises(ValueError, match="at least one word"):
        NgramModel([])


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_entropy_is_that_of_scipy(texts: list[list[str]]) -> None:
    words = [word for text in texts for word in text]
    counts = [words.count(word) for word in set(words)]
    assert measure_entropy(texts) == pytest.approx(scipy_entropy(counts, base=2))


@settings(max_examples=30)
@given(st.lists(WORDS, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_self_bleu_keeps_its_range_and_does_not_depend_on_the_order(texts: list[list[str]], rng: object) -> None:
    shuffled = list(texts)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert 0 <= measure_self_bleu(texts) <= 1 + 1e-12
    assert measure_self_bleu(shuffled) == pytest.approx(measure_self_bleu(texts))


def test_self_bleu_by_hand() -> None:
    assert measure_self_bleu([list("abcde")] * 3) == pytest.approx(1.0)
    assert measure_self_bleu([list("abcd"), list("wxyz")]) == 0.0
    # "a b c" against "a b d": 2 of 3 words, (1+1)/(2+1) pairs, (0+1)/(1+1) threes, (0+1)/(0+1) fours; equal lengths.
    assert measure_self_bleu([list("abc"), list("abd")]) == pytest.approx((2 / 3 * 2 / 3 * 1 / 2 * 1) ** 0.25)


def test_the_rarest_tenth() -> None:
    texts = [["common"] * 5 + [f"w{at}" for at in range(9)], ["w0"]]
    assert find_rarest(texts, 1) == {("w1",)}


def test_embeddings_have_length_1_and_know_copies_from_others() -> None:
    real, synthetic = embed_texts(["the red sun rises", "count to ten"], ["the red sun rises", "gunung dan laut"], None)
    assert np.linalg.norm(np.concatenate([real, synthetic]), axis=1) == pytest.approx(np.ones(4))
    assert (real @ synthetic.T)[0, 0] == pytest.approx(1.0)
    assert (real @ synthetic.T)[0, 1] < 0.5
    alone = embed_texts(["a"], ["a"], None)
    assert float((alone[0] @ alone[1].T).item()) == pytest.approx(1.0)


@pytest.fixture(scope="module")
def world() -> World:
    return clean_world()


def repeat(world: World, kept: int) -> World:
    """Of each leaf the first `kept` texts over and over."""
    place = pl.int_range(pl.len()).over("leaf") % kept
    texts = world.verdicts.with_columns(place=place).group_by("leaf", "place").agg(pl.col("instruction", "response").first())
    repeated = world.verdicts.with_columns(place=place).drop("instruction", "response").join(texts, on=["leaf", "place"]).drop("place")
    return world.with_verdicts(repeated.select(world.verdicts.columns))


def test_one_text_of_a_leaf_over_and_over_fails(world: World) -> None:
    assert {"collapse.vendi", "fidelity.embedding_coverage"} <= failed(repeat(world, 1))


def test_the_report_says_less_of_what_is_repeated(world: World) -> None:
    def value(of: World, metric: str) -> float:
        found = line_value(measure_report("collapse", Evidence(of.accepted, of.seeds)), metric)
        assert found is not None
        return found

    fewer = repeat(world, 3)
    for metric in ("entropy", "rare_runs", "vendi"):
        assert value(fewer, metric) < value(world, metric)
    assert value(fewer, "self_bleu") > value(world, "self_bleu")


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.head(0),
        lambda frame: frame.head(1),
        lambda frame: frame.with_columns(instruction=pl.lit(""), response=pl.lit("")),
    ],
    ids=["none", "one", "no words"],
)
def test_hardly_any_text_gets_a_verdict(world: World, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    evidence = Evidence(change(world.accepted), world.seeds.filter(leaf=min(LEAVES)))
    for report in ("fidelity", "collapse"):
        metrics = measure_report(report, evidence)
        assert metrics["value"].is_finite().fill_null(True).all()
