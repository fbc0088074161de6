"""The plots of a table's card: each column real against synthetic, and how columns go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from factory.release.drawing import PALETTE, Form, name_bars, render, show_shares
from factory.release.fonts import choose_fonts
from factory.release.table_shapes import Bars, Histogram, Numbers, associate_columns, cut_numbers, fold_categories
from factory.release.visible import make_visible
from factory.validation.columns.table import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DRAWN = 30
"""Columns that are drawn; a table's card counts the others."""
ACROSS = 3
WIDTH, HEIGHT = 3.7, 2.1  # inches of the plot of a column
LEAST_SHADE = 0.02
LONGEST_NAME = 18
MICROSECONDS = 86_400e6

PAIRS = {
    "real": "How columns go together, real",
    "synthetic": "How columns go together, synthetic",
    "difference": "Synthetic less real",
}


def choose_drawn(columns: Columns) -> list[str]:
    """The columns that are drawn: the first MOST_DRAWN."""
    return list(columns.kinds)[:MOST_DRAWN]


def plot_column(columns: Columns, name: str, form: Form = "svg") -> bytes:
    """Shares of one column's values, real as outline and synthetic as surface."""
    shape = _shape(columns, name)
    return render(lambda figure: _draw(figure.subplots(), columns, name, shape), HEIGHT, form, empty=shape is None, width=WIDTH)


def plot_columns(columns: Columns, form: Form = "png") -> bytes:
    """The columns that are drawn on one sheet, for a page that holds few files."""
    names = choose_drawn(columns)
    shapes = {name: _shape(columns, name) for name in names}
    rows = math.ceil(len(names) / ACROSS)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(rows, ACROSS, squeeze=False).flat
        for axes, name in zip(panels, names, strict=False):
            _draw(axes, columns, name, shapes[name])
            axes.set_title(_shorten(name), fontfamily=choose_fonts([name]))
        for axes in list(panels):
            axes.set_axis_off()

    return render(draw, 0.2 + HEIGHT * rows, form, empty=not names, width=WIDTH * ACROSS)


def plot_pairs(columns: Columns, form: Form = "svg") -> dict[str, bytes]:
    """Heat maps by their keys in PAIRS; none where there are no two columns."""
    names = choose_drawn(columns)
    if len(names) < 2:
        return {}
    real, synthetic = associate_columns(columns, names)
    matrices = {"real": real, "synthetic": synthetic, "difference": synthetic - real}
    return {key: _plot_matrix(matrix, names, form) for key, matrix in matrices.items()}


def _plot_matrix(matrix: Numbers, names: Sequence[str], form: Form) -> bytes:
    """A square of one shade for each two columns: the stronger the value the fuller, of another colour below 0."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    cells = [(row, column) for row, column in np.ndindex(matrix.shape) if abs(matrix[row, column]) >= LEAST_SHADE]
    shades = [to_rgba(PALETTE["accepted" if matrix[at] > 0 else "wrong"], min(1.0, abs(float(matrix[at])))) for at in cells]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        squares = [Rectangle((column + 0.04, row + 0.04), 0.92, 0.92) for row, column in cells]
        axes.add_collection(PatchCollection(squares, facecolors=shades, edgecolors="none"))
        axes.set(xlim=(0, len(names)), ylim=(len(names), 0), aspect="equal")
        if not cells:
            told = f"nowhere {LEAST_SHADE} or more"
            axes.text(0.5, 0.5, told, ha="center", va="center", transform=axes.transAxes, color=PALETTE["muted"])
        size = 8 if len(names) <= 16 else 6
        axes.set_yticks(np.arange(len(names)) + 0.5, [_shorten(name) for name in names])
        axes.tick_params(axis="y", labelfontfamily=choose_fonts(names), labelsize=size)
        axes.set_xticks([])

    return render(draw, WIDTH * 0.72, form, empty=False, width=WIDTH)


def _shape(columns: Columns, name: str) -> Bars | Histogram | None:
    real, synthetic = columns.real[name], columns.synthetic[name]
    kind = columns.kinds[name]
    if kind in ("category", "boolean"):
        bars = fold_categories(real, synthetic)
        return bars if bars.names else None
    return cut_numbers(*((side.to_physical() / MICROSECONDS if kind == "date" else side) for side in (real, synthetic)))


def _draw(axes: Axes, columns: Columns, name: str, shape: Bars | Histogram | None) -> None:
    if shape is None:
        axes.text(0.5, 0.5, "too few real rows to be shown", ha="center", va="center", transform=axes.transAxes, color=PALETTE["muted"])
        axes.set(xticks=[], yticks=[])
    elif isinstance(shape, Bars):
        places = np.arange(len(shape.names))[::-1]
        axes.barh(places, shape.synthetic, height=0.7, color=PALETTE["accepted"], alpha=0.75)
        axes.barh(places, shape.real, height=0.7, fill=False, edgecolor=PALETTE["ink"], linewidth=1.2)
        name_bars(axes, [_shorten(category) for category in shape.names[::-1]])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.locator_params(axis="x", nbins=4, integer=False)
    else:
        axes.stairs(shape.synthetic, shape.edges, fill=True, color=PALETTE["accepted"], alpha=0.75)
        axes.stairs(shape.real, shape.edges, color=PALETTE["ink"], linewidth=1.2)
        axes.set_ylim(bottom=0)
        show_shares(axes)
        if columns.kinds[name] == "date":
            _name_dates(axes)
        else:
            axes.locator_params(axis="x", nbins=5)


def _name_dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=5)  # type: ignore[no-untyped-call]
    axes.xaxis.set(major_locator=locator, major_formatter=ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _shorten(name: str) -> str:
    shown = " ".join(make_visible(name[: 4 * LONGEST_NAME]).split()) or "(blank)"
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"
