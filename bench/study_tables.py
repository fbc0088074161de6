"""Prints what studies of students found as Markdown tables: accuracies, paired differences, leaves and forgetting, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from factory.training import compare, summarise
from factory.training.forgetting import compare_texts, measure_perplexity
from factory.training.statistics import ALL
from factory.validation.intervals import CONFIDENCE


def print_accuracies(answers: pl.DataFrame, models: Sequence[str]) -> None:
    """Accuracy of each model over all seed numbers, with Wilson's interval, and in each. `answers`: records.ANSWER and `seed`."""
    print("\n| model | problems | accuracy | 95 % interval | by seed number |\n|---|---|---|---|---|")
    found = {row["model"]: row for row in summarise(answers).filter(leaf=ALL, origin=ALL).iter_rows(named=True)}
    for model in models:
        row, of = found[model], answers.filter(model=model)
        each = ", ".join(f"{100 * share:.1f}" for share in of.group_by("seed").agg(pl.col("correct").mean()).sort("seed")["correct"])
        print(f"| {model} | {row['problems']} | {row['accuracy']:.1%} | {row['low']:.1%} to {row['high']:.1%} | {each} |")


def print_differences(answers: pl.DataFrame, pairs: Iterable[tuple[str, str]]) -> None:
    """Paired differences in points: the bootstrap over problems of all seed numbers and of each, and Student's t over seed numbers."""
    print("\n| difference | points | 95 % over problems | 95 % over seed numbers | by seed number | McNemar p |\n|---|---|---|---|---|---|")
    for a, b in pairs:
        over_all = compare(answers, a, b)
        parts = [compare(part, a, b) for part in answers.partition_by("seed", maintain_order=True)]
        each = ", ".join(f"{100 * part.difference:+.1f} ({100 * part.low:+.1f} to {100 * part.high:+.1f})" for part in parts)
        over_problems = f"{100 * over_all.low:+.1f} to {100 * over_all.high:+.1f}"
        low, high = spread([100 * part.difference for part in parts])
        told = f"{100 * over_all.difference:+.1f} | {over_problems} | {low:+.1f} to {high:+.1f} | {each} | {over_all.p_value:.2g}"
        print(f"| {a} − {b} | {told} |")


def print_kinds(answers: pl.DataFrame, pairs: Iterable[tuple[str, str]]) -> None:
    """Paired differences in points on the leaves of each kind, over all seed numbers and, without interval, in each; no kind where none of
    the models gets anything right."""
    pairs = list(pairs)
    answers = answers.filter(pl.col("model").is_in([model for pair in pairs for model in pair]))
    parts = answers.with_columns(kind=pl.col("leaf").str.split("/").list.first()).partition_by("kind", as_dict=True)
    kinds = {kind: part for (kind,), part in sorted(parts.items()) if part["correct"].any()}
    titles = " | ".join(f"{kind}: points | 95 % over problems | by seed number" for kind in kinds)
    print(f"\n| difference | {titles} |\n|---|{'---|---|---|' * len(kinds)}")
    for a, b in pairs:
        cells = []
        for part in kinds.values():
            found = compare(part, a, b)
            each = ", ".join(f"{100 * compare(of, a, b).difference:+.1f}" for of in part.partition_by("seed", maintain_order=True))
            cells.append(f"{100 * found.difference:+.1f} | {100 * found.low:+.1f} to {100 * found.high:+.1f} | {each}")
        print(f"| {a} − {b} | {' | '.join(cells)} |")


def print_leaves(answers: pl.DataFrame, models: Sequence[str]) -> None:
    """Accuracy in per cent by kind of leaf and leaf, with Wilson's interval; leaves where no model gets anything right are only named."""
    whole = answers.filter(pl.col("model").is_in(list(models))).with_columns(origin=pl.lit(ALL))
    kinds = whole.with_columns(leaf=pl.col("leaf").str.split("/").list.first())
    found = {(row["leaf"], row["model"]): row for part in (whole, kinds) for row in summarise(part).iter_rows(named=True)}
    print(f"\n| leaf | {' | '.join(models)} |\n|---|{'---|' * len(models)}")
    never = []
    for leaf in [*kinds["leaf"].unique().sort(), *whole["leaf"].unique().sort()]:
        rows = [found[leaf, model] for model in models]
        if not any(row["correct"] for row in rows):
            never.append(leaf)
            continue
        cells = (f"{100 * row['accuracy']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})" for row in rows)
        print(f"| {f'**{leaf}**' if '/' not in leaf else leaf} | {' | '.join(cells)} |")
    print(f"\n0 of all: {', '.join(never) or 'no leaf'}")


def print_forgetting(texts: pl.DataFrame, models: Sequence[str], base: str) -> None:
    """Rise of the loss in nats a token above `base`, by kind of text: over the texts of all seed numbers, and in each."""
    kinds = texts["kind"].unique(maintain_order=True).to_list()
    titles = " | ".join(f"{kind}: loss | rise | 95 % over texts | by seed number" for kind in kinds)
    print(f"\n| model | {titles} |\n|---|{'---|---|---|---|' * len(kinds)}")
    for model in models:
        cells = []
        for kind in kinds:
            before, after = (texts.filter(kind=kind, model=name) for name in (base, model))
            loss = math.log(measure_perplexity(after))
            if model == base:
                cells.append(f"{loss:.2f} | | | ")
                continue
            found = compare_texts(before, after)
            each = (compare_texts(before.filter(seed=seed), after.filter(seed=seed)).nats for seed in texts["seed"].unique().sort())
            told = ", ".join(f"{rise:+.2f}" for rise in each)
            cells.append(f"{loss:.2f} | {found.nats:+.2f} | {found.nats_low:+.2f} to {found.nats_high:+.2f} | {told}")
        print(f"| {model} | {' | '.join(cells)} |")


def print_phases(phases: pl.DataFrame) -> None:
    """What each phase of each arm read, by seed number."""
    print("\n| arm | phase | rows of its own | replayed | tokens | steps |\n|---|---|---|---|---|---|")
    for (arm, phase), rows in phases.group_by("arm", "phase", maintain_order=True):
        cells = (", ".join(f"{value:,}" for value in rows[name]) for name in ("own", "replayed", "tokens", "steps"))
        print(f"| {arm} | {phase} | {' | '.join(cells)} |")


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of few values by Student's t; infinite for one value."""
    from scipy.stats import t

    if len(values) < 2:
        return -float("inf"), float("inf")
    middle, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return middle - reach, middle + reach
