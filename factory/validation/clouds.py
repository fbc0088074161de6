"""How two clouds of vectors lie to each other: precision and recall, density and coverage, Fréchet distance, MAUVE, Vendi score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.validation.intervals import seeded

Vectors = NDArray[np.float64]

NEIGHBOURS = 5
"""k of the neighbourhoods, as Naeem et al. choose."""

SCALING = 5.0
"""c of MAUVE's divergence curve (Pillutla et al. 2021, section 3)."""

CURVE_POINTS = 25


@dataclass(frozen=True)
class Overlap:
    """Shares in 0 to 1; density may exceed 1. 1 is as near as two samples of one population."""

    precision: float
    recall: float
    density: float
    coverage: float


def measure_overlap(real: Vectors, synthetic: Vectors, k: int = NEIGHBOURS) -> Overlap | None:
    """Precision and recall (Kynkäänniemi et al. 2019, arXiv:1904.06991), density and coverage (Naeem et al. 2020, arXiv:2002.09797).

    (n, d) and (m, d) vectors; None where a side has no k other vectors.
    """
    if min(len(real), len(synthetic)) <= k:
        return None
    across = _distances(real, synthetic)
    radii_real, radii_synthetic = (np.sort(_distances(side, side), axis=1)[:, k] for side in (real, synthetic))
    in_real, in_synthetic = across <= radii_real[:, None] + 1e-12, across <= radii_synthetic[None, :] + 1e-12
    return Overlap(
        precision=float(in_real.any(axis=0).mean()),
        recall=float(in_synthetic.any(axis=1).mean()),
        density=float(in_real.sum(axis=0).mean() / k),
        coverage=float(in_real.any(axis=1).mean()),
    )


def measure_frechet(first: Vectors, second: Vectors) -> float | None:
    """|m1 − m2|² + tr(C1 + C2 − 2·(C1·C2)^½), the squared 2-Wasserstein distance of two normals (Heusel et al. 2017, arXiv:1706.08500).

    None where a side has fewer than two vectors.
    """
    if min(len(first), len(second)) < 2:
        return None
    means = [side.mean(axis=0) for side in (first, second)]
    covariances = [np.atleast_2d(np.cov(side, rowvar=False)) for side in (first, second)]
    # The trace of the root is the sum of the roots of the eigenvalues of C1^½·C2·C1^½, which is symmetric.
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0.0)).sum()
    distance = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared
    return float(max(0.0, distance))


def measure_mauve(first: Vectors, second: Vectors) -> float | None:
    """MAUVE (Pillutla et al. 2021, arXiv:2102.01454), 0 to 1, high is alike: the area under the curve of exp(−c·KL) of both sides to
    their mixtures, over k-means cells of both sides, a tenth as many as the vectors of a side; None with fewer than 20 vectors a side."""
    size = min(len(first), len(second))
    if size < 20:
        return None
    from sklearn.cluster import KMeans

    both = np.concatenate([first, second])
    distinct = len(np.unique(np.round(both, 9), axis=0))
    cells = KMeans(min(max(2, size // 10), distinct), n_init=3, random_state=0).fit_predict(both)
    counts = [np.bincount(side, minlength=cells.max() + 1) + 0.5 for side in (cells[: len(first)], cells[len(first) :])]
    return area_of_divergences(*(count / count.sum() for count in counts))


def area_of_divergences(first: Vectors, second: Vectors) -> float:
    """The area under MAUVE's divergence curve of two distributions over the same cells: 1 alike, toward 0 apart."""
    weights = np.linspace(1e-6, 1 - 1e-6, CURVE_POINTS)[:, None]
    mixtures = weights * first + (1 - weights) * second
    points = [np.exp(-SCALING * _divergence(side, mixtures)) for side in (second, first)]
    curve = np.concatenate([[[0.0, 1.0]], np.array(points).T[::-1], [[1.0, 0.0]]])
    curve = curve[np.lexsort((-curve[:, 1], curve[:, 0]))]
    return float(np.trapezoid(curve[:, 1], curve[:, 0]))


def count_effective(vectors: Vectors) -> float:
    """The Vendi score: how many quite different vectors are worth as much variety, 1 to n (Friedman & Dieng 2023, arXiv:2210.02410).

    exp of the Shannon entropy of the eigenvalues of the matrix of cosines over n; (n, d) vectors of length 1.
    """
    matrix = vectors @ vectors.T / len(vectors) if len(vectors) <= vectors.shape[1] else vectors.T @ vectors / len(vectors)
    values = np.linalg.eigvalsh(matrix)
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def draw_half(name: str, size: int) -> NDArray[np.int64]:
    """Half of `size` places without replacement, by a generator of its own name."""
    return seeded(name).choice(size, max(1, -(-size // 2)), replace=False)


def _distances(first: Vectors, second: Vectors) -> Vectors:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :] - 2 * first @ second.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _divergence(shares: Vectors, mixtures: Vectors) -> Vectors:
    """KL(shares | mixture) for each mixture; (points, cells) → (points,)."""
    return np.asarray((shares * np.log(shares / mixtures)).sum(axis=1))
