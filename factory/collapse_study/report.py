"""The report of a study as one HTML file that loads nothing, in the dress of the data card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from factory.collapse_study import language
from factory.collapse_study.corpus import BLOCK, Corpus
from factory.collapse_study.figures import FALSE_ALARMS, REAL_SHARE, Verdict
from factory.collapse_study.language import Generation
from factory.collapse_study.plots import PANELS, PLOT_TITLES, draw_study
from factory.collapse_study.wording import FORMULAS, STATISTICS, TITLES, name_policy
from factory.release.drawing import PALETTE
from factory.release.rendering import embed_svg
from factory.release.visible import make_visible

if TYPE_CHECKING:
    from factory.collapse_study.study import Study

SHOWN = 2
"""Prompts whose continuations are shown."""
MEASURED = ("perplexity", "loss_gained", "own_perplexity", "rare_1", "rare_2", "distinct_1", "distinct_2")
SHARES = ("rare_1", "rare_2", "distinct_1", "distinct_2")


def render_report(
    study: Study,
    simulations: Mapping[str, Any],
    figures: pl.DataFrame,
    verdicts: Sequence[Verdict],
    says: dict[str, str],
    corpus: Corpus | None,
    generations: Sequence[Generation],
) -> str:
    """The page. Text that a model wrote, and the names of files, are untrusted: all that comes of them is escaped."""
    plots = {name: embed_svg(svg, name, PLOT_TITLES[name]) for name, svg in draw_study(figures, generations, "svg").items()}
    of_language = figures.filter(pl.col("experiment") == language.NAME)
    loader = ChoiceLoader([PackageLoader("factory.collapse_study", "templates"), PackageLoader("factory.release", "templates")])
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: make_visible(value) if type(value) is str else value,
    )
    environment.filters |= {"policy": name_policy, "measure": _measure, "thousands": "{:,}".format}
    return environment.get_template("study.html.jinja").render(
        study=study,
        **simulations,
        titles=TITLES,
        says=says,
        verdicts={name: [(each, _name_form(each)) for each in verdicts if each.experiment == name] for name in says},
        agree=sum(each.agrees for each in verdicts),
        compared=len(verdicts),
        plots={name: [plot for plot in plots if _belongs(plot, name)] for name in says},
        pictures=plots,
        plot_titles=PLOT_TITLES,
        statistics=STATISTICS,
        measured=MEASURED,
        rows=_tabulate(of_language),
        corpus=corpus,
        examples=_show_texts(corpus, generations) if corpus else [],
        block=BLOCK,
        share=f"{REAL_SHARE:.0%}",
        alarms=f"{FALSE_ALARMS:.0%}",
        palette=PALETTE,
    )


def _belongs(plot: str, experiment: str) -> bool:
    return PANELS[plot][0] == experiment if plot in PANELS else experiment == language.NAME


def _name_form(verdict: Verdict) -> str:
    form = FORMULAS[verdict.policy, verdict.statistic, verdict.relation]
    return f"≤ {form}" if verdict.relation == "at_most" else form


def _tabulate(figures: pl.DataFrame) -> list[dict[str, Any]]:
    """One row for each run, policy and generation, with the written values by statistic."""
    table: dict[tuple[int, str, int], dict[str, str]] = {}
    for row in figures.iter_rows(named=True):
        written = table.setdefault((row["run"], row["policy"], row["generation"]), dict.fromkeys(MEASURED, "–"))
        written[row["statistic"]] = _estimate(row, share=row["statistic"] in SHARES)
    return [{"run": run, "policy": policy, "generation": number} | written for (run, policy, number), written in table.items()]


def _show_texts(corpus: Corpus, generations: Sequence[Generation]) -> list[dict[str, Any]]:
    """Prompts of real text and how the first model, and the first and last generation of each policy, went on; of the first run."""
    end = max(made.number for made in generations)
    shown = [made for made in generations if made.run == generations[0].run and made.number in {0, 1, end}]
    examples = []
    for at in [len(corpus.train) * (number + 1) // (SHOWN + 1) for number in range(SHOWN)]:
        (prompt,) = corpus.decode(corpus.train[at : at + 1, -BLOCK:])
        texts = [(made.policy, made.number, corpus.decode(made.text[at : at + 1, :BLOCK])[0]) for made in shown]
        examples.append({"prompt": prompt, "texts": texts})
    return examples


def _measure(value: float) -> str:
    return f"{value:.4g}"


def _estimate(row: Any, *, share: bool = False) -> str:
    """A value with its interval."""
    form = ".1%" if share else ".3g"
    low, high = (row["low"], row["high"]) if isinstance(row, dict) else (row.low, row.high)
    value = row["value"] if isinstance(row, dict) else row.value
    return f"{value:{form}}" + ("" if low is None else f" ({low:{form}} to {high:{form}})")
