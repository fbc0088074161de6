"""Which answers of the tuned student a judge prefers to those of base and champion, kept with the evaluation that they are from."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from assets.judges import Bench
from assets.layout import asset_key
from assets.pages import show_floats, show_table
from factory.line import Line
from factory.reward.judges import compare, open_comparer
from factory.training import Problem
from factory.training.statistics import ALL
from factory.training.win_rate import play_matches, summarise_matches
from resources.keeper import Keeper, Kept, Made, take_fingerprint

MATCHES = "matches"
"""The part of the evaluation that holds them."""
RIVALS = ("base", "champion")
SHOWN = ("leaf", "rival", "instruction", "response", "rival_response", "outcome", "flipped", "note")
SAMPLES_OF_EACH = 2
"""Pairs of each rival and outcome that the page shows."""


def is_judged(line: Line, problems: Sequence[Problem]) -> bool:
    """Whether the line's judge is put answers: it names one, and some problem has no verifier."""
    return line.training.evaluation.judge is not None and any(problem.verifier is None for problem in problems)


def keep_matches(
    line: Line, keeper: Keeper, bench: Bench, problems: Sequence[Problem], answers: pl.DataFrame, *, refresh: bool
) -> Kept | None:
    """The tuned student's answers to problems without a verifier beside its rivals', as the line's comparing judge saw them.

    Kept as long as judge and answers stay the same; None where the line names no such judge, or each problem has a verifier.
    """
    spec = line.training.evaluation.judge
    if spec is None or not is_judged(line, problems):
        return None
    unverified = [problem.problem_id for problem in problems if problem.verifier is None]
    judge = open_comparer(spec, bench.models.teacher(spec))
    rivals = [name for name in RIVALS if name in answers["model"]]
    asked = answers.filter(pl.col("problem_id").is_in(unverified), pl.col("model").is_in(["tuned", *rivals]))

    def judge_all() -> Made:
        with bench.open_ledger() as ledger:
            return Made(play_matches(asked, unverified, "tuned", rivals, lambda pairs: compare(judge, pairs, ledger, bench.spending)))

    fingerprint = take_fingerprint(["training/win_rate", "reward", "generation"], judge.describe(), [asked])
    key = asset_key(line, "evaluation")
    return keeper.keep(key, MATCHES, fingerprint, judge_all, refresh=refresh, sound=_is_answered)


def _is_answered(matches: pl.DataFrame) -> bool:
    """Whether no request was given up. Else they are put together again from the ledger, which knows whether to ask again."""
    return not matches["note"].str.contains("no answer: ", literal=True).any()


def name_win_rates(kept: Kept | None) -> dict[str, float]:
    """Figures by name: 'win_rate_tuned_<rival>' with its interval, and what says how far to trust it; '<leaf>/win_rate_tuned_<rival>'."""
    figures: dict[str, float | None] = {}
    for row in [] if kept is None else summarise_matches(kept.frame).iter_rows(named=True):
        pair = f"tuned_{row['rival']}"
        if row["leaf"] != ALL:
            figures[f"{row['leaf']}/win_rate_{pair}"] = row["win_rate"]
            continue
        figures |= {f"win_rate_{pair}": row["win_rate"], f"win_rate_{pair}_low": row["low"], f"win_rate_{pair}_high": row["high"]}
        figures |= {f"judged_{pair}": row["pairs"], f"position_inconsistency_{pair}": row["inconsistency"]}
        figures |= {f"unparsed_{pair}": row["unparsed"] / row["pairs"]}
    return show_floats(figures)


def tell_win_rate(matches: pl.DataFrame, rival: str) -> str:
    """The win rate over all leaves in a sentence for the terminal."""
    row = summarise_matches(matches).row(by_predicate=(pl.col("rival") == rival) & (pl.col("leaf") == ALL), named=True)
    doubts = [f"{row[name]} {what}" for name, what in (("flipped", "turned with the order"), ("unparsed", "unparsed")) if row[name]]
    rate = f"against {rival} {row['win_rate']:.1%} [{row['low']:.1%}, {row['high']:.1%}] of {row['pairs']} pairs"
    return f"{rate} ({', '.join(doubts)})" if doubts else rate


def show_win_rates(line: Line, kept: Kept | None) -> dict[str, Any]:
    """The table by rival and leaf, and a few pairs with what the judge said; or why there is none."""
    if kept is None:
        if line.training.evaluation.judge is None:
            return {"win_rates": "none: the line names no training.evaluation.judge, who is put answers that no verifier decides"}
        return {"win_rates": "none: each evaluation problem has a verifier, which decides"}
    table = summarise_matches(kept.frame)
    few = kept.frame.group_by("rival", "outcome", maintain_order=True).head(SAMPLES_OF_EACH)
    return {
        "win_rates": show_table(table, table.columns, rows=table.height),
        "compared": show_table(few, SHOWN, rows=few.height),
    }
