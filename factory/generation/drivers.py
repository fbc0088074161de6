"""Drivers: carry drafts through their writers, window by window for a model in this process, or all at once for servers.

Both ask the ledger first, and store what is answered before anything more is asked for the same draft.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

from factory.faults import FactoryError
from factory.generation.chat import Completion
from factory.generation.ledger import Ledger
from factory.generation.models import Model, Served
from factory.generation.spending import Spending
from factory.generation.writers import Call


class Carried(Protocol):
    """What a driver carries, such as a draft: it is finished, or is to be written on."""

    @property
    def finished(self) -> bool: ...


D = TypeVar("D", bound=Carried)
Write = Callable[[D], Generator[Call, Completion, list[D]]]
Finish = Callable[[D], None]


@dataclass(frozen=True)
class _Open(Generic[D]):
    """A writer that waits for the answer to its call."""

    writing: Generator[Call, Completion, list[D]]
    call: Call


@dataclass(frozen=True)
class Source:
    """Where answers come from: the ledger, and for what it lacks the models, as long as the run may spend."""

    ledger: Ledger
    spending: Spending


async def drive_windows(drafts: Iterable[D], write: Write[D], source: Source, window: int, finish: Finish[D]) -> None:
    """Carries `drafts` in windows of `window`, each to its end: in rounds, in which every writer asks once.

    The floating-point output of a model depends on the shape of its batch, and a changed last digit may change a sampled token. So windows
    are cut from the whole plan by index alone, batches from the whole round, and a batch of which an answer is missing is asked whole,
    while answers already stored win: a killed run resumes to the bytes of one that was not killed, and more candidates leave every full
    window as it was. What is put to a server in a round is asked at once, within the server's own bound.
    `finish` is called with each finished draft. Raises what the models and the ledger raise, and BudgetSpentError, once every answer in
    flight is stored.
    """
    rest = iter(drafts)
    while planned := [*islice(rest, window)]:
        waiting = [*_start(planned, write, finish)]
        while waiting:
            answers = await _answer_round([each.call for each in waiting], source)
            waiting = [
                again for each, answer in zip(waiting, answers, strict=True) for again in _advance(each.writing, answer, write, finish)
            ]


async def drive_concurrent(drafts: Iterable[D], write: Write[D], source: Source, in_flight: int, finish: Finish[D]) -> None:
    """Carries `drafts` with at most `in_flight` writers alive, each on its own way: none waits for another, and no list of all is made.

    `finish` is called with each finished draft, in no fixed order. Where a model or the ledger raises FactoryError, ParkedError among
    them, or the budget is spent, nothing new is begun, what is in flight is still answered and stored, and then it is raised; so with any
    other error. Where it is cancelled, what is in flight is given up, and nothing is asked any more when this ends.
    """
    rest = iter(drafts)
    parted: list[D] = []
    carried: set[asyncio.Task[list[D]]] = set()
    errors: list[FactoryError] = []
    stopping = asyncio.Event()

    async def carry(draft: D) -> list[D]:
        writing, answer = write(draft), None
        try:
            while not errors and not stopping.is_set():
                answer = await _answer(writing.send(answer) if answer else next(writing), source)
        except StopIteration as end:
            ended: list[D] = end.value
            return ended
        except FactoryError as error:
            errors.append(error)
        return []

    try:
        while True:
            while len(carried) < in_flight and not errors and (draft := parted.pop() if parted else next(rest, None)) is not None:
                carried.add(asyncio.create_task(carry(draft)))
            if not carried:
                break
            done, carried = await asyncio.wait(carried, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                for draft in reversed(each.result()):
                    if draft.finished:
                        finish(draft)
                    else:
                        parted.append(draft)
    except asyncio.CancelledError:
        for each in carried:
            each.cancel()
        raise
    finally:
        stopping.set()
        await asyncio.gather(*carried, return_exceptions=True)
    if errors:
        raise errors[0]


def _start(drafts: Iterable[D], write: Write[D], finish: Finish[D]) -> Iterator[_Open[D]]:
    """The writers of `drafts` that have something to ask, each at its first call."""
    for draft in drafts:
        if draft.finished:
            finish(draft)
        else:
            yield from _advance(write(draft), None, write, finish)


def _advance(
    writing: Generator[Call, Completion, list[D]], answer: Completion | None, write: Write[D], finish: Finish[D]
) -> Iterator[_Open[D]]:
    """The writer at its next call, or those of the drafts that it ended in."""
    try:
        yield _Open(writing, next(writing) if answer is None else writing.send(answer))
    except StopIteration as end:
        yield from _start(end.value, write, finish)


async def _answer(call: Call, source: Source) -> Completion:
    """The stored answer, or the server's, which is stored at once."""
    stored = source.ledger.get([call.key])
    if call.key in stored:
        return stored[call.key]
    assert call.model.served is not None
    source.spending.admit()
    began = time.perf_counter()
    answer = await call.model.served.ask(call.request)
    source.ledger.put({call.key: answer})
    source.spending.note(call.model, [answer], time.perf_counter() - began)
    return answer


async def _answer_round(calls: Sequence[Call], source: Source) -> list[Completion]:
    """The answers to one round, in its order."""
    found = source.ledger.get([call.key for call in calls])
    models = {id(call.model): call.model for call in calls}
    for model in models.values():
        own = [call for call in calls if call.model is model]
        if isinstance(model.teacher, Served):
            found |= await _ask_server([call for call in own if call.key not in found], source, model.teacher.in_flight)
        else:
            found |= await _ask_window(own, model, found, source)
    return [found[call.key] for call in calls]


async def _ask_window(calls: Sequence[Call], model: Model, found: dict[str, Completion], source: Source) -> dict[str, Completion]:
    """What `found` lacks of one model's calls, asked in the batches of the whole round and stored batch by batch."""
    teacher = model.teacher
    assert not isinstance(teacher, Served)
    answers: dict[str, Completion] = {}
    for batch in teacher.plan_batches([call.request for call in calls]):
        asked = [calls[place] for place in batch]
        if all(call.key in found for call in asked):
            continue
        source.spending.admit()
        began = time.perf_counter()
        computed = teacher.complete([call.request for call in asked])
        new = {call.key: answer for call, answer in zip(asked, computed, strict=True) if call.key not in found}
        source.ledger.put(new)
        source.spending.note(model, [*new.values()], time.perf_counter() - began)
        answers |= new
        await asyncio.sleep(0)  # a model in this process never waits, and only what waits can be told to stop
    return answers


async def _ask_server(calls: Sequence[Call], source: Source, in_flight: int) -> dict[str, Completion]:
    """The answers of a server, at most `in_flight` at once. Raises the first error once every answer in flight is stored."""
    rest = iter(calls)
    answers: dict[str, Completion] = {}
    stopping = asyncio.Event()

    async def ask_on() -> None:
        try:
            while not stopping.is_set() and (call := next(rest, None)) is not None:
                answers[call.key] = await _answer(call, source)
        finally:
            stopping.set()  # at the end of the calls there is nothing left to begin, and after an error there must not be

    ended = await asyncio.gather(*(ask_on() for _ in range(min(in_flight, len(calls)))), return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error
    return answers
