"""Scores candidates: a verifier where the leaf names one, the reward model where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from factory.records import SCORED
from factory.reward.model import Pair, RewardModel, user_text
from factory.reward.support import measure_support
from factory.reward.verifiers import Check, join_checks, verify, verify_constraint

PARSED = pl.col("parse_fault").is_null() & pl.col("instruction").is_not_null() & pl.col("response").is_not_null()
"""Whether a row holds an instruction and a response that can be judged."""
KEPT = PARSED & pl.col("refusal").is_null()
"""Of these rows those that the flow's own judges and filters kept."""
JUDGED = ("verifier", "verifier_settings", "constraint", "instruction", "context", "response")


def score_candidates(candidates: pl.DataFrame, reward_model: Callable[[], RewardModel]) -> pl.DataFrame:
    """CANDIDATE rows as SCORED rows, in the same order.

    A row that did not parse, or that its flow refused, gets no score. `reward_model` opens the model, and is called only if a row needs it:
    one that was kept and names no verifier. A null reward beside a reward model's name says that the row is longer than the model reads.
    Raises FactoryError for an unknown verifier, and what the reward model raises.
    """
    judged = candidates.select(*JUDGED, parsed=KEPT).to_dicts()
    checks = [_check(row) for row in judged]
    asked = [index for index, row in enumerate(judged) if row["parsed"] and row["verifier"] is None]
    rewards: list[float | None] = [None] * len(judged)
    models: list[str | None] = [None] * len(judged)
    if asked:
        model = reward_model()
        pairs = [Pair(user_text(judged[index]["instruction"], judged[index]["context"]), judged[index]["response"]) for index in asked]
        for index, reward in zip(asked, model.score(pairs), strict=True):
            rewards[index], models[index] = reward, f"{model.name}@{model.revision}"
    scores = pl.DataFrame(
        {
            "verified": [check.right if check else None for check in checks],
            "verifier_note": [check.note or None if check else None for check in checks],
            "reward": rewards,
            "reward_model": models,
            "support": [measure_support(row["response"], row["context"]) if row["parsed"] and row["context"] else None for row in judged],
        },
        schema={name: SCORED[name] for name in ("verified", "verifier_note", "reward", "reward_model", "support")},
    )
    goodness = pl.coalesce(pl.col("verified").cast(pl.Float64), "reward").alias("goodness")
    return candidates.hstack(scores).with_columns(goodness).select(*SCORED)


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
