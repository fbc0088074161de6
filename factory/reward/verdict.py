"""The one verdict on each scored candidate: accepted, or the first reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.personal_data.records import list_types
from factory.personal_data.spec import PersonalDataSpec
from factory.records import VERDICT
from factory.reward.copies import COPY_REASONS, find_copies
from factory.reward.score import PARSED
from factory.reward_spec import ATTRIBUTES, RewardSpec

ACCEPTED = "accepted"
GOOD_VOTES = pl.col("votes").list.eval(pl.element().struct.field("good") == True).list.sum()  # noqa: E712
BAD_VOTES = pl.col("votes").list.eval(pl.element().struct.field("good") == False).list.sum()  # noqa: E712
VOTED = pl.col("votes").list.len().fill_null(0) > 0
RATED = pl.col("reward").is_not_null() | pl.col("attributes").is_not_null()

SCORE = (
    pl.when(RATED)
    .then("goodness")
    .when(pl.col("reward_model").is_null() & (GOOD_VOTES + BAD_VOTES > 0))
    .then(GOOD_VOTES / (GOOD_VOTES + BAD_VOTES))
)
"""What the reward model, or else the judges, say of a row with its goodness; null where nobody was asked, or no answer was a score."""

REASONS = (
    "too_deep",
    "judge_refused",
    "parse_fault",
    "unjudged",
    "outvoted",
    "undecidable",
    "wrong_answer",
    "unscored",
    "unsupported",
    "low_attribute",
    "low_goodness",
    "personal_data",
    "not_best",
    "not_top",
    *COPY_REASONS,
)
"""In the order in which they are looked for.

