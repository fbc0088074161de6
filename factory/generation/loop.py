"""The event loop of all generation in a process: what a server's teacher keeps of a loop outlasts a leaf."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

Result = TypeVar("Result")
LOOK_SECONDS = 0.2
"""How often the waiting thread looks whether it is told to stop."""


def run_in_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` gives, run in a thread of its own, so that it may be called where a loop runs already (a notebook).

    Where the caller is told to stop, the work is cancelled, and has ended when this raises.
    """
    ended = threading.Event()

    async def attend() -> Result:
        try:
            return await work
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(attend(), _open_loop())
    try:
        # Not one long wait: polars has signals restart it, so that a Ctrl-C would be seen only at the end of the leaf.
        while not ended.wait(LOOK_SECONDS):
            pass
        return future.result()
    except BaseException:
        if not future.done():
            future.cancel()
            ended.wait()
        raise


@cache
def _open_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="generation", daemon=True).start()
    return loop
