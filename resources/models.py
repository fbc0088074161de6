"""The models of a line, opened when first needed and kept open for the length of a run."""

from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg

from factory.line import RewardSpec, TeacherSpec

if TYPE_CHECKING:
    from factory.generation.local_teacher import LocalTeacher
    from factory.reward.model import RewardModel


class Models(dg.ConfigurableResource[None]):
    """Opens what a line names as its teacher and its reward model."""

    def teacher(self, spec: TeacherSpec) -> "LocalTeacher":
        """The teacher; its weights are read when it is first asked. Raises FactoryError where there is no such model."""
        return _open_teacher(spec.model, spec.revision, spec.batch_size)

    def reward(self, spec: RewardSpec) -> "RewardModel":
        """The reward model, its weights read now. Raises FactoryError where it cannot be opened."""
        return _open_reward(spec.model, spec.batch_size)


@lru_cache(maxsize=4)
def _open_teacher(model: str, revision: str | None, batch_size: int) -> "LocalTeacher":
    from factory.generation.local_teacher import LocalTeacher

    return LocalTeacher(model, revision, batch_size)


@lru_cache(maxsize=4)
def _open_reward(model: str, batch_size: int) -> "RewardModel":
    from factory.reward.model import RewardModel

    return RewardModel(model, batch_size)
