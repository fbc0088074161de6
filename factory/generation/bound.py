"""The bound on requests in flight to one server: how many it bears, learnt from what it refuses."""

from __future__ import annotations

import asyncio
import math
from collections import deque

LEAST_WINDOW = 8
"""Fewest outcomes that a decision is made on."""
ALLOWED = 0.05
"""Share of strained outcomes above the noise floor from which a window speaks of overload."""
MAJORITY = 0.5
"""From this share on, refusals are overload whatever the noise floor says."""
STEEPEST = 0.25
"""The bound never falls below this part of itself at once."""
FOOT_RATE, FALL_RATE = 1 / 4, 1 / 16
"""Weights of a window in the noise floor: at the foot of a cut, and where a window elsewhere shows less noise."""
LONGEST_PATIENCE = 64
"""Windows without strain, at most, before a height that failed is tried again."""
BLIND_REST_SECONDS = 1.0
"""How long the slot of a refused request rests while no answer has shown how long one takes."""


class Bound:
    """At most `limit` slots are taken at once; `limit` moves between 1 and `most`.

    An outcome is *strained* where the server refused, timed out, or answered late. Outcomes are judged by windows of one outcome for each
    slot, and only those sent since the limit last moved count, so that one burst is one event (as TCP cuts once for each round trip:
    Jacobson, "Congestion avoidance and control", SIGCOMM 1988). After a window with more strain than the noise floor explains, the limit
    is multiplied by the share that was served; after a window without, and with all slots in use, it grows by one. To a height that failed
    before it grows only after twice as many such windows each time.

    Noise is told from overload by trial: where a cut does not at least halve the share of strained outcomes, that share does not depend
    on the limit. Then it becomes the noise floor and the limit goes back to where it was. Strain that is left at the foot of a cut is
    taken for noise as well.

    A refused slot rests for as long as an answer takes, so that quick refusals neither flood the server nor outvote slow answers.
    One event loop at a time; not for threads.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self._taken = 0
        self._resting = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._epoch = 0
        self._seen = 0
        self._strained = 0
        self._floor = 0.0
        self._trial: tuple[int, float] | None = None
        self._was_full = False
        self._calm = 0
        self._patience = 1
        self._failed_height = most + 1
        self._foot = 0
        self._answer_seconds: float | None = None

    async def enter(self, *, first: bool) -> int:
        """Takes a slot and gives the number of the limit's epoch, for `leave`. With `first`, ahead of all that wait."""
        if self._taken >= self.limit or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._waiting.appendleft if first else self._waiting.append)(turn)
            self._admit()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back()
                raise
        else:
            self._taken += 1
        self._was_full |= self._taken >= self.limit
        return self._epoch

    def leave(self, epoch: int, seconds: float, *, answered: bool, strained: bool) -> None:
        """Gives a slot back after an outcome that took `seconds`; that of a strained one rests first."""
        if answered:
            self._answer_seconds = seconds if self._answer_seconds is None else 0.8 * self._answer_seconds + 0.2 * seconds
        pause = (BLIND_REST_SECONDS if self._answer_seconds is None else self._answer_seconds) - seconds
        if strained and pause > 0 and epoch == self._epoch:
            self._resting += 1
            asyncio.get_running_loop().call_later(pause, self._end_rest, epoch)
        else:
            self._give_back()
        if epoch == self._epoch:
            self._seen += 1
            self._strained += strained
            if self._seen >= max(self.limit, LEAST_WINDOW):
                self._decide()

    def abandon(self) -> None:
        """Gives a slot back of which there is no outcome."""
        self._give_back()

    def _give_back(self) -> None:
        self._taken -= 1
        self._admit()

    def _end_rest(self, epoch: int) -> None:
        if epoch == self._epoch:
            self._resting -= 1
            self._give_back()

    def _admit(self) -> None:
        while self._waiting and self._taken < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)

    def _decide(self) -> None:
        """Ends a window: moves the limit, or leaves it."""
        seen, share, was_full = self._seen, self._strained / self._seen, self._was_full
        self._seen, self._strained, self._was_full = 0, 0, False
        trial, self._trial = self._trial, None
        if trial is not None and trial[1] / 2 < share < MAJORITY:
            self._floor = (trial[1] + share) / 2
            self._move(trial[0])
            return
        deviation = math.sqrt(self._floor * (1 - self._floor) / seen)
        if share > self._floor + max(ALLOWED, 2 * deviation):
            if self.limit > 1:
                self._cut(share)
            return
        if self.limit <= self._foot:
            self._floor += FOOT_RATE * (share - self._floor)
        elif share < self._floor:
            self._floor += FALL_RATE * (share - self._floor)
        if self.limit >= self._failed_height:
            self._failed_height, self._patience = self.most + 1, 1
        if was_full and share <= self._floor + deviation:
            self._calm += 1
            if self.limit < self.most and self._calm >= (self._patience if self.limit + 1 >= self._failed_height else 1):
                self._move(self.limit + 1)

    def _cut(self, share: float) -> None:
        """Lowers the limit to what was served of it. Unless most was refused, whether that helps is a trial."""
        self._patience = min(2 * self._patience, LONGEST_PATIENCE) if self.limit == self._failed_height else 1
        self._failed_height = self.limit
        self._trial = None if share >= MAJORITY else (self.limit, share)
        served = (1 - share) / (1 - self._floor)
        self._move(max(1, min(self.limit - 1, round(self.limit * max(served, STEEPEST)))))
        self._foot = self.limit

    def _move(self, limit: int) -> None:
        """Sets the limit. Resting slots end their rest: what they rested for is decided."""
        self.limit = limit
        self._calm = 0
        self._epoch += 1
        self._taken -= self._resting
        self._resting = 0
        self._admit()
