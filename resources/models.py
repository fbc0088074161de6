"""The models of a line, opened when first needed and kept open for the length of a run, and what the run spends on them."""

from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg

from factory.generation.spending import Spending
from factory.line import BudgetSpec, GenerationSpec
from factory.model_spec import TeacherSpec
from factory.reward_spec import RewardSpec

if TYPE_CHECKING:
    from pathlib import Path

    from factory.generation.local_teacher import LocalTeacher
    from factory.generation.server_teacher import ServerTeacher
    from factory.reward.rating import RewardModel


class Models(dg.ConfigurableResource[None]):
    """Opens what a line names as its teacher and its reward model."""

    def teacher(self, spec: TeacherSpec) -> "LocalTeacher | ServerTeacher":
        """The teacher or judge; its weights are read, or its server is asked, when it is first needed.

        Raises FactoryError where there is no such model, or where the key of its server is missing in the environment.
        """
        return _open_teacher(spec.model_dump_json(include={*TeacherSpec.model_fields} - {"weight", "depth", "price"}))

    def spending(self, spec: GenerationSpec, run: str) -> Spending:
        """What the run of that id has newly spent so far, held against the line's budget: one count for all that ask with the same id."""
        return _open_spending(_write_budget(spec), run)

    def reward(self, spec: RewardSpec, ledger: "Path", paid_by: GenerationSpec, run: str) -> "RewardModel":
        """The reward model: its weights are read now, or, behind a server, what it answers is kept in the ledger at `ledger`.

        What is newly asked counts as spent by the run of that id, from the budget of `paid_by`.

        Raises FactoryError where it cannot be opened, or where the key of its server is missing in the environment.
        """
        read = spec.model_dump_json(include={"model", "revision", "server", "batch_size", "price"})
        # A model in this process costs nothing, so runs share it.
        budget = (_write_budget(paid_by), run) if spec.server else None
        return _open_reward(read, ledger, budget)


@lru_cache(maxsize=8)
def _open_teacher(spec_json: str) -> "LocalTeacher | ServerTeacher":
    """One object for all that name the same model in the same way; the JSON of the spec can be hashed, the spec cannot."""
    from factory.generation.teachers import open_teacher

    return open_teacher(TeacherSpec.model_validate_json(spec_json))


@lru_cache(maxsize=16)
def _open_spending(budget_json: str, run: str) -> Spending:
    return Spending(BudgetSpec.model_validate_json(budget_json) if budget_json else None)


@lru_cache(maxsize=4)
def _open_reward(spec_json: str, ledger: "Path", budget: tuple[str, str] | None) -> "RewardModel":
    from factory.reward.models import open_reward_model

    return open_reward_model(RewardSpec.model_validate_json(spec_json), ledger, _open_spending(*budget) if budget else None)


def _write_budget(spec: GenerationSpec) -> str:
    return spec.budget.model_dump_json() if spec.budget else ""
