"""Whether one can tell by the synthetic rows who was among the rows they were made from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from factory.validation.columns.closeness import draw_rows, take_samples
from factory.validation.columns.kept import computed_once
from factory.validation.columns.neighbours import Array, find_nearest
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z, wilson
from factory.validation.metric import LINE, Row, metric
from factory.validation.privacy.column_excess import count_above, find_threshold
from factory.validation.roc import area_under_roc
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
    "DeLong et al. 1988; where scores tie at least the error of an area of ½ (Hanley & McNeil 1982)",
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
    (low, high), (fewest, most) = wilson(found * len(members), len(members)), wilson(FALSE_ALARMS * len(others), len(others))
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
