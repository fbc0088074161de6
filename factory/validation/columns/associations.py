"""Coefficients of association of two columns, each with a standard error or limits of its own.

A constant column is associated with nothing: every coefficient of it is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.validation.columns.effects import size_of_difference
from factory.validation.columns.marginals import Counts

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Association:
    """A coefficient within `lowest` and `highest`; `squared` says that `error` is of its square, which is nearer to a normal."""

    value: float
    error: float
    lowest: float = 0.0
    highest: float = 1.0
    squared: bool = False

    def limits(self, z: float) -> tuple[float, float]:
        """The interval at a critical value of the normal."""
        if not np.isfinite(self.error):
            return self.lowest, self.highest
        if self.squared:
            middle = self.value**2
            low, high = np.sqrt(max(middle - z * self.error, 0.0)), np.sqrt(max(middle + z * self.error, 0.0))
        elif self.lowest < 0:
            # Fisher's transformation keeps the limits of a correlation within -1 and 1.
            middle = np.arctanh(np.clip(self.value, -1 + 1e-12, 1 - 1e-12))
            low, high = np.tanh(middle - z * self.error), np.tanh(middle + z * self.error)
        else:
            low, high = self.value - z * self.error, self.value + z * self.error
        return max(self.lowest, min(float(low), self.value)), min(self.highest, max(float(high), self.value))


def difference(real: Association, synthetic: Association, z: float) -> tuple[float, float]:
    """Limits of |c' - c| of two independent coefficients from the limits of each (Zou 2007, Psychol. Methods 12:399)."""
    (low, high), (low_too, high_too) = real.limits(z), synthetic.limits(z)
    apart = synthetic.value - real.value
    return size_of_difference(
        apart - float(np.hypot(synthetic.value - low_too, high - real.value)),
        apart + float(np.hypot(high_too - synthetic.value, real.value - low)),
    )


def correlate(values: Matrix, present: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
    """Pearson's r of every pair of columns over the rows where both are present: (columns, columns), and the numbers of rows.

    `values` (rows, columns) is of any units and 0 where missing.
    """
    mask = present.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(mask.sum(axis=0) > 0, values.sum(axis=0) / mask.sum(axis=0), 0.0)
        centred = (values - means) * mask
        scale = np.sqrt((centred**2).sum(axis=0))
        centred = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 1e-12)
        both = mask.T @ mask
        sums, squares, products = centred.T @ mask, (centred**2).T @ mask, centred.T @ centred
        covariance = products - sums * sums.T / both
        variance = squares - sums**2 / both
        r = covariance / np.sqrt(variance * variance.T)
    enough = (variance > 1e-12) & (variance.T > 1e-12)
    return np.clip(np.where(enough, r, 0.0), -1.0, 1.0), both


def pearson(r: float, rows: float) -> Association:
    """r with the error of Fisher's z, 1/√(n - 3)."""
    return Association(r, float(1 / np.sqrt(rows - 3)) if rows > 3 else np.inf, lowest=-1.0)


def spearman(r: float, rows: float) -> Association:
    """Spearman's ρ with the error of its Fisher's z, √((1 + ρ²/2)/(n - 3)) (Bonett & Wright 2000, Psychometrika 65:23)."""
    return Association(r, float(np.sqrt((1 + r * r / 2) / (rows - 3))) if rows > 3 else np.inf, lowest=-1.0)


def cramers_v(table: Counts) -> Association:
    """Cramér's V, corrected for bias (Bergsma 2013, J. Korean Stat. Soc. 42:323).

    Its square's error is that of φ² by the delta method, with the variance 2·df/n² that φ² has where nothing is associated.
    """
    table = _occupied(table)
    n = float(table.sum())
    rows, cells = table.shape
    if min(rows, cells) < 2 or n < 2:
        return Association(0.0, 0.0 if n >= 2 else np.inf, squared=True)
    shares = table / n
    row, column = shares.sum(axis=1, keepdims=True), shares.sum(axis=0, keepdims=True)
    phi = float((shares**2 / (row * column)).sum() - 1)
    free = (rows - 1) * (cells - 1)
    corrected = max(0.0, phi - free / (n - 1))
    effective = min(rows - (rows - 1) ** 2 / (n - 1), cells - (cells - 1) ** 2 / (n - 1)) - 1
    if effective <= 1e-9:
        return Association(0.0, np.inf, squared=True)
    influence = (
        2 * shares / (row * column)
        - (shares**2 / (row**2 * column)).sum(axis=1, keepdims=True)
        - (shares**2 / (row * column**2)).sum(axis=0, keepdims=True)
    )
    variance = float((shares * influence**2).sum() - (shares * influence).sum() ** 2) / n + 2 * free / n**2
    return Association(min(1.0, float(np.sqrt(corrected / effective))), float(np.sqrt(max(variance, 0.0))) / effective, squared=True)


def informational(table: Counts) -> Association:
    """√(1 - exp(-2·MI)), the informational coefficient of correlation (Linfoot 1957, Inf. Control 1:85): |ρ| of two normals.

    Mutual information in nats, corrected for bias by -df/2n (Miller 1955); the error is that of the mean of log ratios,
    with the variance df/2n² that it has where nothing is associated.
    """
    table = _occupied(table)
    n = float(table.sum())
    if n < 2:
        return Association(0.0, np.inf, squared=True)
    shares = table / n
    expected = shares.sum(axis=1, keepdims=True) * shares.sum(axis=0, keepdims=True)
    ratios = np.log(np.where(shares > 0, shares, 1.0) / np.where(shares > 0, expected, 1.0))
    free = (table.shape[0] - 1) * (table.shape[1] - 1)
    plain = float((shares * ratios).sum())
    information = max(0.0, plain - free / (2 * n))
    variance = max(float((shares * ratios**2).sum()) - plain**2, 0.0) / n + free / (2 * n * n)
    square = 1 - np.exp(-2 * information)
    return Association(float(np.sqrt(square)), float(2 * np.exp(-2 * information) * np.sqrt(variance)), squared=True)


def correlation_ratio(powers: Matrix) -> Association:
    """η, the root of the share of a number's variance that lies between categories (Fisher 1925).

    `powers` (5, categories): of each category the number of rows, and the sums of the first four powers of the number less
    its mean over all. The error of η² is that of the mean of its influence function (Hampel 1974, JASA 69:383),
    (2·m·y - m² - η²·y²)/T for y in a category of mean m, with the variance 2·df/n² that η² has without association.
    """
    powers = powers[:, powers[0] > 0]
    n = float(powers[0].sum())
    total = float(powers[2].sum())
    if n < 2 or total <= 0:
        return Association(0.0, 0.0 if n >= 2 else np.inf, squared=True)
    means = powers[1] / powers[0]
    square = min(float(powers[0] @ means**2) / total, 1.0)
    # The influence is a + b·y + c·y² in each category; its square is summed from the powers.
    a, b, c = -(means**2), 2 * means, -square
    summed = a**2 * powers[0] + 2 * a * b * powers[1] + (b**2 + 2 * a * c) * powers[2] + 2 * b * c * powers[3] + c**2 * powers[4]
    variance = max(float(summed.sum()), 0.0) / total**2 + 2 * (means.size - 1) / n**2
    return Association(float(np.sqrt(square)), float(np.sqrt(variance)), squared=True)


def _occupied(table: Counts) -> Counts:
    return np.asarray(table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0])
