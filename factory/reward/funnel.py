"""The funnel: how many records of each leaf came through each filter, and what to try where a filter lets nearly nothing through."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.records import FUNNEL
from factory.reward.verdict import ACCEPTED, REASONS

STAGES = {
    "parsed": ("parse_fault",),
    "judged": ("judge_refused", "unjudged", "outvoted"),
    "verified": ("undecidable", "wrong_answer", "unscored", "unsupported", "low_attribute", "low_goodness"),
    "unique": ("not_best", "not_top", "duplicate", "near_duplicate", "semantic_duplicate"),
    "accepted": ("too_deep", "personal_data", "contaminated", "holdout_overlap", "seed_copy"),
}
"""The columns of the funnel after `asked`, each with the reasons that keep a record from it."""

FILTERS = {
    "parsed": "the flow's parsers refused",
    "judged": "judges and the flow's filters refused",
    "verified": "the verifier or the reward model refused",
    "unique": "the duplicate filter refused",
    "accepted": "the checks of depth, for personal data and for copies of evaluation sets, holdout and seeds refused",
}
ADVICE = {
    "too_deep": "its teacher was trained on synthetic data (`depth` in generation.teacher), and the line takes none so far from real data; "
    "use a teacher of less depth, or raise mixing.greatest_depth",
    "parse_fault": "read a few of its rows in `rejected`: the teacher does not keep to the flow's format; try a lower temperature, "
    "a higher max_new_tokens or another prompt",
    "judge_refused": "read the refusals of a few of its rows in `rejected`: the teacher writes what the flow's judge does not want, or the "
    "judge is too strict; use a stronger teacher, measure the judge, or lower its min_score in the flow",
    "unjudged": "its judges answer in no form that their rubric reads; read the notes of `votes` in `rejected`, and use a judge that keeps "
    "to the form, or a simpler rubric",
    "outvoted": "read the votes of a few of its rows in `rejected`; measure the judges with `factory calibrate`, lower min_score of "
    "reward.judges if they are too strict, else use a stronger teacher",
    "undecidable": "read a few of its instructions in `rejected`: they are not of the form that the leaf's verifier knows; "
    "add seed examples in that form, lower generation.instruction.temperature, or extend the verifier",
    "wrong_answer": "the teacher cannot do this task well; lower generation.response.temperature, ask for more candidates, "
    "or use a stronger teacher",
    "unscored": "read reward_note of a few of its rows in `rejected`: where its texts are longer than the reward model reads, lower "
    "seeds.chunk_tokens or use one with a longer context; where its server gave up, `factory run --ask-failed-again`",
    "unsupported": "the teacher answers with what its text does not say; use a teacher that reads better, shorter chunks "
    "(seeds.chunk_tokens), or lower reward.min_support if its paraphrases are good",
    "low_attribute": "read a few of its rows in `rejected`; widen reward.at_least or reward.at_most if they are good, else use a stronger "
    "teacher",
    "low_goodness": "read a few of its rows in `rejected`; lower reward.min_goodness if they are good, else use a stronger teacher",
    "personal_data": "the teacher writes personal data, or a document holds it: `matched_by` in `rejected` names its types; give "
    "validation.personal_data.policy: redact to keep the records without it, or leave a type that is no such data here out of its types",
    "not_top": "only the best part of a leaf is kept; raise reward.top_share for more",
    "contaminated": "the teacher repeats what models are evaluated on, or a document does: read in `rejected` what its rows "
    "matched, and leave that document out or use another teacher",
    "holdout_overlap": "the teacher repeats what is kept for evaluation: it may have been trained on it; use another teacher",
    "seed_copy": "the teacher copies its examples; raise generation.instruction.temperature or add more varied seed examples",
    "not_best": "of several responses to an instruction the best one is taken; the others serve preference pairs. For more records lower "
    "generation.responses_per_instruction",
    "duplicate": "the teacher repeats itself; raise generation.instruction.temperature, add more varied seed examples, "
    "or ask for fewer candidates",
    "near_duplicate": "the teacher hardly varies its instructions; raise generation.instruction.temperature, "
    "add more varied seed examples, or raise reward.near_duplicate",
    "semantic_duplicate": "the teacher asks the same in other words; add more varied seed examples or topics, or raise "
    "reward.semantic.similarity",
}
NEARLY_ALL = 0.9
"""Share of the records reaching a filter from which a hint is given if it refuses them."""
LEAST_RECORDS = 10
"""Records that must reach a filter before its share says anything."""


def count_funnel(verdicts: pl.DataFrame) -> pl.DataFrame:
    """VERDICT rows as FUNNEL rows, one for each leaf, by name. Of equally common reasons the one that is looked for first is named."""
    through = [pl.len().alias("asked")]
    refusing: list[str] = []
    for stage, reasons in STAGES.items():
        refusing += reasons
        through.append((~pl.col("reason").is_in(refusing)).sum().alias(stage))
    counts = verdicts.group_by("leaf").agg(through)
    order = pl.col("reason").replace_strict(list(REASONS), list(range(len(REASONS))), return_dtype=pl.Int64)
    refused = verdicts.filter(pl.col("reason") != ACCEPTED).group_by("leaf", "reason").agg(pl.len().alias("count"))
    most = refused.sort("leaf", -pl.col("count").cast(pl.Int64), order).group_by("leaf", maintain_order=True).first()
    named = counts.join(most.select("leaf", most_refused_by="reason"), on="leaf", how="left")
    return named.select(pl.col(name).cast(kind) for name, kind in FUNNEL.items()).sort("leaf")


def hints(funnel: pl.DataFrame) -> list[str]:
    """A sentence for each leaf of which nothing was accepted, or one filter refuses nearly all: leaf, filter, share, what to try."""
    found = []
    for row in funnel.sort("leaf").iter_rows(named=True):
        _, reached, passed = _narrowest(row)
        refused = reached - passed
        nothing = row["accepted"] == 0
        if not nothing and (reached < LEAST_RECORDS or refused < NEARLY_ALL * reached):
            continue
        start = f"{row['leaf']}: nothing was accepted; " if nothing else f"{row['leaf']}: "
        found.append(f"{start}{explain_loss(row)}.")
    return found


def explain_loss(row: dict[str, Any]) -> str:
    """Of a FUNNEL row, the filter that lets the smallest share through, how many it refused, and what to try."""
    stage, reached, passed = _narrowest(row)
    refused = reached - passed
    if not refused:
        return "no filter refused anything"
    return f"{FILTERS[stage]} {refused} of {reached} ({refused / reached:.0%}){_advise(stage, row['most_refused_by'])}"


def _narrowest(row: dict[str, Any]) -> tuple[str, int, int]:
    return min(_steps(row), key=lambda step: step[2] / step[1] if step[1] else 1.0)


def _advise(stage: str, commonest: str) -> str:
    """What to try; where the leaf's commonest reason is of another filter, the funnel does not say which of this one's it was."""
    if commonest in STAGES[stage]:
        return f", most often by {commonest}: {ADVICE[commonest]}"
    if len(STAGES[stage]) == 1:
        return f": {ADVICE[STAGES[stage][0]]}"
    return f"; look in `rejected` which it was: {', '.join(STAGES[stage])}"


def _steps(row: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Each stage with the records that reached it and that passed it."""
    names = ["asked", *STAGES]
    return [(stage, row[before], row[stage]) for before, stage in zip(names, STAGES, strict=False)]
