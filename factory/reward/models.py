"""Opens the reward model that a line names."""

from __future__ import annotations

from pathlib import Path

from factory.faults import FactoryError
from factory.generation.spending import Spending
from factory.pico.models import model_revision, name_model
from factory.reward.local_model import LocalRewardModel
from factory.reward.rating import RewardModel
from factory.reward.served_model import ServedRewardModel
from factory.reward_spec import RewardSpec


def name_reward_model(spec: RewardSpec) -> str:
    """`<name>@<revision>` of the reward model, without opening it; empty where the line has none."""
    if spec.model is None:
        return ""
    if spec.server is not None:
        return f"{spec.model}@{spec.revision or 'served'}"
    return f"{name_model(spec.model)}@{model_revision(spec.model, spec.revision)}"


def open_reward_model(spec: RewardSpec, ledger: Path, spending: Spending | None = None) -> RewardModel:
    """The reward model of `spec`: in this process, its weights read now, or behind a server, whose ratings the ledger at `ledger` keeps;
    `spending` counts what is newly asked of it.

    Raises FactoryError where it cannot be opened, a key of its server is missing in the environment, or the line has none.
    """
    if spec.model is None:
        raise FactoryError("the line has no reward model: set reward.model.")
    if spec.server is not None:
        return ServedRewardModel(spec.model, spec.server, ledger, spec.revision, spec.price, spending)
    return LocalRewardModel(spec.model, spec.batch_size, spec.revision)
