"""Whether a model trained on synthetic rows does as well on real ones as a model trained on real rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from factory.validation.columns.downstream import PAIRED, serve
from factory.validation.columns.table import Columns
from factory.validation.intervals import normal_interval
from factory.validation.metric import LINE, Row, metric


@metric(
    "fidelity",
    "info",
    "accuracy on unseen real rows of a model of the synthetic rows over that of a model of as many real rows",
    "train on synthetic, test on real (Esteban et al. 2017, arXiv:1706.02633), by histogram gradient boosting",
    PAIRED,
    of="columns",
)
def column_utility(columns: Columns) -> Iterator[Row]:
    served = serve(columns)
    if served is None or not served.right["real"].any():
        yield Row(LINE, None)
        return
    draws = served.draws()
    real, synthetic = (served.right[side] for side in ("real", "synthetic"))
    ratios = synthetic[draws].mean(axis=1) / np.maximum(real[draws].mean(axis=1), 1e-9)
    value = float(synthetic.mean() / real.mean())
    yield Row(LINE, value, *normal_interval(value, ratios), served.size)
