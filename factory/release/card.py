"""The data card of a release, for the browser (one HTML file) and for the Hugging Face hub (Markdown with front matter)."""

from __future__ import annotations

import yaml
from markupsafe import Markup

from factory.release.contents import Contents
from factory.release.drawing import PALETTE
from factory.release.facts import Facts, Row, gather_facts
from factory.release.plots import draw_plots
from factory.release.rendering import Filters, embed_svg, fence_markdown, make_environment

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
    template = make_environment("html", RECORDS).get_template("card.html.jinja")
    return template.render(facts=gather_facts(contents), plots=pictures, plot_titles=PLOT_TITLES, palette=PALETTE)


def render_markdown(contents: Contents) -> str:
    """The card as Markdown, with the front matter of a Hugging Face dataset card; its plots are files in `plots/`."""
    facts = gather_facts(contents)
    template = make_environment("md", RECORDS).get_template("card.md.jinja")
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


def _excerpt(text: str | None) -> str:
    if text is None:
        return "(nothing)"
    more = len(text) - LONGEST_SAMPLE
    return text if more <= 0 else f"{text[:LONGEST_SAMPLE]} … ({more:,} more characters)"


def _exchange(row: Row) -> str:
    parts = {"context": row["context"], "user": row["instruction"], "assistant": row["response"] or "(nothing)"}
    return "\n".join(f"{speaker}: {_excerpt(text)}" for speaker, text in parts.items() if text is not None)


RECORDS: Filters = {"excerpt": _excerpt, "exchange": _exchange, "fence": fence_markdown}
"""Filters that show records."""
