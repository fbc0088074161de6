"""Whether one can tell by the synthetic rows who was among the rows they were made from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from factory.validation.columns.closeness import draw_rows, take_samples
from factory.validation.columns.kept import computed_once
from factory.validation.columns.neighbours import Array, find_nearest
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z
from factory.validation.metric import LINE, Row, metric
from factory.validation.privacy.column_excess import count_above, find_threshold, wilson_share
from factory.validation_spec import Gate

ATTACK = "an attacker who calls a person the surer a member the nearer a synthetic row is, by Gower's distance"
FALSE_ALARMS = 0.01
"""Share of non-members that may be called members (Carlini et al. 2022, who report it rather than a mean over all people)."""
BENCH = "above what clean splits of UCI Adult reach at 2,000 rows, below a fifth of copies: docs/validation-metrics.md"


@metric(
    "privacy",
    "max",
    f"area under the ROC curve of {ATTACK}; 0.5 is a guess",
    "2,000 rows of the training against 2,000 of the holdout",
    "DeLong et al. 1988",
    of="columns",
    gate=Gate(max=0.55),
    because=BENCH,
)
def membership_auc(columns: Columns) -> Iterator[Row]:
    scores = measure_scores(columns)
    if scores is None:
        yield Row(LINE, None)
        return
    area, error = area_under_roc(*scores)
    yield Row(LINE, area, max(0.0, area - Z * error), min(1.0, area + Z * error), len(scores[0]))


@metric(
    "privacy",
    "max",
    f"share of members found at 1 % of false alarms by {ATTACK}; 0.01 is a guess",
    "true positive rate at 1 % of false positives, ties in proportion (Carlini et al. 2022, arXiv:2112.03570)",
    "Wilson scores of both rates, squared and added (Newcombe 1998)",
    of="columns",
    gate=Gate(max=0.035),
    because=BENCH,
)
def membership_at_one_percent(columns: Columns) -> Iterator[Row]:
    scores = measure_scores(columns)
    if scores is None:
        yield Row(LINE, None)
        return
    members, others = scores
    threshold, of_tied = find_threshold(others, FALSE_ALARMS)
    found = float(count_above(members, threshold, of_tied).mean())
    (low, high), (fewest, most) = wilson_share(found, len(members)), wilson_share(FALSE_ALARMS, len(others))
    below, above = np.hypot(found - low, most - FALSE_ALARMS), np.hypot(high - found, FALSE_ALARMS - fewest)
    yield Row(LINE, found, max(0.0, found - float(below)), min(1.0, found + float(above)), len(members))


@computed_once
def measure_scores(columns: Columns) -> tuple[Array, Array] | None:
    """Scores of members and of others: less 0 the farther from the nearest synthetic row; None without all three sides."""
    samples = take_samples(columns)
    if samples is None:
        return None
    members, others = (-find_nearest(draw_rows(side), samples.synthetic)[0][:, 0] for side in (samples.train, samples.holdout))
    return members, others


def area_under_roc(members: Array, others: Array) -> tuple[float, float]:
    """The area and its standard error by DeLong et al. 1988 (Biometrics 44:837), by midranks as Sun & Xu 2014; ties count half.

    The error of a perfect or a tied score is 0 there; it is at the least that of Hanley & McNeil 1982 (Radiology 143:29)
    for an area of one member more on the wrong side.
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
    return area, max(error, 1.0 / (2 * min(size, count)))
