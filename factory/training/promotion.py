"""The promotion decision: a tuned student becomes champion only by beating the champion."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from factory.training.statistics import Comparison, compare


@dataclass(frozen=True)
class Promotion:
    """Whether the tuned student becomes champion, why in one sentence, and the comparison that decided."""

    promote: bool
    reason: str
    comparison: Comparison


def decide_promotion(answers: pl.DataFrame, champion_present: bool) -> Promotion:
    """Decides from the `answers` (records.ANSWER) of "tuned" and its rival: "champion" where there is one, else "base".

    It is promoted where the whole interval of the paired difference on all problems is above 0.
    Raises FactoryError where the two did not answer the same problems.
    """
    rival = "champion" if champion_present else "base"
    comparison = compare(answers, "tuned", rival)
    promote = comparison.low > 0
    measured = (
        f"on {comparison.problems} problems the tuned student is right on {comparison.accuracy_a:.1%} and the {rival} on "
        f"{comparison.accuracy_b:.1%} (difference {100 * comparison.difference:+.1f} points, 95 % interval "
        f"{100 * comparison.low:+.1f} to {100 * comparison.high:+.1f}, p = {comparison.p_value:.2g})"
    )
    if promote:
        return Promotion(True, f"Promoted: {measured}.", comparison)
    why = "the champion stays" if champion_present else "there is still no champion"
    return Promotion(False, f"Not promoted, {why}: {measured}, so the interval does not lie wholly above 0.", comparison)
