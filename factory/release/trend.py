"""How the measures of a line have moved over its releases: the values, their table, their plot, and the page beside the releases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from factory.release.drawing import PALETTE, Form, render
from factory.release.history import list_history, read_measures
from factory.release.rendering import embed_svg, make_environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TREND_FILE = "trend.html"
LAST = 10
"""Releases that are shown, the newest ones."""

DRAWN = {
    "fidelity.records": "records",
    "collapse.depth": "greatest depth",
    "collapse.real_share": "share of real words",
    "collapse.distinct_pairs": "distinct pairs against seeds",
    "collapse.vendi": "Vendi score against seeds",
    "collapse.entropy": "entropy against seeds",
    "collapse.perplexity_drift": "perplexity drift",
}
"""Measures that are drawn, and what they are called there; the table has all gates."""
ACROSS, WIDTH, HEIGHT = 3, 7.8, 1.75


@dataclass(frozen=True)
class Point:
    """One release of a line, or what is measured for the next. `step` counts from 1; `values` go by `<report>.<metric>`."""

    step: int
    version: str
    published: str  # day, or empty where it is not known
    values: dict[str, float | None]


def read_trend(root: Path, line: str, last: int | None = LAST) -> list[Point]:
    """The newest releases of the line under `root`, the oldest first; all of them without `last`."""
    entries = list_history(root, line)
    return [
        Point(
            entry.step,
            entry.version,
            entry.published.date().isoformat() if entry.published else "",
            read_measures(root / line / entry.version) | entry.against_previous,
        )
        for entry in (entries if last is None else entries[-last:])
    ]


def add_present(points: Sequence[Point], values: Mapping[str, float | None], name: str = "now") -> list[Point]:
    """The trend with what was measured and is not released (yet) as its last point; as it is where the newest release measured the same."""
    measured = dict(values)
    if points and all(points[-1].values.get(key) == value for key, value in measured.items()):
        return list(points)
    return [*points, Point(points[-1].step + 1 if points else 1, name, "", measured)][-LAST:]


def plot_trend(points: Sequence[Point], form: Form = "png") -> bytes:
    """A small line plot for each measure of DRAWN that any release has."""
    shown = [key for key in DRAWN if any(point.values.get(key) is not None for point in points)]
    rows = math.ceil(len(shown) / ACROSS)

    def draw(figure: Figure) -> None:
        panels = list(figure.subplots(rows, ACROSS, squeeze=False).flat)
        for axes, key in zip(panels, shown, strict=False):
            values = [math.nan if (value := point.values.get(key)) is None else value for point in points]
            axes.plot([point.step for point in points], values, color=PALETTE["accepted"], marker="o", markersize=3.5, linewidth=1.2)
            axes.set_title(DRAWN[key])
            axes.set_xticks([point.step for point in points])
            axes.grid(axis="y")
            axes.margins(y=0.2)
            axes.locator_params(axis="y", nbins=4)
            axes.ticklabel_format(axis="y", useOffset=False)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()

    return render(draw, 0.2 + HEIGHT * rows, form, empty=not shown, width=WIDTH)


def render_trend(line: str, points: Sequence[Point], gates: Sequence[str]) -> str:
    """The page of a line's releases as one HTML file that loads nothing; `gates` are the measures that its table shows."""
    plot = embed_svg(plot_trend(points, "svg"), "trend", f"Measures of {len(points)} releases of the line")
    template = make_environment("html", {}).get_template("trend.html.jinja")
    return template.render(line=line, points=points, gates=gates, plot=plot, last=LAST, palette=PALETTE)


def list_shown(points: Sequence[Point], gates: Sequence[str]) -> list[str]:
    """The measures of a trend's table: those that are drawn, then all gates, as far as any of `points` has them."""
    return [key for key in dict.fromkeys([*DRAWN, *gates]) if any(key in point.values for point in points)]
