"""What the ledger holds of a line's plan, and a trial of a few units more: what an estimate rests on."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from factory.generation.drafts import Draft, Recipe
from factory.generation.drivers import Source, drive_concurrent, drive_windows, find_answer
from factory.generation.ledger import Ledger
from factory.generation.loop import run_in_loop
from factory.generation.models import Model, Served
from factory.generation.plan import plan_drafts
from factory.generation.spending import Spending
from factory.generation.units import Material
from factory.generation.writers import Writing, write

MOST_SAMPLES = 1000
"""Units of a flow that are kept as samples: more would not narrow a figure by much."""

Request = dict[str, Any]
"""One entry of records.USAGE."""


@dataclass(frozen=True)
class LeafPlan:
    """What is to be written for one leaf: its first `candidates` candidates."""

    material: Material
    recipe: Recipe
    candidates: int


@dataclass(frozen=True)
class Waiting:
    """A unit that is not written to its end: how many of its drafts wait at each step, and how many of its requests are answered."""

    plan: LeafPlan
    unit: int
    rank: int  # among the waiting units of its leaf
    open: Mapping[str, float]
    held: int


@dataclass
class Survey:
    """How far a flow's plan is.

    `samples`: the requests of whole units that are written to their end, and `sampled` the leaves that they are of, out of `leaves`.
    `open`: by step, how many drafts wait there; one that is cut short, as the leaf needs no more candidates, counts as a part of one.
    `held`: requests that the ledger answered. `waiting`: the first units of each leaf that are not written to their end.
    """

    steps: tuple[str, ...]
    samples: list[list[Request]] = field(default_factory=list)
    sampled: set[str] = field(default_factory=set)
    leaves: int = 0
    open: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    held: int = 0
    waiting: list[Waiting] = field(default_factory=list)


def survey_leaf(plan: LeafPlan, survey: Survey, ledger: Ledger, most_waiting: int) -> None:
    """Adds a leaf to the survey of its flow: every draft of its plan, as far as the ledger knows it; nobody is asked."""
    survey.leaves += 1
    rank, width = 0, _count_slots(plan, 0)
    for draft in plan_drafts(plan.material, plan.recipe, plan.candidates):
        is_whole = len(draft.slots) == width
        requests, opened = list[Request](), defaultdict[str, float](float)
        for part, step in _replay(draft, plan.recipe, ledger):
            requests += part.usage
            if step is not None:
                opened[step] += len(part.slots) / _count_slots(plan, part.step, parted=part.parted)
        survey.held += len(requests)
        for step, count in opened.items():
            survey.open[step] += count
        if opened and is_whole and rank < most_waiting:
            survey.waiting.append(Waiting(plan, draft.unit.index, rank, opened, len(requests)))
            rank += 1
        if not opened and is_whole and len(survey.samples) < MOST_SAMPLES:
            survey.samples.append(requests)
            survey.sampled.add(plan.recipe.leaf)


def _count_slots(plan: LeafPlan, step: int, *, parted: bool = False) -> int:
    """Candidates that a draft at a step becomes where it is not cut short."""
    return min(plan.recipe.count_slots(step, parted=parted), plan.candidates)


def try_more(survey: Survey, units: int, ledger: Ledger, spending: Spending) -> None:
    """Tries units until the sample holds `units`, of as many leaves where there are. What is stored of them is no longer open."""
    missing = max(0, units - len(survey.samples), min(units, survey.leaves) - len(survey.sampled))
    chosen = sorted(survey.waiting, key=lambda each: (each.rank, each.plan.recipe.leaf in survey.sampled))[:missing]
    if not chosen:
        return
    for each, requests in zip(chosen, try_units(chosen, ledger, spending), strict=True):
        survey.samples.append(requests)
        survey.sampled.add(each.plan.recipe.leaf)
        if _find_windows(each.plan.recipe) is None:
            for step, count in each.open.items():
                survey.open[step] -= count
            survey.held += len(requests) - each.held


def try_units(chosen: Sequence[Waiting], ledger: Ledger, spending: Spending) -> list[list[Request]]:
    """Writes the chosen units to their end, and gives the requests of each, those that the ledger answered too.

    Answers of servers are stored in `ledger`, so a run does not ask for them again. Where a model in this process takes part, they are not:
    its answers depend on what is asked with them, and a run must give the same bytes with an estimate before it and without.
    Raises what the models raise, once what is in flight is stored.
    """

    async def carry(each: Waiting) -> list[Request]:
        recipe, found = each.plan.recipe, list[Request]()

        def begin(draft: Draft) -> Writing:
            return write(draft, recipe, lambda steps: None)

        def finish(draft: Draft) -> None:
            found.extend(draft.usage)

        draft = islice(plan_drafts(each.plan.material, recipe, each.plan.candidates), each.unit, each.unit + 1)
        window = _find_windows(recipe)
        if window is None:
            await drive_concurrent(draft, begin, Source(ledger, spending), 1, finish)
        else:
            with Ledger(Path(":memory:")) as apart:
                await drive_windows(draft, begin, Source(apart, spending), window, finish)
        return found

    async def carry_all() -> list[list[Request]]:
        try:
            outcomes = await asyncio.gather(*(carry(each) for each in chosen), return_exceptions=True)
        finally:
            for teacher in {model.served for each in chosen for model in _list_models(each.plan.recipe)}:
                if teacher is not None:
                    await teacher.close()
        requests = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            requests.append(outcome)
        return requests

    return run_in_loop(carry_all())


def _list_models(recipe: Recipe) -> list[Model]:
    return [*recipe.teachers, *([recipe.judge] if recipe.judge else [])]


def _find_windows(recipe: Recipe) -> int | None:
    """The window of models in this process; null where all are behind servers."""
    return max((model.teacher.window for model in _list_models(recipe) if not isinstance(model.teacher, Served)), default=None)


def _replay(draft: Draft, recipe: Recipe, ledger: Ledger) -> Iterator[tuple[Draft, str | None]]:
    """The drafts that `draft` becomes with the ledger alone, each with the step at which it waits for an answer; null at its end."""
    rest = [draft]
    while rest:
        part = rest.pop()
        if part.finished:
            yield part, None
            continue
        writing = write(part, recipe, lambda steps: None)
        try:
            call = next(writing)
            while (answer := find_answer(call, ledger)) is not None:
                call = writing.send(answer)
        except StopIteration as end:
            rest += end.value
        else:
            writing.close()
            yield part, recipe.steps[part.step].step.name
