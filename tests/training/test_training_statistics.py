"""Intervals and paired comparison against closed forms."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.records import ANSWER
from factory.training import compare, summarise

Z = 1.959963984540054


def make_answers(right: dict[str, list[int]], leaves: list[str] | None = None, origins: list[str] | None = None) -> pl.DataFrame:
    """Answers of each model, right (1) or wrong (0) on problem 0, 1, 2 and so on."""
    rows: list[dict[str, Any]] = []
    for model, marks in right.items():
        for index, mark in enumerate(marks):
            leaf, origin = (leaves[index] if leaves else "a/b"), (origins[index] if origins else "fresh")
            row = {"problem_id": f"p{index:04}", "leaf": leaf, "origin": origin, "model": model, "correct": bool(mark)}
            rows.append(dict.fromkeys(ANSWER) | row)
    return pl.DataFrame(rows, schema=ANSWER)


def wilson(correct: int, size: int) -> tuple[float, float]:
    """Wilson (1927), equation as in Brown, Cai and DasGupta (2001), Statistical Science 16:101."""
    share = correct / size
    middle = (share + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * math.sqrt(share * (1 - share) / size + Z**2 / (4 * size**2))
    return middle - half, middle + half


def mcnemar(wins: int, losses: int) -> float:
    """Two-sided exact test: twice the smaller binomial tail at one half, at most 1."""
    n, k = wins + losses, min(wins, losses)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_accuracy_lies_in_its_wilson_interval(marks: list[bool]) -> None:
    row = summarise(make_answers({"base": [int(mark) for mark in marks]})).row(0, named=True)
    low, high = wilson(sum(marks), len(marks))
    assert (row["low"], row["high"]) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert 0 <= row["low"] <= row["accuracy"] + 1e-12
    assert row["accuracy"] <= row["high"] + 1e-12 <= 1 + 2e-12


def test_summary_has_each_leaf_and_origin_and_all_of_them() -> None:
    answers = make_answers(
        {"base": [0, 0, 1, 1], "tuned": [1, 1, 1, 0]},
        leaves=["a/x", "a/x", "a/y", "a/x"],
        origins=["fresh", "fresh", "fresh", "holdout"],
    )
    table = summarise(answers).select("model", "leaf", "origin", "problems", "correct").rows()
    assert table == [
        ("base", "a/x", "fresh", 2, 0),
        ("base", "a/x", "holdout", 1, 1),
        ("base", "a/y", "fresh", 1, 1),
        ("base", "all", "all", 4, 2),
        ("base", "all", "fresh", 3, 1),
        ("base", "all", "holdout", 1, 1),
        ("tuned", "a/x", "fresh", 2, 2),
        ("tuned", "a/x", "holdout", 1, 0),
        ("tuned", "a/y", "fresh", 1, 1),
        ("tuned", "all", "all", 4, 3),
        ("tuned", "all", "fresh", 3, 3),
        ("tuned", "all", "holdout", 1, 0),
    ]


def test_summary_of_no_answers_is_empty() -> None:
    assert summarise(pl.DataFrame(schema=ANSWER)).columns == ["model", "leaf", "origin", "problems", "correct", "accuracy", "low", "high"]


marks = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from(["a/x", "a/y", "a/z"])), min_size=1, max_size=80)


@settings(max_examples=30, deadline=None)
@given(marks)
def test_comparison_counts_and_its_mirror_image(pairs: list[tuple[int, int, str]]) -> None:
    first, second, leaves = (list(column) for column in zip(*pairs, strict=True))
    answers = make_answers({"tuned": first, "base": second}, leaves)
    forth, back = compare(answers, "tuned", "base"), compare(answers, "base", "tuned")
    assert (forth.wins, forth.losses) == (
        sum(a > b for a, b in zip(first, second, strict=True)),
        sum(a < b for a, b in zip(first, second, strict=True)),
    )
    assert forth.difference == pytest.approx(forth.accuracy_a - forth.accuracy_b) == pytest.approx(-back.difference)
    assert -1 <= forth.low <= forth.difference <= forth.high <= 1
    assert forth.p_value == pytest.approx(mcnemar(forth.wins, forth.losses))
    assert compare(answers.sample(fraction=1, shuffle=True, seed=1), "tuned", "base") == forth


def test_interval_agrees_with_the_stratified_standard_error() -> None:
    # Leaf x: 40 wins, 20 losses of 200. Leaf y: 90 wins, none lost of 100. Variances add up leaf by leaf.
    first = [1] * 40 + [0] * 20 + [1] * 140 + [1] * 90 + [0] * 10
    second = [0] * 40 + [1] * 20 + [1] * 140 + [0] * 90 + [0] * 10
    comparison = compare(make_answers({"a": first, "b": second}, ["l/x"] * 200 + ["l/y"] * 100), "a", "b")
    variance_x = 200 * (60 / 200 - (20 / 200) ** 2)
    variance_y = 100 * (0.9 - 0.9**2)
    error = math.sqrt(variance_x + variance_y) / 300
    assert comparison.difference == pytest.approx(110 / 300)
    assert comparison.low == pytest.approx(110 / 300 - Z * error, abs=0.005)
    assert comparison.high == pytest.approx(110 / 300 + Z * error, abs=0.005)


def test_small_leaves_have_the_spread_of_their_problems() -> None:
    # Two problems a leaf, which differ by 0 or 1: taken leaf by leaf they would show half of the variance, one problem a leaf none of it.
    right = [1, 0] * 10
    pairs = compare(make_answers({"a": right, "b": [0] * 20}, [f"l/{at // 2}" for at in range(20)]), "a", "b")
    single = compare(make_answers({"a": right, "b": [0] * 20}, [f"l/{at}" for at in range(20)]), "a", "b")
    error = math.sqrt(0.25 * 20 / 19 / 20)
    for comparison in (pairs, single):
        assert (comparison.high - comparison.low) / 2 == pytest.approx(Z * error, abs=0.03)


@pytest.mark.parametrize("right, low, high", [([1] * 4, 2 * 0.025**0.25 - 1, 1.0), ([0] * 4, 0.025**0.25 - 1, 1 - 0.025**0.25)])
def test_differences_that_are_all_the_same_are_bounded_exactly(right: list[int], low: float, high: float) -> None:
    comparison = compare(make_answers({"a": right, "b": [0] * 4}), "a", "b")
    assert (comparison.low, comparison.high) == (pytest.approx(low), pytest.approx(high))


def test_interval_is_seeded() -> None:
    answers = make_answers({"a": [0, 1] * 30, "b": [0, 0, 1] * 20})
    assert compare(answers, "a", "b", seed=1) == compare(answers, "a", "b", seed=1)
    runs = {(compare(answers, "a", "b", seed=seed).low, compare(answers, "a", "b", seed=seed).high) for seed in range(6)}
    assert len(runs) > 1


def test_models_must_have_answered_the_same_problems() -> None:
    answers = make_answers({"tuned": [1, 0, 1], "base": [1, 0]})
    with pytest.raises(FactoryError, match="'tuned' answered 3 problems, 'base' 2, and 1 were answered by one of them alone"):
        compare(answers, "tuned", "base")
    with pytest.raises(FactoryError, match="'champion' 0"):
        compare(answers, "tuned", "champion")
