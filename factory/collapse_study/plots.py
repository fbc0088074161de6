"""The plots of the study: what was simulated or measured by generation, with closed forms as dashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.collapse_study import categories, gaussians, language, regression
from factory.collapse_study.language import Generation
from factory.collapse_study.wording import STATISTICS, name_policy
from factory.release.drawing import PALETTE, Form, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "replace": PALETTE["wrong"],
    "replace_unbiased": PALETTE["unparsed"],
    "kept": PALETTE["duplicate"],
    "refreshed": PALETTE["copied"],
    "accumulate": PALETTE["accepted"],
}
PANELS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "gaussians": (gaussians.NAME, ("mean_error", "variance")),
    "gaussians_unbiased": (gaussians.NAME, ("distance", "deviation")),
    "regression": (regression.NAME, ("excess_error",)),
    "categories": (categories.NAME, ("diversity", "rare_alive")),
    "perplexity": (language.NAME, ("perplexity",)),
    "tails": (language.NAME, ("rare_1", "rare_2")),
    "diversity": (language.NAME, ("distinct_1", "distinct_2")),
}
"""Plots by name: the experiment and the statistics, one panel each."""
PLOT_TITLES = {
    "gaussians": "The mean wanders; by maximum likelihood, the variance dies",
    "gaussians_unbiased": "Unbiased variance: it collapses all the same",
    "regression": "Excess test error by generation",
    "categories": "Diversity, and rare categories still alive",
    "perplexity": "Perplexity of held-out real text",
    "strangeness": "How likely the first model finds each text",
    "tails": "The rarest real words and pairs that are still written",
    "diversity": "Distinct words and pairs in the text written",
}
PANEL_HEIGHT = 2.15
"""Inches."""
BINS = 40
MOST_COLUMNS = 4
"""Names that stand side by side above a plot."""
Losses = NDArray[np.float64]


def draw_study(figures: pl.DataFrame, generations: Sequence[Generation], form: Form) -> dict[str, bytes]:
    """Every plot of the experiments in `figures`, by name."""
    made = set(figures["experiment"])
    plots = {name: plot_lines(figures, name, form) for name, (experiment, _) in PANELS.items() if experiment in made}
    if generations:
        plots["strangeness"] = plot_strangeness(generations, form)
    return {name: plots[name] for name in PLOT_TITLES if name in plots}


def plot_lines(figures: pl.DataFrame, name: str, form: Form) -> bytes:
    """The statistics of the plot `name` by generation: a line and an interval for each policy and run, closed forms dashed."""
    experiment, statistics = PANELS[name]
    rows = figures.filter((pl.col("experiment") == experiment) & pl.col("statistic").is_in(statistics))

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(len(statistics), 1, sharex=True))
        for axes, statistic in zip(panels, statistics, strict=True):
            _draw_panel(axes, rows.filter(pl.col("statistic") == statistic), STATISTICS[statistic], titled=len(statistics) > 1)
        panels[-1].set_xlabel(
            "generation; 0 is fitted to real data" + ("" if rows["expected"].is_null().all() else "; dashes: closed form")
        )
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels) if len(labels) <= MOST_COLUMNS else 3, columnspacing=1.2)

    return render(draw, 0.75 + PANEL_HEIGHT * len(statistics), form, empty=rows.is_empty())


def plot_strangeness(generations: Sequence[Generation], form: Form) -> bytes:
    """Histograms of the perplexity of each written window to the first model, by policy: the first generation and the last."""
    first = next(made for made in generations if made.policy == language.FIRST)
    end = max(made.number for made in generations)
    every = np.exp(np.concatenate([made.strangeness for made in generations] + [first.losses]))
    edges = np.geomspace(every.min(), every.max(), BINS + 1)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(language.POLICIES), 1, sharex=True, sharey=True)
        for axes, policy in zip(panels, language.POLICIES, strict=True):
            last = next(made for made in generations if (made.policy, made.number, made.run) == (policy, end, first.run))
            for losses, colour, label in (
                (first.losses, PALETTE["ink"], "held-out real text"),
                (first.strangeness, PALETTE["unparsed"], "the first model's text"),
            ):
                axes.stairs(*_share(losses, edges), color=colour, linewidth=1.2, label=label)
            shares, edge = _share(last.strangeness, edges)
            axes.stairs(shares, edge, fill=True, color=COLOURS[policy], alpha=0.75)
            axes.set(xscale="log", title=f"{name_policy(policy)}, generation {end}")
            _show_grid(axes, share=True)
        _plain_logarithm(panels[-1])
        panels[-1].set_xlabel("perplexity of a window to the first model")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)

    return render(draw, 0.75 + 1.5 * len(language.POLICIES), form, empty=False)


def _draw_panel(axes: Axes, rows: pl.DataFrame, title: str, *, titled: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    starts = rows.filter(pl.col("policy") == language.FIRST)
    for policy, colour in COLOURS.items():
        series = rows.filter((pl.col("policy") == policy) & (pl.col("relation").is_null() | (pl.col("relation") == "equals")))
        for number, ((run,), one) in enumerate(series.group_by("run", maintain_order=True)):
            line = pl.concat([starts.filter(pl.col("run") == run), one]) if run is not None else one
            at = line["generation"].to_numpy()
            axes.plot(at, line["value"], color=colour, linewidth=1.6, label=name_policy(policy) if number == 0 else None)
            if line["low"].is_not_null().all():
                axes.fill_between(at, line["low"], line["high"], color=colour, alpha=0.22, linewidth=0)
            if line["expected"].is_not_null().all():
                axes.plot(at, line["expected"], color=PALETTE["ink"], linewidth=1.0, linestyle=(0, (2, 3)))
    real = rows.filter((pl.col("policy") == language.REAL) & (pl.col("value") < 1))
    if not real.is_empty():
        axes.axhline(real["value"][0], color=PALETTE["ink"], linewidth=1.0, label=name_policy(language.REAL))
    if titled:
        axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    _show_grid(axes, share=str(rows["statistic"][0]).startswith(("rare", "distinct")))


def _share(losses: Losses, edges: Losses) -> tuple[Losses, Losses]:
    return np.histogram(np.exp(losses), edges)[0] / losses.size, edges


def _show_grid(axes: Axes, *, share: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.grid(axis="y")
    axes.tick_params(axis="y", labelcolor=PALETTE["muted"])
    if share:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _plain_logarithm(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator(), major_formatter="{x:,.0f}")
