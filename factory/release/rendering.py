"""What every card is rendered with: templates that escape what is untrusted, filters for figures, and plots inside of a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from factory.release.drawing import PALETTE
from factory.release.visible import make_visible
from factory.reward.agreement import Figure

Filters = dict[str, Callable[..., Any]]
Row = dict[str, Any]


def make_environment(form: Literal["html", "md"], filters: Filters) -> Environment:
    """Templates of one form. All text is escaped but what a filter marked as safe; `filters` go beside those for figures."""
    html = form == "html"
    environment = Environment(
        loader=PackageLoader("factory.release", "templates"),
        autoescape=html,
        finalize=_finalize_html if html else _finalize_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FIGURES | filters
    return environment


def embed_svg(svg: bytes, name: str, title: str) -> Markup:
    """An SVG of `plots` for the inside of a page: ids of its own, colours by the page's variables, a name for readers."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    for role, colour in PALETTE.items():
        text = text.replace(colour, f"var(--{role})")
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", text, count=1, flags=re.DOTALL)
    return Markup(text.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1))


def escape_markdown(text: str) -> str:
    """`text` as one line of Markdown that shows just its characters: alone, in a heading, or in a cell of a table."""
    line = " ".join(make_visible(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*\[\]#~$!{}])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"^([-+=])(?!\d)", r"\\\1", line)
    line = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)
    return line.replace("|", "&#124;")


def fence_markdown(text: str) -> Markup:
    """`text` as a code block whose fence is longer than any run of backticks in it, so nothing in it can close it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}text\n{make_visible(text)}\n{fence}")


def _finalize_html(value: Any) -> Any:
    return value if isinstance(value, Markup) or not isinstance(value, str) else make_visible(value)


def _finalize_markdown(value: Any) -> Any:
    """Escapes by default: only what a filter of this module marked as safe passes as it is."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else escape_markdown(value)


def _thousands(value: int) -> str:
    return f"{value:,}"


def _share(value: float) -> str:
    return f"{value:.0%}" if value in (0, 1) or 0.1 <= value <= 0.995 else f"{value:.1%}"


def _measure(value: float | None, digits: int = 4) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.{digits}g}"


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.3g}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _interval(gate: Row) -> str:
    return "–" if gate["low"] is None or gate["high"] is None else f"{_measure(gate['low'], 3)} to {_measure(gate['high'], 3)}"


def _estimate(figure: Figure | None) -> str:
    """A value with its interval."""
    if figure is None or figure.value is None:
        return "–"
    return f"{figure.value:.2f}" + ("" if figure.low is None or figure.high is None else f" ({figure.low:.2f} to {figure.high:.2f})")


def _bound(gate: Row) -> str:
    return f"{'≤' if gate['direction'] == 'max' else '≥'} {_measure(gate['threshold'])}"


def _words(name: str) -> str:
    return name.replace("_", " ")


FIGURES: Filters = {
    "thousands": _thousands,
    "share": _share,
    "measure": _measure,
    "interval": _interval,
    "bound": _bound,
    "money": _money,
    "whole": _whole,
    "estimate": _estimate,
    "words": _words,
}
"""Filters that write figures; none of them writes a NaN, for what is no number is None before it gets here."""
