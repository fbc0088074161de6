"""Opens the reward model that a line names."""

from __future__ import annotations

from factory.faults import FactoryError
from factory.pico.models import model_revision
from factory.reward.local_model import LocalRewardModel
from factory.reward.rating import RewardModel
from factory.reward_spec import RewardSpec

NOT_JUDGING = {"model", "revision", "server", "batch_size", "judges", "pairs"}
"""Keys of the section that say which models are asked and how, or what pairs are made, and nothing of what follows from scores."""


def name_reward_model(spec: RewardSpec) -> str:
    """`<name>@<revision>` of the reward model, without opening it; empty where the line has none."""
    if spec.model is None:
        return ""
    return f"{spec.model}@{spec.revision or 'served' if spec.server else model_revision(spec.model, spec.revision)}"


def open_reward_model(spec: RewardSpec) -> RewardModel:
    """The reward model of `spec`, its weights read now. Raises FactoryError where it cannot be opened, or the line has none."""
    if spec.model is None:
        raise FactoryError("the line has no reward model: set reward.model.")
    return LocalRewardModel(spec.model, spec.batch_size, spec.revision)
