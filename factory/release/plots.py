"""The plots of a release, as PNG for Markdown and the graph's pages and as SVG that follows the page's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from factory.release.drawing import PALETTE, Form, name_bars, render, show_shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES = (
    ("copied", "copied", "unique", "accepted"),
    ("duplicate", "duplicate", "verified", "unique"),
    ("wrong", "judged bad", "parsed", "verified"),
    ("unparsed", "not parsed", "asked", "parsed"),
)
"""Where candidates were lost: colour, name, and the columns of the funnel before and after."""

MOST_BARS = 40


def draw_plots(accepted: pl.DataFrame, refused: pl.DataFrame, seeds: pl.DataFrame, funnel: pl.DataFrame, form: Form) -> dict[str, bytes]:
    """Every plot of a release by name: funnel, reasons, leaves, lengths, goodness."""
    verdicts = pl.concat([accepted.select("goodness", "verdict", "reason"), refused.select("goodness", "verdict", "reason")])
    return {
        "funnel": plot_funnel(funnel, form),
        "reasons": plot_reasons(verdicts, form),
        "leaves": plot_leaves(accepted, form),
        "lengths": plot_lengths(accepted, seeds, form),
        "goodness": plot_goodness(verdicts, form),
    }


def plot_funnel(funnel: pl.DataFrame, form: Form = "png") -> bytes:
    """What became of the candidates of each leaf (FUNNEL), best leaf first; past 40 leaves the worst 40."""
    losses = [(pl.col(before) - pl.col(after)).clip(0).alias(colour) for colour, _, before, after in LOSSES]
    share = pl.col("accepted") / pl.col("asked").clip(1)
    ranked = funnel.sort(share, "leaf", descending=[True, False]).tail(MOST_BARS).reverse()
    counts = ranked.select("leaf", "asked", "accepted", *losses)
    parts = [("accepted", "accepted"), *((colour, name) for colour, name, _, _ in LOSSES)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        done = [0] * counts.height
        for colour, name in parts:
            widths = counts[colour].to_list()
            axes.barh(range(counts.height), widths, left=done, height=0.72, color=PALETTE[colour], label=name)
            done = [left + width for left, width in zip(done, widths, strict=True)]
        for place, (total, kept, asked) in enumerate(zip(done, counts["accepted"], counts["asked"], strict=True)):
            label = f"{kept / max(asked, 1):.0%}"
            axes.annotate(label, (total, place), (4, 0), textcoords="offset points", va="center", fontsize=8, color=PALETTE["muted"])
        name_bars(axes, counts["leaf"].to_list())
        axes.set_xlabel("candidates; at the end of a bar, the share accepted")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=len(parts), columnspacing=1.0, handletextpad=0.5)

    return render(draw, 0.9 + 0.235 * max(counts.height, 2), form, empty=counts.is_empty())


def plot_reasons(verdicts: pl.DataFrame, form: Form = "png") -> bytes:
    """How many candidates (VERDICT rows) each reason refused, commonest first."""
    refused = verdicts.filter(pl.col("verdict") == "rejected")
    counts = (
        refused.group_by(pl.col("reason").fill_null("unknown"))
        .len("count")
        .sort("count", "reason", descending=[True, False])
        .head(MOST_BARS)
        .reverse()
    )

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bars = axes.barh(range(counts.height), counts["count"].to_list(), height=0.66, color=PALETTE["wrong"])
        axes.bar_label(bars, padding=4, fontsize=8, color=PALETTE["muted"])
        name_bars(axes, [reason.replace("_", " ") for reason in counts["reason"]])
        axes.set_xlabel("candidates refused")

    return render(draw, 0.7 + 0.26 * max(counts.height, 3), form, empty=counts.is_empty())


def plot_leaves(accepted: pl.DataFrame, form: Form = "png") -> bytes:
    """Accepted records (VERDICT) of each leaf, most first; past 40 leaves the smallest 40."""
    counts = accepted.group_by("leaf").len("count").sort("count", "leaf", descending=[True, False]).tail(MOST_BARS).reverse()

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bars = axes.barh(range(counts.height), counts["count"].to_list(), height=0.66, color=PALETTE["accepted"])
        axes.bar_label(bars, padding=4, fontsize=8, color=PALETTE["muted"])
        name_bars(axes, counts["leaf"].to_list())
        axes.set_xlabel("accepted records")

    return render(draw, 0.6 + 0.225 * max(counts.height, 3), form, empty=counts.is_empty())


def plot_lengths(accepted: pl.DataFrame, seeds: pl.DataFrame, form: Form = "png") -> bytes:
    """Lengths of instructions and responses: accepted records (VERDICT) against human-made examples (SEED).

    Characters, for words are no unit in every language; on a logarithmic axis, each side as a share of its own rows.
    """
    import numpy as np
    from matplotlib.ticker import LogLocator, NullLocator

    pairs = (("Instructions", "instruction", "question"), ("Responses", "response", "answer"))

    def draw(figure: Figure) -> None:
        panels = figure.subplots(2, 1, sharex=True)
        measured = [(_count_characters(accepted[made]), _count_characters(seeds[written])) for _, made, written in pairs]
        every = np.concatenate([values for lengths in measured for values in lengths])
        edges = np.geomspace(every.min(), max(every.max(), 10) + 1, 31)
        for axes, (title, _, _), lengths in zip(panels, pairs, measured, strict=True):
            shares = [np.histogram(values, edges)[0] / max(values.size, 1) for values in lengths]
            axes.stairs(shares[0], edges, fill=True, color=PALETTE["accepted"], alpha=0.75, label="accepted records")
            axes.stairs(shares[1], edges, color=PALETTE["ink"], linewidth=1.4, label="human-made examples")
            axes.set(xscale="log", title=title)
            axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator(), major_formatter="{x:,.0f}")
            show_shares(axes)
        panels[-1].set_xlabel("characters")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)

    return render(draw, 4.6, form, empty=accepted.is_empty() and seeds.is_empty())


def plot_goodness(verdicts: pl.DataFrame, form: Form = "png") -> bytes:
    """Goodness of accepted and refused candidates (VERDICT rows) in twenty equal steps of its range, as shares of all scored."""
    import numpy as np

    scored = verdicts.filter(pl.col("goodness").is_not_null())
    edges = np.histogram_bin_edges(scored["goodness"].to_numpy(), 20)
    parts = (("accepted", "accepted", "accepted"), ("rejected", "refused", "wrong"))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        base = np.zeros(edges.size - 1)
        for verdict, name, colour in parts:
            values = scored.filter(pl.col("verdict") == verdict)["goodness"].to_numpy()
            share = np.histogram(values, edges)[0] / scored.height
            axes.bar(edges[:-1], share, width=0.88 * (edges[1] - edges[0]), bottom=base, align="edge", color=PALETTE[colour], label=name)
            base = base + share
        axes.set(xlabel="goodness: the reward model's; where it was not asked, 0 is wrong and 1 is right")
        show_shares(axes)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)

    return render(draw, 2.7, form, empty=scored.is_empty())


def _count_characters(texts: pl.Series) -> Any:
    """Characters of each text that is there, at least one: a logarithmic axis has no zero."""
    return texts.drop_nulls().str.len_chars().clip(1).to_numpy()
