"""The judges and reward model of a line as the graph asks them: opened once, answers in the line's ledger, their cost in the budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from factory.generation.ledger import Ledger
from factory.generation.spending import Spending
from factory.line import Line
from factory.reward.judges import Panel, Preference, Vote, compare, open_comparer, open_judges
from factory.reward.judging import Judge, Row
from factory.reward.rating import RewardModel
from resources.home import find_home
from resources.models import Models


@dataclass(frozen=True)
class Bench:
    """The judges and reward model of `line`. `run`: the id by which their spending is counted, with that of the teachers."""

    line: Line
    models: Models
    run: str

    @cached_property
    def judges(self) -> list[Judge]:
        """Those that vote."""
        return open_judges(self.line.reward.judges, self.models.teacher)

    @cached_property
    def comparer(self) -> Judge | None:
        """The one that is put pairs."""
        spec = self.line.reward.pairs.judge
        return None if spec is None else open_comparer(spec, self.models.teacher(spec))

    def describe(self) -> list[dict[str, Any]]:
        """What votes follow from beside the candidates, for a fingerprint."""
        return [judge.describe() for judge in self.judges]

    def vote(self, rows: Sequence[Row]) -> list[list[Vote]]:
        """As Panel.vote."""
        with self.open_ledger() as ledger:
            return Panel(self.judges, ledger, self.spending).vote(rows)

    def compare(self, pairs: Sequence[tuple[Row, Row]]) -> list[Preference]:
        """As factory.reward.judges.compare, by the judge of the line's pairs."""
        assert self.comparer is not None
        with self.open_ledger() as ledger:
            return compare(self.comparer, pairs, ledger, self.spending)

    def open_reward_model(self) -> RewardModel:
        """The reward model of the line."""
        return self.models.reward(self.line.reward, find_home().ledger(self.line.name), self.line.generation, self.run)

    def open_ledger(self) -> Ledger:
        """The line's."""
        return Ledger(find_home().ledger(self.line.name))

    @property
    def spending(self) -> Spending:
        """What the run has newly spent."""
        return self.models.spending(self.line.generation, self.run)
