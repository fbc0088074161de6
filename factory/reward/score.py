"""Scores candidates: a verifier where the leaf names one, the reward model and the judges where the line's scope says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.generation.spending import BudgetSpentError
from factory.records import SCORED
from factory.reward.judges import Vote, Voter
from factory.reward.rating import Rating, RewardModel, read_dialogue
from factory.reward.support import measure_support
from factory.reward.verifiers import Check, join_checks, verify, verify_constraint
from factory.reward_spec import RewardSpec

TOO_LONG = "longer than the reward model reads"
PARSED = pl.col("parse_fault").is_null() & pl.col("instruction").is_not_null() & pl.col("response").is_not_null()
"""Whether a row holds an instruction and a response that can be judged."""
KEPT = PARSED & pl.col("refusal").is_null()
"""Of these rows those that the flow's own judges and filters kept."""
READ = ("record_id", "leaf", "language", "verifier", "verifier_settings", "constraint", "instruction", "context", "response", "turns")
"""Columns that scoring reads."""


def score_candidates(
    candidates: pl.DataFrame, spec: RewardSpec, reward_model: Callable[[], RewardModel], judges: Voter | None = None
) -> pl.DataFrame:
    """CANDIDATE rows as SCORED rows, in the same order.

    A row that did not parse, or that its flow refused, gets no score. `reward_model` opens the model, and is called only if a row needs it:
    one that was kept and, in the scope "unverified", names no verifier. `reward_note` says why a row that it was asked about has neither
    reward nor attributes. `judges` gives the votes of the line's judges on the same rows, as Panel.vote does.
    Raises FactoryError for an unknown verifier and for a line of judges without them, and what reward model and judges raise.
    """
    if spec.judges and judges is None:
        raise FactoryError("the line names judges, and nobody was given to ask them: give score_candidates the votes of a Panel.")
    judged = candidates.select(*READ, parsed=KEPT).to_dicts()
    checks = [_check(row) for row in judged]
    asked = [index for index, row in enumerate(judged) if row["parsed"] and (spec.scope == "all" or row["verifier"] is None)]
    ratings: list[Rating | None] = [None] * len(judged)
    models: list[str | None] = [None] * len(judged)
    if asked and spec.model is not None:
        model = reward_model()
        try:
            rated = model.rate([read_dialogue(judged[index]) for index in asked])
        except BudgetSpentError as error:
            raise BudgetSpentError(error.spent, f"leaf {judged[asked[0]]['leaf']}: {error.left}") from None
        for index, rating in zip(asked, rated, strict=True):
            ratings[index], models[index] = rating, model.identity
    votes: list[list[Vote]] = [[] for _ in judged]
    if asked and spec.judges and judges is not None:
        for index, cast in zip(asked, judges([judged[index] for index in asked]), strict=True):
            votes[index] = cast
    scores = {
        "verified": [check.right if check else None for check in checks],
        "verifier_note": [check.note or None if check else None for check in checks],
        "reward": [rating.reward if rating else None for rating in ratings],
        "attributes": [dict(rating.attributes) if rating and rating.attributes else None for rating in ratings],
        "reward_model": models,
        "reward_note": [(rating.note if rating else TOO_LONG) if model else None for rating, model in zip(ratings, models, strict=True)],
        "support": [measure_support(row["response"], row["context"]) if row["parsed"] and row["context"] else None for row in judged],
        "votes": [[{name: value for name, value in vote.items() if name != "usage"} for vote in cast] for cast in votes],
        "scoring": [
            [*([rating.usage] if rating and rating.usage else []), *(request for vote in cast for request in vote.get("usage", ()))]
            for rating, cast in zip(ratings, votes, strict=True)
        ],
    }
    return candidates.hstack(pl.DataFrame(scores, schema={name: SCORED[name] for name in scores})).select(*SCORED)


def _check(row: dict[str, Any]) -> Check | None:
    """What the leaf's verifier and the record's own constraint say together; null where there is neither."""
    if not row["parsed"]:
        return None
    checks = []
    if row["verifier"] is not None:
        checks.append(verify(row["verifier"], row["instruction"], row["response"], settings=row["verifier_settings"]))
    if row["constraint"] is not None:
        checks.append(verify_constraint(row["constraint"], row["instruction"], row["response"]))
    return join_checks(checks) if checks else None
