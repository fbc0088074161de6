"""Tests of each column, corrected for how many there are; p values inform and never gate: of a million rows every p is small."""

from __future__ import annotations

from collections.abc import Iterator

from factory.validation.columns.shapes import compare_shapes
from factory.validation.columns.table import Columns
from factory.validation.metric import LINE, Row, metric


@metric(
    "fidelity",
    "info",
    "p value of a column's distribution, the smallest",
    "two-sample Kolmogorov-Smirnov test of numbers and dates, Pearson's chi-square test of categories and booleans, missing values "
    "being one; adjusted over columns (Benjamini & Hochberg 1995, JRSS B 57:289)",
    of="columns",
)
def column_p(columns: Columns) -> Iterator[Row]:
    from scipy.stats import false_discovery_control

    shapes = compare_shapes(columns)
    if not shapes:
        yield Row(LINE, None)
        return
    adjusted = false_discovery_control([shape.p for shape in shapes.values()]).tolist()
    yield Row(LINE, min(adjusted), size=columns.synthetic.height)
    for (name, shape), p in zip(shapes.items(), adjusted, strict=True):
        yield Row(name, p, size=shape.size)
