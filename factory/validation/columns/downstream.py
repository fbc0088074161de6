"""A model trained on a table: how well, and how equally by declared group, it serves real rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.columns.cells import label_groups
from factory.validation.columns.kept import computed_once
from factory.validation.columns.sample import sample_rows
from factory.validation.columns.table import Columns
from factory.validation.columns.tree_features import encode_for_trees
from factory.validation.intervals import RESAMPLES, seeded

MOST_ROWS = 20_000
"""Rows that a model is trained on, and rows that it is tried on."""

MOST_CLASSES = 20
LEAST_GROUP = 30
"""Rows of a group among those tried, below which its rates say too little to be compared."""
LEAST_CASES = 10
"""The same, of the rows with one true answer."""

PAIRED = "normal, standard error of 200 paired bootstrap draws of the holdout's rows"


@dataclass(frozen=True)
class Served:
    """How two models of the same kind, one of synthetic and one of real rows, answer the same unseen real rows.

    Arrays are over rows: `right` and `chosen` (whether the model answered with the target's rarer class) of each side,
    and `positive`, whether that is the truth; `binary` says whether there are two classes. `groups` are labels by name.
    """

    binary: bool
    positive: NDArray[np.bool_]
    right: Mapping[str, NDArray[np.bool_]]
    chosen: Mapping[str, NDArray[np.bool_]]
    groups: Mapping[str, NDArray[Any]]

    @property
    def size(self) -> int:
        return int(self.positive.size)

    def draws(self) -> NDArray[np.int64]:
        """(RESAMPLES, rows) bootstrap draws of rows, the same for both models: their difference is paired."""
        return seeded("fairness:downstream").integers(self.size, size=(RESAMPLES, self.size))


@computed_once
def serve(columns: Columns) -> Served | None:
    """Trains histogram gradient boosting on synthetic and on as many real rows, and tries both on the holdout.

    None where there is nothing to learn or to try: no target, no other column, no holdout, or a target that is no category of 2 to 20
    classes, each side having at least two of them.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    kinds, target = columns.kinds, columns.target
    known = {name: kind for name, kind in kinds.items() if name != target}
    if target is None or kinds[target] not in ("category", "boolean") or not known:
        return None
    size = min(columns.real.height, columns.synthetic.height, MOST_ROWS)
    sides = {
        side: sample_rows(frame.drop_nulls(target), f"fairness:downstream:{side}", most)
        for side, frame, most in (
            ("real", columns.real, size),
            ("synthetic", columns.synthetic, size),
            ("holdout", columns.holdout, MOST_ROWS),
        )
    }
    classes = sides["real"][target].cast(pl.String).value_counts().sort("count", target)
    if not 2 <= classes.height <= MOST_CLASSES or sides["synthetic"][target].n_unique() < 2 or sides["holdout"].is_empty():
        return None
    rarer = classes[target][0]
    matrices, nominal = encode_for_trees(known, sides["real"], *sides.values())
    features = dict(zip(sides, matrices, strict=True))
    truth = sides["holdout"][target].cast(pl.String).to_numpy()
    answers = {}
    for name in ("real", "synthetic"):
        model = HistGradientBoostingClassifier(max_iter=60, categorical_features=nominal, random_state=0)
        model.fit(features[name], sides[name][target].cast(pl.String).to_numpy())
        answers[name] = model.predict(features["holdout"])
    labels = label_groups(sides["holdout"], columns.real, kinds, columns.groups)
    return Served(
        binary=classes.height == 2,
        positive=truth == rarer,
        right={name: answer == truth for name, answer in answers.items()},
        chosen={name: answer == rarer for name, answer in answers.items()},
        groups={name: labels[name].to_numpy() for name in columns.groups},
    )
