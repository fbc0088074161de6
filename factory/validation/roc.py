"""The area under the ROC curve, and how far it may be off by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def area_under_roc(members: Array, others: Array) -> tuple[float, float]:
    """The area and its standard error by DeLong et al. 1988 (Biometrics 44:837), by midranks as Sun & Xu 2014; ties count half.

    The error of a perfect score is 0 there; it is at the least that of one member more on the wrong side. Where members tie with
    others it is at the least that of an area of ½: a score that hardly tells two cases apart has hardly any error there, however
    few they are.
    """
    from scipy.stats import rankdata

    size, count = len(members), len(others)
    ranks = rankdata(np.concatenate([members, others]))
    of_members = (ranks[:size] - rankdata(members)) / count
    of_others = 1.0 - (ranks[size:] - rankdata(others)) / size
    area = float(of_members.mean())
    if min(size, count) < 2:
        return area, 1.0
    error = float(np.sqrt(of_members.var(ddof=1) / size + of_others.var(ddof=1) / count))
    least = np.sqrt(area_variance(0.5, count, size)) if np.isin(members, others).any() else 1.0 / (2 * min(size, count))
    return area, max(error, float(least))


def area_variance(area: float, negatives: int, positives: int) -> float:
    """The variance of an area under the ROC curve (Hanley & McNeil 1982, Radiology 143:29)."""
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (first - area**2) + (negatives - 1) * (second - area**2)
    return max(spread, 0.0) / (negatives * positives)
