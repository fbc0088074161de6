"""The figures of agreement against scikit-learn, scipy and closed formulas, and what must not move them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.calibration import calibration_curve
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from factory.reward.agreement import (
    Figure,
    calibration_error,
    count_confusion,
    measure_area,
    measure_calibration,
    measure_correlation,
    measure_kappa,
    share,
)

VERDICTS = ("good", "bad", "unparsed")
labelled = st.lists(st.tuples(st.sampled_from(VERDICTS[:2]), st.sampled_from(VERDICTS)), min_size=2, max_size=60)


def test_a_share_has_wilsons_interval() -> None:
    hits, size, z = 30, 40, 1.959963984540054
    p = hits / size
    middle = (p + z**2 / (2 * size)) / (1 + z**2 / size)
    spread = z / (1 + z**2 / size) * math.sqrt(p * (1 - p) / size + z**2 / (4 * size**2))
    figure = share(hits, size)
    assert (figure.value, figure.size) == (0.75, 40)
    assert [figure.low, figure.high] == pytest.approx([middle - spread, middle + spread])
    assert share(0, 0) == Figure(value=None, low=None, high=None, size=0)


def test_kappa_of_a_known_table() -> None:
    """20 and 15 agreed of 50, as in Cohen's own kind of example: (0.7 - 0.5) / (1 - 0.5)."""
    labels = ["good"] * 25 + ["bad"] * 25
    verdicts = ["good"] * 20 + ["bad"] * 5 + ["good"] * 10 + ["bad"] * 15
    figure = measure_kappa(labels, verdicts)
    assert figure.value == pytest.approx(0.4)
    # Fleiss, Cohen and Everitt's large-sample error is 0.126 here; a bootstrap of 500 draws comes near it.
    assert figure.low == pytest.approx(0.4 - 1.96 * 0.126, abs=0.06) and figure.high == pytest.approx(0.4 + 1.96 * 0.126, abs=0.06)


@pytest.mark.parametrize("size", [1, 9, 10, 30])
def test_a_bootstrap_of_fewer_than_ten_examples_has_no_interval(size: int) -> None:
    good = np.arange(size) % 2 == 0
    scores = np.arange(size, dtype=float)
    labels = ["good" if each else "bad" for each in good]
    for figure in (measure_calibration(expit(scores), good), measure_area(scores, good), measure_kappa(labels, [*labels[1:], "bad"])):
        assert (figure.low is None) == (figure.high is None) == (size < 10)
        assert figure.size == size


def test_kappa_of_one_category_says_nothing() -> None:
    assert measure_kappa(["good"] * 5, ["good"] * 5).value is None


@given(labelled)
def test_kappa_and_confusion_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    labels, verdicts = zip(*pairs, strict=True)
    figure = measure_kappa(labels, verdicts)
    if len({*labels, *verdicts}) > 1:
        assert figure.value == pytest.approx(cohen_kappa_score(labels, verdicts))
    table = count_confusion(labels, verdicts, VERDICTS)
    assert all(table[label][verdict] == pairs.count((label, verdict)) for label in table for verdict in VERDICTS)
    assert table.keys() == {*labels}


@given(labelled, st.randoms(use_true_random=False))
def test_the_order_of_examples_says_nothing(pairs: list[tuple[str, str]], random: object) -> None:
    shuffled = [*pairs]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert measure_kappa(*zip(*pairs, strict=True)) == measure_kappa(*zip(*shuffled, strict=True))


def test_calibration_error_by_hand() -> None:
    """Two levels, a bin each: |0.8 - 0.5| over half of the examples, and |0.2 - 0.25| over the others."""
    probabilities = np.array([0.8] * 4 + [0.2] * 4)
    outcomes = np.array([True, True, False, False, True, False, False, False])
    assert calibration_error(probabilities, outcomes) == pytest.approx(0.5 * 0.3 + 0.5 * 0.05)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=200))
def test_calibration_error_has_the_bins_of_scikit_learn(drawn: list[tuple[float, bool]]) -> None:
    probabilities, outcomes = (np.array(side) for side in zip(*drawn, strict=True))
    true, predicted = calibration_curve(outcomes, probabilities, n_bins=10, strategy="quantile")
    edges = np.quantile(probabilities, np.linspace(0, 1, 11))
    counts = np.unique(np.searchsorted(edges[1:-1], probabilities), return_counts=True)[1]
    assert calibration_error(probabilities, outcomes) == pytest.approx(float(np.average(np.abs(true - predicted), weights=counts)))


def test_scores_that_are_probabilities_are_calibrated_and_others_are_not() -> None:
    generator = np.random.default_rng(1)
    scores = generator.normal(0, 2, 4000)
    outcomes = generator.random(4000) < expit(scores)
    right, bold = measure_calibration(expit(scores), outcomes), measure_calibration(expit(4 * scores), outcomes)
    assert right.value is not None and right.value < 0.03
    assert bold.low is not None and bold.low > 0.1


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40))
def test_area_and_correlation_are_those_of_the_libraries(drawn: list[tuple[int, bool]]) -> None:
    scores, good = (np.array(side, dtype=kind) for side, kind in zip(zip(*drawn, strict=True), (float, bool), strict=True))
    area, correlation = measure_area(scores, good).value, measure_correlation(scores, good.astype(float)).value
    if 0 < good.sum() < len(good):
        assert area == pytest.approx(roc_auc_score(good, scores))
        if len({*scores}) > 1:
            assert correlation == pytest.approx(spearmanr(scores, good).statistic)
    else:
        assert area is None and correlation is None
