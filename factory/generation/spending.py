"""What a run newly spends on its models, and the budget that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from factory.faults import FactoryError
from factory.generation.chat import Completion
from factory.generation.models import Model
from factory.line import BudgetSpec


class BudgetSpentError(FactoryError):
    """The budget of the run is spent: nothing more is asked of any model in it. What was answered is in the ledger.

    `spent` says what was spent, and of how much; `left` what of a leaf is left to do.
    """

    def __init__(self, spent: str, left: str = "") -> None:
        super().__init__(f"the run's budget is spent ({spent}){left and f'; {left}'}")
        self.spent = spent
        self.left = left


@dataclass
class Spent:
    """What was asked of one model. `calls` are requests to a server, batches of a model in this process; `seconds` is the sum over them."""

    requests: int = 0
    calls: int = 0
    tokens: int = 0
    money: float = 0.0
    seconds: float = 0.0


@dataclass
class Spending:
    """Counts what is newly asked in one run, over all its leaves, and admits no more once `budget` is reached.

    What the ledger holds is free and never counted. Requests that are in flight when the budget is reached are still answered, counted and
    stored: so it may be passed by what was in flight (for a model in this process, by the rest of one batch), and by no more.
    """

    budget: BudgetSpec | None = None
    models: dict[str, Spent] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Requests that were answered, or given up, in this run."""
        return sum(spent.requests for spent in self.models.values())

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens of these."""
        return sum(spent.tokens for spent in self.models.values())

    @property
    def money(self) -> float:
        """What these cost, in the currency of the line's price tables."""
        return sum(spent.money for spent in self.models.values())

    def admit(self) -> None:
        """Raises BudgetSpentError where the budget is reached."""
        if self.reached:
            raise BudgetSpentError(self.describe())

    @property
    def reached(self) -> bool:
        """Whether the budget is spent."""
        if self.budget is None:
            return False
        tokens, money = self.budget.tokens, self.budget.money
        return (tokens is not None and self.tokens >= tokens) or (money is not None and self.money >= money)

    def note(self, model: Model, answers: Sequence[Completion], seconds: float) -> None:
        """Counts what a model newly answered. A prompt that was not sent, as it does not fit, costs nothing."""
        sent = [answer for answer in answers if answer.finish_reason != "overflow"]
        spent = self.models.setdefault(model.teacher.identity, Spent())
        spent.requests += len(sent)
        spent.calls += 1
        spent.tokens += sum(answer.prompt_tokens + answer.completion_tokens for answer in sent)
        spent.money += sum(model.price(answer) for answer in sent)
        spent.seconds += seconds

    def describe(self) -> str:
        """What was spent, and of how much."""
        bounds = [] if self.budget is None else [(self.budget.tokens, "tokens"), (self.budget.money, "money")]
        given = " and ".join(f"{bound:,} {name}" for bound, name in bounds if bound is not None)
        spent = f"{self.requests:,} requests, {self.tokens:,} tokens, {self.money:,.4g} money"
        return f"{spent}, of a budget of {given}" if given else spent
