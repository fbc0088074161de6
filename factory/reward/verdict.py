"""The one verdict on each scored candidate: accepted, or the first reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from factory.line import RewardSpec
from factory.records import VERDICT, take_examples
from factory.reward.copies import COPY_REASONS, find_copies
from factory.reward.score import PARSED
from factory.reward_spec import RewardSpec as CopySpec

ACCEPTED = "accepted"
QUALITY_REASONS = {
    "judge_refused": pl.col("refusal").is_not_null(),
    "parse_fault": ~PARSED,
    "undecidable": pl.col("verifier").is_not_null() & pl.col("verified").is_null(),
    "wrong_answer": pl.col("verifier").is_not_null() & ~pl.col("verified"),
    "unscored": pl.col("verifier").is_null() & pl.col("reward").is_null(),
}
REASONS = (*QUALITY_REASONS, "unsupported", "low_reward", "not_best", *COPY_REASONS)
"""In the order in which they are looked for.

judge_refused: a judge or filter of the flow refused it. parse_fault: a step of the flow did not parse. undecidable: the leaf has a
verifier, and it cannot tell; nothing reaches training unmeasured. wrong_answer: the verifier says wrong. unscored: longer than the reward
model reads. unsupported: says what its context does not, below `reward.min_support`. low_reward: below `reward.min_reward`.
not_best: another response to the same instruction of the same unit is better.
Then those of `find_copies`.
"""


def decide_verdicts(scored: pl.DataFrame, seeds: pl.DataFrame, spec: RewardSpec) -> pl.DataFrame:
    """SCORED rows of a whole line as VERDICT rows, in the same order; `seeds` are the line's SEED rows, topics aside.

    Copies are looked for only among what is good enough, and only what is accepted can push out a copy of itself: so a wrong or
    contaminated record never costs a right one. Records are taken by leaf, then in the order given; the first of its copies stays.
    A copy has the same instruction and context, the response does not count; `matched_id` names what it is a copy of. Of several responses
    to one instruction the best stands for all, of equals the first; of the others `matched_id` names it.
    No model is asked: another threshold in `spec` gives other verdicts from the same scores.
    """
    quality = pl.coalesce(
        *(pl.when(refused).then(pl.lit(reason)) for reason, refused in QUALITY_REASONS.items()),
        pl.when(pl.col("context").is_not_null() & (pl.col("support").fill_null(0.0) < spec.min_support)).then(pl.lit("unsupported")),
        pl.when(pl.col("verifier").is_null() & (pl.col("reward") < spec.min_reward)).then(pl.lit("low_reward")),
    )
    rows = scored.with_columns(quality.alias("reason")).with_row_index("row")
    good = rows.filter(pl.col("reason").is_null()).sort("leaf", "row", maintain_order=True)
    good, others = _choose_best(good)
    copies = pl.DataFrame(
        [*others, *(copy[:3] for copy in find_copies(good, take_examples(seeds), CopySpec(near_duplicate=spec.near_duplicate)))],
        schema={"row": rows.schema["row"], "copy": pl.String, "matched_id": pl.String},
        orient="row",
    )
    decided = rows.join(copies, on="row", how="left", maintain_order="left")
    reason = pl.coalesce("reason", "copy", pl.lit(ACCEPTED))
    verdict = pl.when(reason == ACCEPTED).then(pl.lit(ACCEPTED)).otherwise(pl.lit("rejected"))
    return decided.with_columns(verdict=verdict, reason=reason).select(*VERDICT)


def explain_refusal(row: Mapping[str, Any]) -> str:
    """What the refusing filter left to say about one VERDICT row."""
    if row["parse_fault"]:
        return f"not parsed: {row['parse_fault']}"
    if row["refusal"]:
        return f"refused: {row['refusal']}"
    if row["matched_id"]:
        return f"matches {row['matched_id']}"
    if row["verified"] is False:
        return f"verifier: {row['verifier_note'] or 'wrong'}"
    if row["reward"] is not None:
        return f"reward {row['reward']:.2f}"
    return str(row["verifier_note"] or "")


def _choose_best(good: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """The best response to each instruction, in the order of `good`; and row, reason and the best one's id of each other response.

    Responses to one instruction are those of one unit: two units that wrote the same instruction are duplicates.
    """
    unit = pl.coalesce(pl.concat_str("leaf", "instruction_id", pl.col("seed").cast(pl.String), separator="/"), "record_id")
    ranked = good.with_columns(unit=unit).sort(pl.col("goodness").fill_null(0.0), descending=True, maintain_order=True)
    ranked = ranked.with_columns(best=pl.col("record_id").first().over("unit"))
    is_best = pl.col("record_id") == pl.col("best")
    others = ranked.filter(~is_best).sort("row").select("row", pl.lit("not_best"), "best")
    return good.join(ranked.filter(is_best), on="row", how="semi", maintain_order="left"), list(others.iter_rows())
