"""The keys of calibrations: what the verdicts of a judge or reward model follow from, so that figures are shown as long as they hold."""

from __future__ import annotations

from typing import Any

from factory.records import digest
from factory.reward.judging import Judge
from factory.reward_spec import Policy, RewardSpec

BOUNDS = ("min_goodness", "at_least", "at_most")
"""Keys of the policy that decide about a response by itself, whatever others there are."""


def key_of_judge(judge: Judge) -> str:
    """The key of a judge's calibrations."""
    return digest({**judge.describe(), "repeat": 0})


def key_of_reward_model(identity: str, spec: RewardSpec) -> str:
    """The key of the calibrations of the reward model with that identity."""
    leaves = [[pattern, {name: given[name] for name in BOUNDS if name in given}] for pattern, given in spec.leaves.items()]
    # A pattern without bounds keeps the leaves that it matches from those after it.
    leaves = leaves if any(given for _, given in leaves) else []
    return digest(["reward model", identity, dict(spec.weights), list_bounds(spec.policy()), leaves])


def list_bounds(policy: Policy) -> dict[str, Any]:
    """What of a policy decides about a response by itself."""
    return {name: given for name in BOUNDS if (given := getattr(policy, name)) not in (None, {})}