too_deep: further from real data than the line's `mixing.greatest_depth`, whatever its scores. judge_refused: a judge or filter of the flow
refused it. parse_fault: a step of the flow did not parse. unjudged: no judge's answer parsed. outvoted: not more of the judges call it good
than bad. undecidable: the leaf has a verifier, or the record a constraint, and it cannot be told; nothing reaches training unmeasured.
wrong_answer: the verifier says wrong, or the constraint is not kept. unscored: longer than the reward model reads, given up by its server,
or asked of nobody. unsupported: says what its context does not, below `min_support`. low_attribute: outside `at_least` and `at_most`.
low_goodness: below `min_goodness`. personal_data: holds some, and the line refuses it; `matched_by` names its types. not_best: another
response to the same instruction of the same unit is better. not_top: outside the leaf's `top_share`.
Then the reasons of factory.reward.copies.
"""


def decide_verdicts(
    scored: pl.DataFrame,
    seeds: pl.DataFrame,
    spec: RewardSpec,
    personal_data: PersonalDataSpec | None = None,
    greatest_depth: int | None = None,
) -> pl.DataFrame:
    """SCORED rows of a whole line as VERDICT rows, in the same order; `seeds` are the line's SEED rows, topics aside.

    Copies are looked for only among what is good enough, and only what is accepted can push out a copy of itself: so a wrong or
    contaminated record never costs a right one. Records are taken by leaf, then in the order given; the first of its copies stays.
    A copy has the same instruction and context, the response does not count; `matched_id` names what it is a copy of. Of several responses
    to one instruction the best stands for all, of equals the first; of the others `matched_id` names it. Better is what the verifier calls
    right, unless the policy ignores it, then what has the greater goodness. No model is asked: another policy in `spec`, or another
    `greatest_depth`, gives other verdicts from the same scores. Personal data is looked for in what is good enough, before the best is
    chosen: so a response that holds some never costs one that holds none.
    Raises FactoryError where attributes were rated and the policy of their leaf sets no bound on them, and what reads an evaluation set.
    """
    rows = _with_policies(scored.with_columns(goodness=_weigh(spec)), spec).with_row_index("row")
    rows = rows.with_columns(_look_for_faults(greatest_depth).alias("reason"))
    good = rows.filter(pl.col("reason").is_null()).sort("leaf", "row", maintain_order=True)
    good, holding = _refuse_personal_data(good, personal_data or PersonalDataSpec())
    good, others = _choose_best(good)
    good, below = _choose_top(good)
    kind = rows.schema["row"]
    found = pl.DataFrame(
        [*holding, *others, *below, *find_copies(good, seeds.drop_nulls("answer"), spec)],
        schema={"row": kind, "copy": pl.String, "matched_id": pl.String, "matched_by": pl.String},
        orient="row",
    )
    decided = rows.join(found, on="row", how="left", maintain_order="left")
    reason = pl.coalesce("reason", "copy", pl.lit(ACCEPTED))
    verdict = pl.when(reason == ACCEPTED).then(pl.lit(ACCEPTED)).otherwise(pl.lit("rejected"))
    return decided.with_columns(verdict=verdict, reason=reason).select(*VERDICT)


def decide_alone(scored: pl.DataFrame, spec: RewardSpec) -> pl.DataFrame:
    """`goodness` and `reason` of SCORED rows, in the same order, by what lies in each row itself: null for one that is good enough.

    How deep it is does not count.

    Raises FactoryError as decide_verdicts.
    """
    rows = _with_policies(scored.with_columns(goodness=_weigh(spec)), spec)
    return rows.select("goodness", _look_for_faults(None).alias("reason"))


def explain_refusal(row: Mapping[str, Any]) -> str:
    """What the refusing filter left to say about one VERDICT row."""
    if row["reason"] == "too_deep":
        return f"of depth {row['depth']}"
    if row["parse_fault"]:
        return f"not parsed: {row['parse_fault']}"
    if row["refusal"]:
        return f"refused: {row['refusal']}"
    if row["reason"] == "personal_data":
        return f"holds {row['matched_by']}"
    if row["matched_id"]:
        return f"matches {row['matched_id']}" + (f" ({row['matched_by']})" if row["matched_by"] else "")
    if row["reason"] in {"unjudged", "outvoted"}:
        return "; ".join(_explain_vote(vote) for vote in row["votes"])
    if row["reason"] == "unscored":
        return str(row["reward_note"] or "no reward model was asked")
    if row["verified"] is False:
        return f"verifier: {row['verifier_note'] or 'wrong'}"
    if row["attributes"]:
        values = ", ".join(f"{name} {value:.2f}" for name, value in row["attributes"].items())
        return f"goodness {row['goodness']:.2f} ({values})"
    if row["reward"] is not None:
        return f"reward {row['reward']:.2f}"
    return str(row["verifier_note"] or "")


def _explain_vote(vote: Mapping[str, Any]) -> str:
    said = f"score {vote['score']:g}" if vote["score"] is not None else f"not parsed: {vote['note']}"
    return f"{vote['judge']} by {vote['rubric']}: {said}"


def _weigh(spec: RewardSpec) -> pl.Expr:
    weighted = pl.sum_horizontal(pl.col("attributes").struct.field(name) * weight for name, weight in spec.weights.items())
    return pl.coalesce(
        pl.when(pl.col("attributes").is_not_null()).then(weighted),
        pl.col("reward"),
        # Of a record without a verifier it says only that its constraint holds.
        pl.when(pl.col("verifier").is_not_null()).then(pl.col("verified").cast(pl.Float64)),
        pl.when(GOOD_VOTES + BAD_VOTES > 0).then(GOOD_VOTES / (GOOD_VOTES + BAD_VOTES)),
    )


def _with_policies(scored: pl.DataFrame, spec: RewardSpec) -> pl.DataFrame:
    """The rows with the policy of their leaf in columns of its names, `policy_...`."""
    policies = {leaf: spec.policy(leaf) for leaf in scored["leaf"].unique().sort()}
    rated = scored.filter(pl.col("attributes").is_not_null())["leaf"].unique().sort()
    if unbound := next((leaf for leaf in rated if not policies[leaf].bounds_attributes), None):
        raise FactoryError(
            f"leaf {unbound}: the reward model gives five attributes, and the line says not from which values on a record is good enough. "
            "Set reward.min_goodness, reward.at_least, reward.at_most or reward.top_share."
        )
    bounds = {f"{side}_{name}": pl.Float64 for side in ("at_least", "at_most") for name in ATTRIBUTES}
    schema = {"leaf": pl.String, "verifier": pl.String, "keep": pl.String, "top_share": pl.Float64, "min_support": pl.Float64}
    schema |= {"min_goodness": pl.Float64} | bounds
    columns = [
        {
            "leaf": leaf,
            **policy.model_dump(include={"verifier", "keep", "top_share", "min_support", "min_goodness"}),
            **{f"at_least_{name}": least for name, least in policy.at_least.items()},
            **{f"at_most_{name}": most for name, most in policy.at_most.items()},
        }
        for leaf, policy in policies.items()
    ]
    frame = pl.DataFrame(columns, schema=schema).rename({name: f"policy_{name}" for name in schema if name != "leaf"})
    return scored.join(frame, on="leaf", how="left", maintain_order="left")


def _look_for_faults(greatest_depth: int | None) -> pl.Expr:
    """The first reason that lies in a row itself; null for one that is good enough."""
    verifier, has_verifier = pl.col("policy_verifier"), pl.col("verifier").is_not_null()
    checked = has_verifier | pl.col("constraint").is_not_null()
    left_to_model = ~has_verifier | (verifier == "ignored") | ((verifier == "refutes") & pl.col("verified").is_null())
    outside = [
        (pl.col("attributes").struct.field(name) < pl.col(f"policy_at_least_{name}"))
        | (pl.col("attributes").struct.field(name) > pl.col(f"policy_at_most_{name}"))
        for name in ATTRIBUTES
    ]
    least = pl.coalesce("policy_min_goodness", pl.when(pl.col("reward").is_not_null()).then(0.0))
    refused = {
        "too_deep": pl.lit(False) if greatest_depth is None else pl.col("depth") > greatest_depth,
        "judge_refused": pl.col("refusal").is_not_null(),
        "parse_fault": ~PARSED,
        "unjudged": VOTED & (GOOD_VOTES + BAD_VOTES == 0),
        "outvoted": VOTED & (GOOD_VOTES <= BAD_VOTES),
        "undecidable": checked & (verifier == "decides") & pl.col("verified").is_null(),
        "wrong_answer": checked & (verifier != "ignored") & ~pl.col("verified"),
        "unscored": left_to_model & ~RATED & (pl.col("reward_model").is_not_null() | ~VOTED),
        "unsupported": pl.col("context").is_not_null() & (pl.col("support").fill_null(0.0) < pl.col("policy_min_support")),
        "low_attribute": pl.any_horizontal(*(each.fill_null(False) for each in outside)),
        "low_goodness": RATED & (pl.col("goodness") < least),
    }
    return pl.coalesce(*(pl.when(rule).then(pl.lit(reason)) for reason, rule in refused.items()))


def _refuse_personal_data(good: pl.DataFrame, spec: PersonalDataSpec) -> tuple[pl.DataFrame, list[tuple[int, str, None, str]]]:
    """What holds none that the line refuses, in the order of `good`; and row, reason and types of the others."""
    types = list_types(good, spec)
    holds = pl.col("record_id").is_in(list(types))
    refused = [
        (row, "personal_data", None, ", ".join(types[record_id])) for row, record_id in good.filter(holds)["row", "record_id"].rows()
    ]
    return good.filter(~holds), refused


def _choose_best(good: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str, str, None]]]:
    """The best response to each instruction, in the order of `good`; and row, reason and the best one's id of each other response.

    Responses to one instruction are those of one unit: two units that wrote the same instruction are duplicates.
    """
    unit = pl.coalesce(pl.concat_str("leaf", "instruction_id", pl.col("seed").cast(pl.String), separator="/"), "record_id")
    ranked = good.with_columns(unit=unit).sort(*_worth(), descending=True, maintain_order=True)
    ranked = ranked.with_columns(best=pl.col("record_id").first().over("unit"))
    chosen = (pl.col("record_id") == pl.col("best")) | (pl.col("policy_keep") == "all")
    others = (
        ranked.filter(~chosen).sort("row").select("row", pl.lit("not_best").alias("reason"), "best", pl.lit(None, pl.String).alias("by"))
    )
    return good.join(ranked.filter(chosen), on="row", how="semi", maintain_order="left"), list(others.iter_rows())


def _choose_top(good: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str, None, None]]]:
    """The best `top_share` of each leaf, rounded up, in the order of `good`; and row and reason of the others. Of equals the first stay."""
    ranked = good.sort(*_worth(), descending=True, maintain_order=True)
    place = pl.int_range(pl.len()).over("leaf")
    # Rounded first: 0.07 of 100 is 7, and not the 8 that floating point makes of it.
    top = ranked.filter(place < (pl.col("policy_top_share") * pl.len().over("leaf")).round(9).ceil())
    below = good.join(top, on="row", how="anti", maintain_order="left")
    return good.join(top, on="row", how="semi", maintain_order="left"), [(row, "not_top", None, None) for row in below["row"]]


def _worth() -> tuple[pl.Expr, pl.Expr]:
    """What is better comes first, sorted downwards by these."""
    right = pl.col("verified").fill_null(False) & (pl.col("policy_verifier") != "ignored")
    return right, pl.col("goodness").fill_null(float("-inf"))
