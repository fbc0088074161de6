"""What theory says of recursive fits: the closed forms that the simulations are held against.

`fits` counts the fits from 1, the first being the fit to real data, and may be an array; results have its shape. `size` is the number of
records of one generation, M. Derivations: docs/collapse-study.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Counts = NDArray[np.int64]


def bias_of_deviation(size: int) -> float:
    """c4: E[s]/σ of the standard deviation of `size` normal values with the divisor M − 1."""
    return math.sqrt(2 / (size - 1)) * math.exp(math.lgamma(size / 2) - math.lgamma((size - 1) / 2))


def replaced_mean_error(fits: Counts, size: int) -> Values:
    """E[μ²] of Gaussians with unbiased variance, each fitted to the one before: n/M (Shumailov et al. 2024, Nature 631:755)."""
    return fits / size


def replaced_deviation(fits: Counts, size: int) -> Values:
    """E[σ] of the same: c4ⁿ, which goes to 0 although E[σ²] stays 1."""
    return np.asarray(bias_of_deviation(size) ** fits, dtype=np.float64)


def replaced_distance(fits: Counts, size: int) -> Values:
    """E[W₂²] to N(0, 1) of the same: n/M + 2(1 − c4ⁿ), about 1.5·n/M."""
    return replaced_mean_error(fits, size) + 2 * (1 - replaced_deviation(fits, size))


def replaced_variance(fits: Counts, size: int) -> Values:
    """E[σ²] of maximum-likelihood Gaussians, each fitted to the one before: (1 − 1/M)ⁿ. E[μ²] is what it lacks to 1."""
    return np.asarray((1 - 1 / size) ** fits, dtype=np.float64)


def accumulated_variance(fits: Counts, size: int) -> Values:
    """E[σ²] of maximum-likelihood Gaussians fitted to all records so far: ∏ (1 − 1/(M·k²)). E[μ²] is what it lacks to 1.

    The same product is E[H]/H₀ of accumulated categories. Kazdan et al. 2024 (arXiv 2410.16713) show that it stays above 0.
    """
    steps = np.arange(1, int(np.max(fits)) + 1)
    return np.asarray(np.cumprod(1 - 1 / (size * steps**2.0))[np.asarray(fits) - 1], dtype=np.float64)


def accumulated_variance_limit(size: int) -> float:
    """Where that product goes: sin(x)/x at x = π/√M (Euler)."""
    x = math.pi / math.sqrt(size)
    return math.sin(x) / x


def accumulated_mean_error_bound(size: int) -> float:
    """No number of generations takes the accumulated E[μ²] past π²/(6M)."""
    return math.pi**2 / (6 * size)


def refreshed_mean_error(fits: Counts, size: int, share: float) -> Values:
    """E[μ²] of maximum-likelihood Gaussians where each record is, with probability `share`, new and real: u*·(1 − rⁿ).

    r = (1 − α)²·(1 − 1/M), and u* = 1/(M·(1 − r)) is the fixed point. E[σ²] is what it lacks to 1.
    """
    ratio = (1 - share) ** 2 * (1 - 1 / size)
    return np.asarray((1 - ratio**fits) / (size * (1 - ratio)), dtype=np.float64)


def kept_mean_error(fits: Counts, size: int, share: float) -> Values:
    """The same where the real records are those of the first generation, drawn again with replacement: 1/M + (1 − 1/M)·u of n − 1 fits.

    The first data set is then what is drawn from, with its own error 1/M and its own variance, 1 − 1/M in expectation.
    """
    return 1 / size + (1 - 1 / size) * refreshed_mean_error(fits - 1, size, share)


def replaced_regression(fits: Counts, features: int, rows: int) -> Values:
    """E‖ŵ − w‖² of least squares on `rows` new standard normal rows labelled by the fit before, noise 1: n·d/(T − d − 1).

    Dohmatob et al. 2024 (arXiv 2402.07712). Needs rows > features + 1.
    """
    return fits * features / (rows - features - 1)


def accumulated_regression(fits: Counts, features: int, rows: int) -> Values:
    """The same on all rows so far: Σ d/(k·(k·T − d − 1)), as generation k moves the fit by the k-th part of a fit to k·T rows."""
    steps = np.arange(1, int(np.max(fits)) + 1)
    return np.asarray(np.cumsum(features / (steps * (steps * rows - features - 1)))[np.asarray(fits) - 1], dtype=np.float64)


def accumulated_regression_bound(fits: Counts, features: int, rows: int) -> Values:
    """d/(T − d − 1)·Σ 1/k² (Gerstgrasser et al. 2024, arXiv 2404.01413, theorem 2: equal if every generation has the same features)."""
    steps = np.arange(1, int(np.max(fits)) + 1)
    return np.asarray(features / (rows - features - 1) * np.cumsum(1 / steps**2.0)[np.asarray(fits) - 1], dtype=np.float64)


def refreshed_regression(fits: Counts, features: int, rows: int, real: int) -> Values:
    """The same where `real` of the rows carry real labels: e₁·(1 − cⁿ)/(1 − c), e₁ = d/(T − d − 1).

    c = E[tr(A'A)]/d of A = (S₁ + S₂)⁻¹·S₁, the Wishart matrices of synthetic and real rows: how much of the last error a fit keeps, about
    the square of the synthetic share.
    """
    kept = kept_by_mixed_fit(features, rows - real, real)
    return np.asarray(features / (rows - features - 1) * (1 - kept**fits) / (1 - kept), dtype=np.float64)


def kept_by_mixed_fit(features: int, synthetic: int, real: int) -> float:
    """That c: with B = S^(−½)·S₁·S^(−½), beta distributed and independent of S = S₁ + S₂, E[tr(B·S⁻¹·B·S)]/d.

    E[B·M·B] = (a + b)·M + b·tr(M)·I for symmetric M; a and b follow from the means of zonal polynomials of a matrix beta (Muirhead 1982,
    theorem 7.2.10 and 3.3), and E[tr(S)·tr(S⁻¹)] = d·(T·d − 2)/(T − d − 1) from the scale of a Wishart matrix.
    """
    d, t, n = features, synthetic + real, synthetic
    both = n * (n + 2) / (t * (t + 2)) * (d * d + 2 * d)  # E[(tr B)² + 2·tr B²]
    if d == 1:
        return n * (n + 2) / (t * (t + 2))
    minors = n * (n - 1) / (t * (t - 1)) * (d * d - d)  # E[(tr B)² − tr B²]
    square_of_trace, trace_of_square = (both + 2 * minors) / 3, (both - minors) / 3
    b = (d * trace_of_square - square_of_trace) / (d * (d - 1) * (d + 2))
    a = (square_of_trace - 2 * b * d) / d**2
    return a + b + b * (t * d - 2) / (t - d - 1)


def replaced_diversity(fits: Counts, size: int, first: float) -> Values:
    """E[H] of categories counted in `size` draws from the shares before, H = 1 − Σp² and `first` that of real data: H₀·(1 − 1/M)ⁿ.

    Wright-Fisher drift: Shumailov et al. 2024 for collapse, Kimura 1955 for the form.
    """
    return np.asarray(first * (1 - 1 / size) ** fits, dtype=np.float64)


def accumulated_diversity(fits: Counts, size: int, first: float) -> Values:
    """The same counted in all draws so far: H₀·∏ (1 − 1/(M·k²))."""
    return first * accumulated_variance(fits, size)


def kept_concentration(before: float, size: int, share: float, real: float) -> float:
    """E[Σp²] one generation after `before` where each draw is, with probability `share`, from the real shares, whose Σp² is `real`.

    1/M + (1 − 1/M)·((1 − α)²·S + (1 − (1 − α)²)·S₀), exact because E[p] stays the real shares.
    """
    synthetic = (1 - share) ** 2
    return 1 / size + (1 - 1 / size) * (synthetic * before + (1 - synthetic) * real)


def kept_diversity(fits: Counts, size: int, share: float, first: float) -> Values:
    """E[H] by that recursion from the real shares."""
    concentrations = [1 - first]
    for _ in range(int(np.max(fits))):
        concentrations.append(kept_concentration(concentrations[-1], size, share, 1 - first))
    return 1 - np.array(concentrations)[np.asarray(fits)]


def kept_diversity_limit(size: int, share: float, first: float) -> float:
    """The fixed point of that recursion, as H."""
    synthetic = (1 - share) ** 2
    real = 1 - first
    return 1 - (1 / size + (1 - 1 / size) * (1 - synthetic) * real) / (1 - (1 - 1 / size) * synthetic)
