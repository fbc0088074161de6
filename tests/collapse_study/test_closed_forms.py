"""The closed forms: against simulation, against each other, and in the properties that the papers prove of them."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.collapse_study import categories, closed_forms, gaussians, regression
from factory.collapse_study.figures import compare, judge

SIZES = st.integers(2, 10_000)
SHARES = st.floats(0.01, 1.0)
FIRST_DIVERSITIES = st.floats(0.05, 0.99)

SMALL = {
    "gaussians": lambda seed: gaussians.simulate(gaussians.Gaussians(size=20, generations=12, replicates=6_000), seed),
    "regression": lambda seed: regression.simulate(regression.Regression(features=5, rows=20, generations=6, replicates=6_000), seed),
    "categories": lambda seed: categories.simulate(categories.Categories(categories=30, size=50, generations=12, replicates=6_000), seed),
}
TINY = {
    "gaussians": lambda seed: gaussians.simulate(gaussians.Gaussians(generations=2, replicates=20), seed),
    "regression": lambda seed: regression.simulate(regression.Regression(generations=2, replicates=20), seed),
    "categories": lambda seed: categories.simulate(categories.Categories(generations=2, replicates=20), seed),
}
SERIES = {"gaussians": 13, "regression": 4, "categories": 3}


@pytest.mark.parametrize("experiment", SMALL)
def test_simulations_agree_with_every_closed_form(experiment):
    verdicts = judge(SMALL[experiment](5))
    assert len(verdicts) == SERIES[experiment]
    for verdict in verdicts:
        assert verdict.agrees, verdict
        if verdict.relation == "equals":
            # Narrow enough that agreement says something.
            assert verdict.high - verdict.low < 0.12 * abs(verdict.expected), verdict
            assert abs(verdict.value / verdict.expected - 1) < 0.06, verdict


@pytest.mark.parametrize("experiment", SMALL)
def test_the_same_seed_gives_the_same_figures_and_another_does_not(experiment):
    first, again, other = (TINY[experiment](seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_a_wrong_closed_form_is_found_out():
    """The maximum-likelihood law held against the unbiased estimate, a fit too few, and a bound that is passed."""
    rng = np.random.default_rng(0)
    chains = np.cumsum(rng.standard_normal((10, 5_000)) / 10, axis=0) ** 2
    right = compare("walk", "replace", "mean_error", chains, np.arange(1, 11) / 100)
    late = compare("late", "replace", "mean_error", chains, np.arange(10) / 100)
    shrunk = compare("shrunk", "replace", "mean_error", chains, 1 - 0.97 ** np.arange(1, 11))
    passed = compare("passed", "replace", "mean_error", chains, np.full(10, 0.08), "at_most")
    under = compare("under", "replace", "mean_error", chains, np.full(10, 0.12), "at_most")
    agrees = {verdict.experiment: verdict.agrees for verdict in judge(pl.concat([right, late, shrunk, passed, under]))}
    assert agrees == {"walk": True, "late": False, "shrunk": False, "passed": False, "under": True}


@given(SIZES, st.integers(1, 500))
def test_accumulated_mean_error_never_passes_its_bound_and_nears_its_limit(size, fits):
    error = 1 - closed_forms.accumulated_variance(np.array([1, fits]), size)
    assert 0 < error[0] <= error[1] <= closed_forms.accumulated_mean_error_bound(size) * (1 + 1e-9)
    far = closed_forms.accumulated_variance(np.array([20_000]), size)[0]
    assert far == pytest.approx(closed_forms.accumulated_variance_limit(size), abs=1e-4)


@given(SIZES, st.integers(1, 1_000))
def test_replaced_mean_error_grows_by_the_same_with_every_generation(size, fits):
    errors = closed_forms.replaced_mean_error(np.arange(1, fits + 2), size)
    assert np.diff(errors) == pytest.approx(1 / size)


@given(st.integers(50, 10_000))
def test_replaced_distance_is_about_one_and_a_half_n_over_m(size):
    fits = np.array([1, 2, 3])
    assert closed_forms.replaced_distance(fits, size) == pytest.approx(1.5 * fits / size, rel=0.05)


@given(SIZES)
def test_bias_of_deviation_is_that_of_a_chi_distribution(size):
    from scipy.stats import chi

    assert closed_forms.bias_of_deviation(size) == pytest.approx(chi(size - 1).mean() / math.sqrt(size - 1), rel=1e-6)


@given(SIZES, SHARES, st.integers(1, 300))
def test_new_real_data_keep_the_mean_error_below_a_fixed_point(size, share, fits):
    errors = closed_forms.refreshed_mean_error(np.array([1, fits, fits + 1]), size, share)
    assert errors[0] == pytest.approx(1 / size)
    # The recursion that the closed form solves: real mean 0, second moment 1.
    assert errors[2] == pytest.approx((1 - share) ** 2 * (1 - 1 / size) * errors[1] + 1 / size)
    assert errors[2] <= 1 / (size * (1 - (1 - share) ** 2)) * (1 + 1e-9)


@given(SIZES, st.integers(1, 300))
def test_a_real_share_of_none_is_replacing_and_of_all_is_the_first_fit(size, fits):
    at = np.array([fits])
    assert closed_forms.refreshed_mean_error(at, size, 0.0) == pytest.approx(1 - closed_forms.replaced_variance(at, size))
    assert closed_forms.refreshed_mean_error(at, size, 1.0) == pytest.approx(1 / size)
    assert closed_forms.kept_mean_error(at, size, 0.0) == pytest.approx(1 - closed_forms.replaced_variance(at, size))


@given(SIZES, SHARES, FIRST_DIVERSITIES)
def test_a_kept_share_leads_categories_to_a_fixed_point_above_collapse(size, share, first):
    limit = closed_forms.kept_diversity_limit(size, share, first)
    again = 1 - closed_forms.kept_concentration(1 - limit, size, share, 1 - first)
    assert again == pytest.approx(limit)
    assert 0 < limit < first
    far = closed_forms.kept_diversity(np.array([3_000]), size, share, first)[0]
    assert far == pytest.approx(limit, rel=1e-6)
    assert closed_forms.replaced_diversity(np.array([20 * size]), size, first)[0] < 1e-8 < limit


@given(st.integers(1, 20), st.integers(2, 60), st.integers(1, 10))
def test_accumulated_regression_stays_below_the_bound_of_gerstgrasser(features, spare, fits):
    rows, at = features + 1 + spare, np.array([1, fits])
    exact, bound = (form(at, features, rows) for form in (closed_forms.accumulated_regression, closed_forms.accumulated_regression_bound))
    assert exact[0] == pytest.approx(bound[0])
    assert exact[1] <= bound[1] * (1 + 1e-12) <= features / (rows - features - 1) * math.pi**2 / 6
    assert exact[1] <= closed_forms.replaced_regression(at, features, rows)[1] * (1 + 1e-12)


@given(st.integers(1, 12), st.integers(2, 80), st.floats(0.0, 1.0))
def test_a_mixed_fit_keeps_at_least_the_square_of_the_synthetic_share(features, spare, share):
    rows = features + 1 + spare
    real = round(share * rows)
    kept = closed_forms.kept_by_mixed_fit(features, rows - real, real)
    # E[A] is the synthetic share times the identity, and no second moment is below the square of a mean (Jensen).
    assert kept >= (1 - real / rows) ** 2 - 1e-9
    assert closed_forms.kept_by_mixed_fit(features, 1_000 * (rows - real), 1_000 * real) == pytest.approx((1 - real / rows) ** 2, abs=0.01)
    assert closed_forms.kept_by_mixed_fit(features, rows, 0) == pytest.approx(1)
    assert closed_forms.kept_by_mixed_fit(features, 0, rows) == pytest.approx(0, abs=1e-9)
