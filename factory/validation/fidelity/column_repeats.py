"""Whether one row is made over and over."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.columns.effects import difference_limits
from factory.validation.columns.marginals import has_rows
from factory.validation.columns.table import Columns
from factory.validation.intervals import Z
from factory.validation.metric import LINE, Row, metric
from factory.validation_spec import Gate


@metric(
    "fidelity",
    "max",
    "share of the most frequent synthetic row, over its share of the real rows",
    "difference of shares, 0 where it is as frequent there",
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
    real, synthetic = (frame.hash_rows(seed=0).rename("row") for frame in (columns.real, columns.synthetic))
    most = synthetic.value_counts().sort("count", "row", descending=True).row(0, named=True)
    hits, size = int((real == most["row"]).sum()), columns.synthetic.height
    low, high = difference_limits(most["count"], size, hits, real.len(), Z)
    value = max(0.0, most["count"] / size - hits / real.len())
    yield Row(LINE, value, min(max(0.0, float(low)), value), max(0.0, float(high)), size)
