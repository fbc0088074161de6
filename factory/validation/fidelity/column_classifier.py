"""Whether a classifier tells synthetic rows from real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.sample import SAMPLED, sample_rows
from factory.validation.columns.table import Columns
from factory.validation.columns.tree_features import encode_for_trees
from factory.validation.intervals import Z
from factory.validation.metric import LINE, Row, metric
from factory.validation.roc import area_variance
from factory.validation_spec import Gate

FOLDS = 2
FEWEST = 10
"""Rows that a side needs: below, neither a fold can be learned from nor an area measured."""


@metric(
    "fidelity",
    "max",
    "how well a classifier tells synthetic rows from real ones: ½ not at all, 1 every row",
    f"classifier two-sample test (Lopez-Paz & Oquab 2017, arXiv:1610.06545): area under the ROC curve of gradient-boosted trees on "
    f"rows that they were not fitted to, {FOLDS} folds, at most {SAMPLED:,} seeded rows a side",
    "Hanley & McNeil's (1982), of the mean over folds",
    of="columns",
    gate=Gate(max=0.8),
    because="two normals 1.2 standard deviations apart, Φ(1.2/√2) = 0.80: a large effect (Cohen 1988) and a half",
)
def column_classifier(columns: Columns) -> Iterator[Row]:
    if min(columns.real.height, columns.synthetic.height) < FEWEST or not columns.kinds:
        yield Row(LINE, None)
        return
    real, synthetic = (sample_rows(frame, f"classifier:{side}") for side, frame in (("r", columns.real), ("s", columns.synthetic)))
    both = pl.concat([real, synthetic])
    (features,), nominal = encode_for_trees(columns.kinds, both, both)
    areas = _measure_areas(features, nominal, np.repeat([False, True], [real.height, synthetic.height]))
    area = float(np.mean(areas))
    # Each fold measures a part of the rows; the mean over folds has the variance of one of them over their number.
    error = float(np.sqrt(area_variance(area, real.height // FOLDS, synthetic.height // FOLDS) / FOLDS))
    yield Row(LINE, area, max(0.0, area - Z * error), min(1.0, area + Z * error), synthetic.height)


def _measure_areas(values: NDArray[Any], nominal: list[bool], synthetic: NDArray[np.bool_]) -> list[float]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits

    # The rows of both sides come in a drawn order, so that every other one is a random half.
    fold = np.concatenate([np.arange(side) % FOLDS for side in (int((~synthetic).sum()), int(synthetic.sum()))])
    areas = []
    # Threads that wait for one another at every node cost more than they give with so few rows, and minutes on a busy machine.
    with threadpool_limits(1, user_api="openmp"):
        for held in range(FOLDS):
            fitted, judged = fold != held, fold == held
            model = HistGradientBoostingClassifier(categorical_features=nominal, early_stopping=False, random_state=0)
            model.fit(values[fitted], synthetic[fitted])
            areas.append(float(roc_auc_score(synthetic[judged], model.predict_proba(values[judged])[:, 1])))
    return areas
