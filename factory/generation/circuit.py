"""The circuit to one server: opens where it answers nobody, so that a dead server is not asked on and on."""

from __future__ import annotations

import asyncio
import time

from factory.generation.chat import ParkedError

FAILURES = 10
"""Failures in a row, over at least FAILING_SECONDS without an answer, that open the circuit."""
FAILING_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 900.0


class Circuit:
    """Closed: requests pass. Open: each is refused with ParkedError. After a pause, half-open: one request is let through, the others wait
    for what becomes of it; an answer closes the circuit, a failure opens it for twice as long (Nygard, "Release It!", 2007).
    """

    def __init__(self, server: str, pause_seconds: float) -> None:
        self.server = server
        self._first_pause = pause_seconds
        self._pause = pause_seconds
        self._reason = ""
        self._retry_at: float | None = None
        self._probe: asyncio.Future[None] | None = None
        self.failures = 0  # tries that failed since the last answer
        self._failing_since = 0.0
        self._sleeping: set[asyncio.Future[None]] = set()

    async def enter(self) -> bool:
        """Whether the caller's request is the one that tries the server out. Raises ParkedError where the circuit is open."""
        while self._probe is not None:
            await asyncio.wait([self._probe])
        if self._retry_at is None:
            return False
        if time.monotonic() < self._retry_at:
            raise self.parked()
        self._probe = asyncio.get_running_loop().create_future()
        return True

    def end_probe(self) -> None:
        """The request that tried the server out has an outcome, or was abandoned."""
        if self._probe is not None:
            self._probe.set_result(None)
            self._probe = None

    def note_answer(self) -> None:
        """The server answered: the circuit is closed."""
        self.failures = 0
        self._retry_at = None
        self._pause = self._first_pause

    def note_failure(self, reason: str) -> None:
        """A try failed; many in a row open the circuit, and so does the one that tried the server out."""
        now = time.monotonic()
        if self.failures == 0:
            self._failing_since = now
        self.failures += 1
        if self._retry_at is not None or (self.failures >= FAILURES and now - self._failing_since >= FAILING_SECONDS):
            self.open(reason)

    def open(self, reason: str, at_least: float = 0.0) -> None:
        """Opens the circuit for the pause, or for `at_least` seconds where that is longer. Who sleeps between tries wakes up."""
        now = time.monotonic()
        if self._retry_at is not None and now < self._retry_at:
            return
        if self._retry_at is not None:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        self._reason = reason
        self._retry_at = now + max(self._pause, at_least)
        for sleeper in self._sleeping:
            if not sleeper.done():
                sleeper.set_result(None)

    @property
    def closed(self) -> bool:
        """Whether requests pass."""
        return self._retry_at is None

    def parked(self) -> ParkedError:
        """What to raise while the circuit is open."""
        now = time.monotonic()
        retry_at = now if self._retry_at is None else self._retry_at
        left = max(0.0, retry_at - now)
        return ParkedError(
            f"server {self.server} is left alone for now: it answered nobody, and said last: {self._reason}. It is tried again in "
            f"{left:.0f} s. See that it runs and serves the model; what it answered before is kept, and a later run goes on from there.",
            retry_at,
        )

    async def sleep(self, seconds: float) -> None:
        """Sleeps, but no longer than until the circuit opens."""
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleeping.add(sleeper)
        try:
            async with asyncio.timeout(seconds):
                await sleeper
        except TimeoutError:
            return
        finally:
            self._sleeping.discard(sleeper)
