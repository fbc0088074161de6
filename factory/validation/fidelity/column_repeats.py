"""Whether one row is made over and over."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from factory.validation.columns.effects import difference_limits
from factory.validation.columns.marginals import has_rows
from factory.validation.columns.sample import hash_rows
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Gate


@metric(
    "fidelity",
    "max",
    "greatest excess of a row's share of the synthetic rows over its share of the real rows",
    "difference of shares, 0 where none is more frequent",
    "Newcombe's (1998) of a difference",
    of="columns",
    gate=Gate(max=0.05),
    because="a twentieth of the rows says one thing",
)
def repeated_row(columns: Columns) -> Iterator[Row]:
    if not has_rows(columns):
        yield Row(LINE, None)
        return
    # A row is told by a 64-bit hash: among 10 million rows two differ and hash alike with a chance of 3 in a million.
    counts = [
        hash_rows(frame).rename("row").value_counts(name=side) for side, frame in (("real", columns.real), ("synthetic", columns.synthetic))
    ]
    both = counts[1].join(counts[0], on="row", how="left").fill_null(0).sort("synthetic", "row", descending=True)
    made, there = (both[side].to_numpy().astype(np.int64) for side in ("synthetic", "real"))
    size, real = columns.synthetic.height, columns.real.height
    worst = int(np.argmax(made * real - there * size))
    low, high = difference_limits(made[worst], size, there[worst], real, Z)
    value = max(0.0, float(made[worst] / size - there[worst] / real))
    yield Row(LINE, value, min(max(0.0, float(low)), value), max(0.0, float(high)), size)
