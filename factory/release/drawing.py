"""How the plots of all cards are drawn: colours by role, type, and the bytes of a figure, the same for the same data."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from factory.release.fonts import OWN_FONT, choose_fonts
from factory.release.visible import make_visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Form = Literal["png", "svg"]

PALETTE = {
    "paper": "#ffffff",
    "ink": "#1c2430",
    "muted": "#5d6979",
    "rule": "#d8dee6",
    "accepted": "#1f6f8b",
    "wrong": "#c4552d",
    "duplicate": "#dba53a",
    "copied": "#8a76a8",
    "unparsed": "#a3adb9",
}
"""Colours by role. They keep apart in lightness as well as hue, so they hold for the colour-blind and in grey print."""

WIDTH = 5.2  # inches; an SVG unit is 1/72 inch, so text stays readable on a phone
_STYLE: dict[str, Any] = {
    "font.family": OWN_FONT,
    "font.size": 9,
    "text.color": PALETTE["ink"],
    "text.parse_math": False,
    "axes.edgecolor": PALETTE["rule"],
    "axes.facecolor": "none",
    "axes.labelcolor": PALETTE["muted"],
    "axes.labelsize": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": PALETTE["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": PALETTE["rule"],
    "xtick.labelcolor": PALETTE["muted"],
    "ytick.color": PALETTE["rule"],
    "ytick.labelcolor": PALETTE["ink"],
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.0,
    "legend.handleheight": 0.9,
    "svg.fonttype": "none",
    "svg.hashsalt": "data-factory",
}


def render(draw: Callable[[Figure], None], height: float, form: Form, *, empty: bool, width: float = WIDTH) -> bytes:
    """What `draw` puts on a figure `width` by `height` inches. No date, no version, salted ids: the same data, the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, 1.0 if empty else height), layout="constrained")
        if empty:
            figure.text(0.5, 0.5, "no records", ha="center", va="center", color=PALETTE["muted"])
        else:
            draw(figure)
        metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None, "Type": None, "Format": None}
        paper = PALETTE["paper"] if form == "png" else "none"
        with warnings.catch_warnings():
            # Names in a script that no font of the machine has are drawn as boxes; the table beside the plot has them.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            figure.savefig(buffer, format=form, dpi=140, facecolor=paper, metadata=metadata)  # type: ignore[arg-type]
    return buffer.getvalue()


def name_bars(axes: Axes, names: list[str]) -> None:
    """Names at the left of horizontal bars; of a leaf, as many of its last folders as tell it from the other leaves."""
    from matplotlib.ticker import MaxNLocator

    names = [" ".join(make_visible(name).split()) for name in names]
    paths = [name.split("/") for name in names]
    shown = []
    for path in paths:
        depth = 1
        while depth < len(path) and sum(other[-depth:] == path[-depth:] for other in paths) > 1:
            depth += 1
        shown.append("/".join(path[-depth:]))
    axes.set_yticks(range(len(names)), [name if len(name) <= 28 else f"{name[:27]}…" for name in shown])
    axes.tick_params(axis="y", labelfontfamily=choose_fonts(shown))
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.margins(x=0.08)
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))


def show_shares(axes: Axes) -> None:
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="y", labelcolor=PALETTE["muted"])
