"""The bound on requests in flight: falls to what a server bears, is not led astray by noise, and never lets more through than it says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from factory.generation.bound import Bound

Strains = Callable[[int], bool]


def play(bound: Bound, strains: Strains, rounds: int) -> tuple[int, int]:
    """Takes all slots at once, gives them back with the outcome that `strains` has for each place, and so on: how many were strained, of
    how many.
    """

    async def run() -> tuple[int, int]:
        strained = asked = 0
        for _ in range(rounds):
            epochs = [await bound.enter(first=False) for _ in range(bound.limit)]
            for place, epoch in enumerate(epochs):
                bad = strains(place)
                bound.leave(epoch, 0.0, answered=not bad, strained=bad)
                strained, asked = strained + bad, asked + 1
                # The first outcomes of a round may not rest a slot: no answer has shown yet how long one takes.
                await asyncio.sleep(0)
        return strained, asked

    return asyncio.run(run())


def settle(bound: Bound) -> Bound:
    """A bound that has seen answers, so that it knows how long one takes."""
    play(bound, lambda place: False, 1)
    return bound


def test_the_bound_falls_to_what_the_server_bears_and_stays_there() -> None:
    bound = settle(Bound(32))
    strained, asked = play(bound, lambda place: place >= 8, 100)
    assert 7 <= bound.limit <= 9
    assert strained < 0.1 * asked


def test_noise_does_not_lower_the_bound() -> None:
    for share in (0.02, 0.05, 0.1, 0.2, 0.3):
        rng = random.Random(1)
        bound = settle(Bound(32))
        heights = []
        for _ in range(100):
            play(bound, lambda place: rng.random() < share, 1)  # noqa: B023 - called at once
            heights.append(bound.limit)
        assert sum(heights) / len(heights) > 24, share


def test_overload_is_seen_through_noise() -> None:
    rng = random.Random(2)
    bound = settle(Bound(32))
    play(bound, lambda place: rng.random() < 0.1, 30)
    play(bound, lambda place: place >= 10 or rng.random() < 0.1, 60)
    assert 6 <= bound.limit <= 12


def test_the_bound_grows_back_when_the_server_recovers() -> None:
    bound = settle(Bound(32))
    play(bound, lambda place: place >= 8, 20)
    assert bound.limit <= 9
    play(bound, lambda place: False, 120)
    assert bound.limit == 32


def test_a_server_that_refuses_everything_is_asked_one_at_a_time() -> None:
    bound = settle(Bound(32))
    play(bound, lambda place: True, 30)
    assert bound.limit == 1


def test_slots_that_nobody_needs_are_no_reason_to_grow() -> None:
    bound = settle(Bound(32))
    play(bound, lambda place: place >= 8, 3)
    height = bound.limit

    async def ask_two_at_a_time() -> None:
        for _ in range(200):
            for epoch in [await bound.enter(first=False), await bound.enter(first=False)]:
                bound.leave(epoch, 0.0, answered=True, strained=False)

    asyncio.run(ask_two_at_a_time())
    assert bound.limit <= height


def test_the_slot_of_a_refused_request_rests_as_long_as_an_answer_takes() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        bound = Bound(1)
        bound.leave(await bound.enter(first=False), 0.2, answered=True, strained=False)
        began = loop.time()
        bound.leave(await bound.enter(first=False), 0.0, answered=False, strained=True)
        await bound.enter(first=False)
        assert loop.time() - began >= 0.19

    asyncio.run(run())


def test_a_cancelled_wait_takes_no_slot() -> None:
    async def run() -> None:
        bound = Bound(1)
        epoch = await bound.enter(first=False)
        waiting = [asyncio.create_task(bound.enter(first=False)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        bound.leave(epoch, 0.0, answered=True, strained=False)
        waiting[1].cancel()  # its turn has just come
        await asyncio.wait(waiting[:2])
        async with asyncio.timeout(1):
            await waiting[2]

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.lists(st.tuples(st.booleans(), st.floats(0, 0.002), st.booleans()), max_size=120))
def test_never_more_than_the_limit_are_inside(most: int, outcomes: list[tuple[bool, float, bool]]) -> None:
    async def run() -> None:
        bound, inside = Bound(most), 0

        async def pass_through(strained: bool, seconds: float, first: bool) -> None:
            nonlocal inside
            epoch = await bound.enter(first=first)
            inside += 1
            assert inside <= most
            await asyncio.sleep(seconds)
            inside -= 1
            bound.leave(epoch, seconds, answered=not strained, strained=strained)
            assert 1 <= bound.limit <= most

        await pass_through(False, 0.0, False)
        async with asyncio.timeout(20):
            await asyncio.gather(*(pass_through(*outcome) for outcome in outcomes))

    asyncio.run(run())
