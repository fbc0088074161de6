"""What of a line's reward section scores and verdicts follow from, as data for a fingerprint."""

from __future__ import annotations

from typing import Any

from factory.pico.models import identify_model
from factory.reward.evaluation_sets import digest_sets
from factory.reward_spec import RewardSpec

OTHERS = {"model", "revision", "server", "price", "batch_size", "judges", "pairs", "contamination", "semantic"}
"""Keys that no verdict follows from, given the scores, and those that stand for a file or a model."""


def describe_verdict(spec: RewardSpec) -> dict[str, Any]:
    """What verdicts follow from beside the scores: the policy, what the evaluation sets hold, and which embedder looks for copies.

    Raises InputFaults for an evaluation set that cannot be read.
    """
    semantic = spec.semantic and [identify_model(spec.semantic.embedder), spec.semantic.similarity]
    return {
        **spec.model_dump(exclude=OTHERS),
        "contamination": [spec.contamination.ngram, digest_sets(spec.contamination)],
        "semantic": semantic,
    }
