"""The card of a table that was validated, for the browser (one HTML file) and in Markdown."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from factory.release.drawing import PALETTE
from factory.release.rendering import Filters, embed_svg, make_environment
from factory.release.table_facts import gather_table_facts
from factory.release.table_plots import PAIRS, choose_drawn, plot_column, plot_columns, plot_pairs
from factory.validation.columns.reading import ReadTable

LONGEST_NAME = 120
PLOTS = "plots"


def render_table_html(table: ReadTable, gates: pl.DataFrame, title: str) -> str:
    """The card as one HTML file that loads nothing. Names and categories are untrusted: all that comes of them is escaped."""
    facts = gather_table_facts(table, gates, title)
    names = choose_drawn(table.columns)
    pictures = [
        embed_svg(plot_column(table.columns, name), f"column{place}", f"column {place}, real and synthetic")
        for place, name in enumerate(names, 1)
    ]
    pairs = {key: embed_svg(svg, f"pairs-{key}", PAIRS[key]) for key, svg in plot_pairs(table.columns).items()}
    template = make_environment("html", NAMES).get_template("table.html.jinja")
    drawn = list(zip(facts.columns, pictures, strict=False))
    return template.render(facts=facts, drawn=drawn, pairs=pairs, pair_titles=PAIRS, palette=PALETTE)


def render_table_markdown(table: ReadTable, gates: pl.DataFrame, title: str) -> str:
    """The card as Markdown; its plots are files in `plots/`."""
    facts = gather_table_facts(table, gates, title)
    has_pairs = len(choose_drawn(table.columns)) > 1
    return make_environment("md", NAMES).get_template("table.md.jinja").render(facts=facts, pair_titles=PAIRS if has_pairs else {})


def write_table_card(folder: Path, table: ReadTable, gates: pl.DataFrame, title: str) -> Path:
    """Writes card.html, card.md and its plots into a folder that is there; gives the path of the HTML."""
    plots = folder / PLOTS
    plots.mkdir(exist_ok=True)
    (plots / "columns.png").write_bytes(plot_columns(table.columns, "png"))
    for key, png in plot_pairs(table.columns, "png").items():
        (plots / f"pairs_{key}.png").write_bytes(png)
    (folder / "card.md").write_text(render_table_markdown(table, gates, title), encoding="utf-8")
    card = folder / "card.html"
    card.write_text(render_table_html(table, gates, title), encoding="utf-8")
    return card


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


NAMES: Filters = {"cut": _cut}
"""Filters that show names of columns and categories."""
