"""Win rates: which of two models' answers a judge prefers, in both orders, on the problems that no verifier decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from factory.reward.agreement import FEWEST
from factory.reward.judges import Compare, Preference
from factory.training.statistics import ALL, mcnemar, resample_leaves
from factory.validation.intervals import CONFIDENCE, wilson

MATCH: dict[str, Any] = {
    "problem_id": pl.String,
    "leaf": pl.String,
    "language": pl.String,
    "rival": pl.String,  # whom the model's answer is compared with, such as "base"
    "instruction": pl.String,
    "context": pl.String,
    "response": pl.String,  # the model's
    "rival_response": pl.String,
    "outcome": pl.String,  # of OUTCOMES
    "flipped": pl.Boolean,  # whether the judge said otherwise in the other order; null where it was not asked or did not parse
    "note": pl.String,  # why an answer did not parse
}
"""Two answers to one problem, and what the judge said of them."""

OUTCOMES = ("win", "loss", "tie", "same", "unparsed")
"""Of the model: preferred in both orders; the rival's preferred in both; anything else that parsed; the same words, for which the judge is
not asked; an answer of the judge that did not parse."""

WIN_RATE: dict[str, Any] = {
    "rival": pl.String,
    "leaf": pl.String,  # or ALL
    "pairs": pl.Int64,
    "wins": pl.Int64,
    "losses": pl.Int64,
    "ties": pl.Int64,
    "same": pl.Int64,
    "unparsed": pl.Int64,
    "flipped": pl.Int64,  # of the ties
    "win_rate": pl.Float64,  # (wins + half of all that is neither won nor lost) / pairs
    "low": pl.Float64,
    "high": pl.Float64,
    "p_value": pl.Float64,
    "inconsistency": pl.Float64,  # share of what parsed in both orders of which the order changed what was said; null of none
}
"""Win rate by rival and leaf, and over all leaves."""

_POINTS = {"win": 1, "loss": -1}


def play_matches(answers: pl.DataFrame, problems: Collection[str], model: str, rivals: Sequence[str], compare: Compare) -> pl.DataFrame:
    """A MATCH for each rival and each problem whose id is in `problems`, in the order of `answers` (records.ANSWER), where both answered.

    `compare` is asked once for all of them. Answers of the same words are not put to it. Raises what it raises.
    """
    asked = answers.filter(pl.col("problem_id").is_in(list(problems)))
    own = asked.filter(model=model).drop("model")
    pairs = [
        own.join(
            asked.filter(model=rival).select("problem_id", rival_response="response"), on="problem_id", maintain_order="left"
        ).with_columns(rival=pl.lit(rival))
        for rival in rivals
    ]
    rows = pl.concat(pairs).to_dicts() if pairs else []
    unlike = [row for row in rows if row["response"] != row["rival_response"]]
    said = iter(compare([(show_answer(row, row["response"]), show_answer(row, row["rival_response"])) for row in unlike]))
    judged = [row | _tell(None if row["response"] == row["rival_response"] else next(said)) for row in rows]
    return pl.DataFrame([{name: row[name] for name in MATCH} for row in judged], schema=MATCH)


def summarise_matches(matches: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """WIN_RATE of MATCH rows, sorted by rival and leaf.

    What is no win for either, unparsed pairs among them, counts half, so that the two models' rates add up to 1 and a judge that cannot
    decide says 0.5. The interval over all leaves is the percentile bootstrap with problems resampled within their leaf, as of accuracies
    (factory.training.statistics.compare). Of a single leaf, of fewer than FEWEST pairs and where all pairs came out alike it is Wilson's,
    since resampling gives back the few values that there are. The p-value is of the exact sign test, wins against losses.
    """
    scored = matches.with_columns(difference=pl.col("outcome").replace_strict(_POINTS, default=0, return_dtype=pl.Int8))
    rows = []
    for (rival,), of_rival in scored.sort("rival", "leaf", "problem_id").group_by("rival", maintain_order=True):
        rows += [_summarise(str(rival), str(leaf), part, seed) for (leaf,), part in of_rival.group_by("leaf", maintain_order=True)]
        rows.append(_summarise(str(rival), ALL, of_rival, seed))
    return pl.DataFrame(rows, schema=WIN_RATE)


def show_answer(row: Mapping[str, Any], response: str) -> dict[str, Any]:
    """The columns of a CANDIDATE row that a judge is shown of an answer to the problem of `row`."""
    shown = {name: row[name] for name in ("leaf", "language", "instruction", "context")}
    return shown | {"record_id": row["problem_id"], "response": response, "turns": None}


def _tell(said: Preference | None) -> dict[str, Any]:
    """The outcome for the model, whose answer is `a` of the preference; None: the answers are the same."""
    if said is None:
        return {"outcome": "same", "flipped": None, "note": None}
    if said.verdict is None:
        return {"outcome": "unparsed", "flipped": None, "note": said.note}
    outcome = {"a": "win", "b": "loss", "tie": "tie"}[said.verdict]
    return {"outcome": outcome, "flipped": said.forward != said.backward, "note": said.note}


def _summarise(rival: str, leaf: str, matches: pl.DataFrame, seed: int) -> dict[str, Any]:
    counts = {outcome: int((matches["outcome"] == outcome).sum()) for outcome in OUTCOMES}
    size, flipped = matches.height, int(matches["flipped"].sum())
    points = counts["win"] + (size - counts["win"] - counts["loss"]) / 2
    if leaf != ALL or size < FEWEST or matches["difference"].n_unique() == 1:
        low, high = wilson(points, size)
    else:
        rates = 0.5 + sum(resample_leaves(matches, seed)) / (2 * size)
        low, high = np.quantile(rates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    parsed = size - counts["same"] - counts["unparsed"]
    return {
        "rival": rival,
        "leaf": leaf,
        "pairs": size,
        "wins": counts["win"],
        "losses": counts["loss"],
        "ties": counts["tie"],
        "same": counts["same"],
        "unparsed": counts["unparsed"],
        "flipped": flipped,
        "win_rate": points / size,
        "low": float(low),
        "high": float(high),
        "p_value": mcnemar(counts["win"], counts["loss"]),
        "inconsistency": flipped / parsed if parsed else None,
    }
