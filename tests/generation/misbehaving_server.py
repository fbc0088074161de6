"""A server of chat completions on loopback that misbehaves on a schedule, and counts what it is asked.

`with MisbehavingServer(schedule) as server:` serves from a thread of its own at `server.base_url`, until the block ends. A schedule is
called with each request, in the order of their arrival, and names its fault, or null for a right answer.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

FAULTS = (
    "429",  # without Retry-After
    "429 after",  # Retry-After in seconds
    "429 date",  # Retry-After as a date
    "500",
    "503",
    "hang",  # never answers
    "reset",  # closes the connection in mid-body
    "drop",  # closes the connection before a byte of the answer
    "empty choices",
    "truncated",  # JSON that breaks off, in a whole body
    "wrong schema",
    "drip",  # a byte now and then, without end
)
"""Faults that a later try mends. Others that a schedule may name: "duplicate" (the same answer to everything), "context" (400 for a prompt
that is too long), "no usage", "filter", and any status by its number; with "echo" behind it, the error repeats
the secrets of the request."""
RETRY_AFTER_SECONDS = 1
ANSWERED_ALIKE = "The same answer to everything."


@dataclass(frozen=True)
class Asked:
    """One request: its place in the order of arrival, its JSON body, its headers (names in lower case), and when it came."""

    number: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    at: float

    @property
    def key(self) -> str:
        """Digest of what was asked: the same for the same messages with the same seed."""
        return hashlib.sha256(json.dumps([self.body["messages"], self.body.get("seed")]).encode()).hexdigest()[:16]


Schedule = Callable[[Asked], str | None]
Answer = Callable[[dict[str, Any]], str | dict[str, Any]]
"""The text of a right answer, or the keys of its choice that differ from those of a text."""


def never(asked: Asked) -> None:
    """The schedule of a server that works."""


def spread(rate: float, faults: Sequence[str] = FAULTS, seed: int = 0) -> Schedule:
    """Each fault hits `rate` of the requests, drawn anew for each request from `seed` and its number."""

    def draw(asked: Asked) -> str | None:
        number = random.Random(seed * 1_000_003 + asked.number).random()
        return faults[int(number / rate)] if number < rate * len(faults) else None

    return draw


def in_order(*faults: str | None) -> Schedule:
    """The first requests meet `faults`, one each; the rest none."""
    return lambda asked: faults[asked.number] if asked.number < len(faults) else None


def reply(body: dict[str, Any]) -> str:
    """The default answer: other messages and another seed get another one."""
    return "reply " + hashlib.sha256(json.dumps([body["messages"], body.get("seed")]).encode()).hexdigest()[:16]


class MisbehavingServer:
    """Serves /v1/chat/completions. Above `most` open requests it refuses with 429; a right answer takes `latency` seconds."""

    def __init__(
        self,
        schedule: Schedule = never,
        *,
        latency: float = 0.0,
        most: int | None = None,
        answer: Answer = reply,
        takes_schemas: bool = True,
        drip_seconds: float = 0.05,
    ) -> None:
        self.asked: list[Asked] = []
        self.answered: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.open = 0
        self.most_open = 0
        self.schedule = schedule
        self._latency = latency
        self._most = most
        self._answer = answer
        self._takes_schemas = takes_schemas
        self._drip_seconds = drip_seconds
        self._ready = threading.Event()

    @property
    def base_url(self) -> str:
        """For `generation.teacher.server.base_url`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def duplicates(self) -> list[str]:
        """Keys of requests that were answered rightly more than once."""
        return [key for key, times in self.answered.items() if times > 1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))))
        asked = Asked(len(self.asked), body, headers, time.monotonic())
        self.asked.append(asked)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            over = self._most is not None and self.open > self._most
            fault = "429" if over else self.schedule(asked)
            self.met[fault or "none"] += 1
            if fault in {"hang", "drip", "reset", "drop"}:
                await self._break_off(fault, reader, writer)
                return False
            if not over:
                await asyncio.sleep(self._latency)
            status, more, content = self._choose_answer(asked, fault)
            if status == 200 and fault in {None, "duplicate", "no usage"}:
                self.answered[asked.key] += 1
        finally:
            self.open -= 1
        writer.write(_write_head(status, len(content), more) + content)
        await writer.drain()
        return True

    async def _break_off(self, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A fault that ends the connection. What would go on without end ends when the client hangs up."""
        if fault == "drop":
            return
        if fault != "hang":
            writer.write(_write_head(200, 100_000, {}) + b'{"choices": [')
            await writer.drain()
        if fault == "reset":
            return
        while True:
            try:
                async with asyncio.timeout(self._drip_seconds):
                    await reader.read(1)
                return
            except TimeoutError:
                if fault == "drip":
                    writer.write(b" ")
                    await writer.drain()

    def _choose_answer(self, asked: Asked, fault: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, further headers and body."""
        if fault == "context":
            message = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
            return 400, {}, _write_error(message, "context_length_exceeded")
        if "response_format" in asked.body and not self._takes_schemas:
            return 400, {}, _write_error("response_format: extra inputs are not permitted", "invalid_request_error")
        if fault is not None and fault[:3].isdigit():
            secrets = [asked.headers["authorization"], asked.headers["x-token"]] if fault.endswith("echo") else []
            message = ", ".join([f"made-up fault {fault}", *secrets])
            return int(fault[:3]), _choose_headers(fault), _write_error(message, "made_up")
        answer = ANSWERED_ALIKE if fault == "duplicate" else self._answer(asked.body)
        text, own = (answer, {}) if isinstance(answer, str) else ("", answer)
        body: dict[str, Any] = {
            "id": asked.key,
            "object": "chat.completion",
            "model": asked.body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}} | own],
            "usage": {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29},
        }
        if fault == "no usage":
            del body["usage"]
        if fault == "filter":
            body["choices"][0]["finish_reason"] = "content_filter"
        if fault == "empty choices":
            body["choices"] = []
        if fault == "wrong schema":
            body = {"outputs": [answer]}
        content = json.dumps(body).encode()
        return 200, {}, content[: len(content) // 2] if fault == "truncated" else content


def _choose_headers(fault: str) -> dict[str, str]:
    if fault.endswith("after"):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if fault.endswith("date"):
        # The server's clock is wrong by an hour: only its own Date tells what it means.
        now = time.time() + 3600
        dates = [email.utils.formatdate(seconds, usegmt=True) for seconds in (now, now + RETRY_AFTER_SECONDS)]
        return dict(zip(("Date", "Retry-After"), dates, strict=True))
    return {}


def _write_head(status: int, length: int, more: Mapping[str, str]) -> bytes:
    headers = {"Content-Type": "application/json", "Content-Length": str(length), **more}
    lines = [f"HTTP/1.1 {status} Made-up", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def _write_error(message: str, code: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "made_up", "code": code}}).encode()
