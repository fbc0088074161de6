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

WRITERS_OF_A_SLOT = 2
"""Writers for each request that may be in flight, so that one that waits for its next try leaves no slot empty."""


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


class _StoppedError(FactoryError):
    """Nothing new is begun any more."""


async def drive_concurrent(drafts: Iterable[D], write: Write[D], source: Source, writers: int, finish: Finish[D]) -> None:
    """Carries `drafts` with at most `writers` writers alive, each on its own way: none waits for another, and no list of all is made.

    `finish` is called with each finished draft, in no fixed order. Where a model or the ledger raises FactoryError, ParkedError among
    them, or the budget is spent, nothing new is begun, what is in flight is still answered and stored, and then it is raised; so with any
    other error. Where it is cancelled, what is in flight is given up, and nothing is asked any more when this ends.
    """
    rest = iter(drafts)
    parted: list[D] = []
    carried: set[asyncio.Task[list[D]]] = set()
    errors: list[FactoryError] = []
    stopping = asyncio.Event()

    def begin() -> None:
        if errors or stopping.is_set():
            raise errors[0] if errors else _StoppedError
        source.spending.admit()

    async def carry(draft: D) -> list[D]:
        writing, answer = write(draft), None
        try:
            while not errors and not stopping.is_set():
                answer = await _answer(writing.send(answer) if answer else next(writing), source, begin)
        except StopIteration as end:
            ended: list[D] = end.value
            return ended
        except FactoryError as error:
            errors.append(error)
        return []

    try:
        while True:
            while len(carried) < writers and not errors and (draft := parted.pop() if parted else next(rest, None)) is not None:
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


def find_answer(call: Call, ledger: Ledger) -> Completion | None:
    """What is known without asking: the stored answer, or that the prompt is too long for a server."""
    served = call.model.served
    if served is None:
        return ledger.get([call.key]).get(call.key)
    stored = ledger.get([call.key, call.overflow_key])
    return next(iter(stored.values())) if stored else served.find_overflow(call.request)


async def _answer(call: Call, source: Source, begin: Callable[[], None]) -> Completion:
    """The answer that is known, or the server's, which is stored at once. `begin` is called when it is asked, and may raise."""
    known = find_answer(call, source.ledger)
    if known is not None:
        return known
    assert call.model.served is not None
    began = time.perf_counter()
    answer = await call.model.served.ask(call.request, begin)
    source.ledger.put({call.overflow_key if answer.finish_reason == "overflow" else call.key: answer})
    source.spending.note(call.model, [answer], time.perf_counter() - began)
    return answer


async def _answer_round(calls: Sequence[Call], source: Source) -> list[Completion]:
    """The answers to one round, in its order."""
    found = source.ledger.get([call.key for call in calls if call.model.served is None])
    models = {id(call.model): call.model for call in calls}
    for model in models.values():
        own = [call for call in calls if call.model is model]
        if isinstance(model.teacher, Served):
            found |= await _ask_server(own, source, WRITERS_OF_A_SLOT * model.teacher.in_flight)
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


async def _ask_server(calls: Sequence[Call], source: Source, writers: int) -> dict[str, Completion]:
    """The answers of a server, waited for by at most `writers` at once. Raises the first error once every answer in flight is stored."""
    rest = iter(calls)
    answers: dict[str, Completion] = {}
    errors: list[BaseException] = []

    def begin() -> None:
        if errors:
            raise errors[0]
        source.spending.admit()

    async def ask_on() -> None:
        try:
            while not errors and (call := next(rest, None)) is not None:
                answers[call.key] = await _answer(call, source, begin)
        except BaseException as error:
            errors.append(error)
            raise

    await asyncio.gather(*(ask_on() for _ in range(min(writers, len(calls)))), return_exceptions=True)
    if errors:
        raise errors[0]
    return answers
