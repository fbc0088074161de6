"""The data card of a release, for the browser (one HTML file) and for the Hugging Face hub (Markdown with front matter)."""

from __future__ import annotations

import re
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from factory.release.contents import Contents
from factory.release.facts import Facts, Row, gather_facts
from factory.release.plots import PALETTE, draw_plots
from factory.release.visible import make_visible
from factory.reward.agreement import Figure

LONGEST_SAMPLE = 1_200  # characters of one text of a sample; the whole of it is in data.parquet

PLOT_TITLES = {
    "funnel": "What became of the candidates of each leaf",
    "reasons": "Why candidates were refused",
    "leaves": "Accepted records of each leaf",
    "lengths": "Lengths, against the human-made examples",
    "goodness": "Goodness of accepted and refused candidates",
}

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


def render_html(contents: Contents) -> str:
    """The card as one HTML file that loads nothing. Records are untrusted: all that comes of them is escaped."""
    plots = draw_plots(contents.accepted, contents.refused, contents.seeds, contents.funnel, "svg")
    pictures = {name: embed_svg(svg, name, PLOT_TITLES[name]) for name, svg in plots.items()}
    template = _environment("html").get_template("card.html.jinja")
    return template.render(facts=gather_facts(contents), plots=pictures, plot_titles=PLOT_TITLES, palette=PALETTE)


def render_markdown(contents: Contents) -> str:
    """The card as Markdown, with the front matter of a Hugging Face dataset card; its plots are files in `plots/`."""
    facts = gather_facts(contents)
    template = _environment("md").get_template("card.md.jinja")
    return template.render(facts=facts, front_matter=Markup(write_front_matter(facts)), plot_titles=PLOT_TITLES)


def write_front_matter(facts: Facts) -> str:
    """YAML metadata of a dataset card (https://huggingface.co/docs/hub/datasets-cards), without the `---` lines."""
    spdx = [" ".join(licence.lower().split()) for licence in facts.licences]
    languages = sorted({" ".join(tag.split("-")[0].lower().split()) for tag in facts.languages})
    size = next((name for bound, name in _SIZES if facts.records < bound), "n>10M")
    metadata = {
        "pretty_name": f"{facts.line} {facts.version}",
        "license": spdx[0] if len(spdx) == 1 else spdx,
        "language": languages,
        "size_categories": [size],
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "data-factory"],
        "configs": [{"config_name": "default", "data_files": "data.parquet"}],  # one file format a dataset: the hub reads no two
    }
    return str(yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True))


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


def _environment(form: str) -> Environment:
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
    shown = {
        "thousands": _thousands,
        "share": _share,
        "measure": _measure,
        "interval": _interval,
        "bound": _bound,
        "money": _money,
        "whole": _whole,
        "estimate": _estimate,
    }
    environment.filters |= shown | {"words": _words, "excerpt": _excerpt, "exchange": _exchange, "fence": fence_markdown}
    return environment


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


def _excerpt(text: str | None) -> str:
    if text is None:
        return "(nothing)"
    more = len(text) - LONGEST_SAMPLE
    return text if more <= 0 else f"{text[:LONGEST_SAMPLE]} … ({more:,} more characters)"


def _exchange(row: Row) -> str:
    parts = {"context": row["context"], "user": row["instruction"], "assistant": row["response"] or "(nothing)"}
    return "\n".join(f"{speaker}: {_excerpt(text)}" for speaker, text in parts.items() if text is not None)
