"""The promotion decision: a tuned student becomes champion only by beating the champion, on data that lets it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from factory.training.standing import Standing
from factory.training.statistics import Comparison, compare

GREATEST_P = 0.05
"""Of the paired test: a bootstrap of few problems, of which few differ, promises more than they show."""
HELD_OUT = "holdout"
"""Origin of the problems that are held-out seed examples, which people wrote."""


@dataclass(frozen=True)
class Promotion:
    """Whether the tuned student becomes champion, why in a few sentences, and the comparisons: of all problems, which decided, and of the
    held-out examples alone, None where there are none."""

    promote: bool
    reason: str
    comparison: Comparison
    held_out: Comparison | None


def decide_promotion(answers: pl.DataFrame, champion_present: bool, standing: Standing | None = None) -> Promotion:
    """Decides from the `answers` (records.ANSWER) of "tuned" and its rival: "champion" where there is one, else "base".

    It is promoted where the whole interval of the paired difference on all problems, which are all held out of training, lies above 0, and
    McNemar's exact test agrees; that on the held-out seed examples alone does not lie wholly below 0, so that fresh problems outweigh no
    loss on real data; and its `standing` has no obstacle.
    Raises FactoryError where the two did not answer the same problems.
    """
    standing = standing or Standing()
    rival = "champion" if champion_present else "base"
    comparison = compare(answers, "tuned", rival)
    real = answers.filter(origin=HELD_OUT)
    held_out = None if real.is_empty() else compare(real, "tuned", rival)
    above, sure = comparison.low > 0, comparison.p_value < GREATEST_P
    won, worse = above and sure, held_out is not None and held_out.high < 0
    measured = _tell(comparison, rival)
    sentences = []
    if won and not worse and not standing.obstacles:
        sentences.append(f"Promoted: {measured}")
    else:
        stays = "the champion stays" if champion_present else "there is still no champion"
        missed = "the paired test does not tell the two apart" if above else "the interval does not lie wholly above 0"
        verdict = "" if won else f", so {missed}"
        sentences.append(f"Not promoted, {stays}: {measured}{verdict}")
        if worse and held_out is not None:
            sentences.append(f"It is worse on the {held_out.problems} held-out examples: {_tell_interval(held_out)}")
        sentences += [f"What it was trained on does not let it: {obstacle}" for obstacle in standing.obstacles]
    sentences += [f"{note[0].upper()}{note[1:]}" for note in standing.notes]
    return Promotion(won and not worse and not standing.obstacles, f"{'. '.join(sentences)}.", comparison, held_out)


def _tell(comparison: Comparison, rival: str) -> str:
    return (
        f"on {comparison.problems} problems the tuned student is right on {comparison.accuracy_a:.1%} and the {rival} on "
        f"{comparison.accuracy_b:.1%} ({_tell_interval(comparison)}, p = {comparison.p_value:.2g})"
    )


def _tell_interval(comparison: Comparison) -> str:
    return (
        f"difference {100 * comparison.difference:+.1f} points, 95 % interval {100 * comparison.low:+.1f} to {100 * comparison.high:+.1f}"
    )
