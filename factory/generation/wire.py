"""Puts a request to a server of chat completions once, and says what came of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from string import Template
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from factory.faults import FactoryError
from factory.generation.chat import FinishReason, Request
from factory.generation.replies import mend_json, mend_text, read_error, read_retry_after
from factory.model_spec import ServerSpec

if TYPE_CHECKING:
    from aiohttp import ClientSession

SEEDS = 2**31
"""Seeds are sent modulo this: some servers hold them in 32 bits."""
CONNECT_SECONDS = 20.0
KEEP_OPEN_SECONDS = 4.0
"""Under the 5 s after which uvicorn, and so vLLM, closes an idle connection: a request on a closing one would be lost."""
LEAST_SECRET = 12
"""Characters of a value from the environment from which an answer that holds it is not kept: shorter ones, as the name of an account, may
stand in an answer by chance."""
SHOWN_CHARACTERS = 300
"""Of what a server said, in a reason."""
HOPELESS = {
    401: "the key is not accepted",
    402: "the account has no credit",
    403: "the key may not use this model",
    404: "there is no such model or address",
    405: "the address takes no such requests",
}
"""Statuses that no second try mends."""
TRANSIENT = {408, 409, 425, 429}
"""Statuses below 500 that a later try may mend."""
LOAD = {408, 429, 502, 503, 504, 529}
"""Statuses by which a server, or a gateway before it, says that it is asked too much."""

_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|max_model_len|too many (input )?tokens|prompt is too long|exceeds?.{0,40}\btokens\b"
    r"|tokens.{0,60}must be <=",
    re.IGNORECASE | re.DOTALL,
)
_FILTERED = re.compile(r"content_(filter|policy)")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110, section 5.6.2
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_NO_HEADER = "a line break, a control character, or one that is not ASCII"


class UnreadableAnswerError(FactoryError):
    """An answer that no model of the kind asked for would give."""


@dataclass(frozen=True)
class Setback:
    """A try without an answer. `later`: the server asks to come back. `final`: another try would end the same."""

    reason: str
    strained: bool = False
    later: bool = False
    final: bool = False
    retry_after: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it was the server that asked to be left alone for a while, so that the request is not at fault."""
        return self.later or (self.retry_after is not None and not self.final)


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None

    @field_validator("message", mode="before")
    @classmethod
    def _out_of_its_list(cls, message: Any) -> Any:
        # NVIDIA's hosted reward models put the message into a list of one.
        return message[0] if isinstance(message, list) and len(message) == 1 else message


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class _Body(BaseModel):
    """What is read of a chat completion; other keys are left alone."""

    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(frozen=True)
class Verdict:
    """The server will not answer this request, whatever is tried: it is too long ("overflow"), or not wanted ("failed")."""

    finish_reason: Literal["overflow", "failed"]
    reason: str


@dataclass(frozen=True)
class Answer:
    """What a server wrote; tokens are null where it did not count them."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class Form:
    """What a kind of model is sent, and what is read of its answer.

    `section`: where a line names the model, for errors. `sampled`: whether it is told how to sample. `read`: the text that is kept, from
    the message's text and its `logprobs`; raises FactoryError, in a few words, where no model of that kind would answer so.
    """

    section: str
    sampled: bool
    read: Callable[[str, Any], str]


CHAT = Form("generation.teacher", sampled=True, read=lambda text, logprobs: text)


class Wire:
    """The connection to one server. Secrets are read from the environment when it is made, and appear in no text that leaves it."""

    def __init__(self, spec: ServerSpec, model: str, form: Form = CHAT) -> None:
        """Raises FactoryError where an environment variable that the line names is missing or empty, or no header can carry a value."""
        self.spec = spec
        self.model = model
        self.form = form
        self._address = f"{spec.base_url}/chat/completions"
        self._session: ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refused_schemas: set[str] = set()
        self._length_key = "max_tokens"
        names = {name for value in spec.headers.values() for name in Template(value).get_identifiers()}
        if spec.key_variable:
            names.add(spec.key_variable)
        if missing := sorted(name for name in names if not os.environ.get(name)):
            raise FactoryError(
                f"server {spec.base_url}, model {model}: the environment has no {', '.join(missing)}; "
                f"set {'it' if len(missing) == 1 else 'them'} before the run (export {missing[0]}=...), or mend the name in the line."
            )
        values = {name: os.environ[name].strip() for name in names}
        if broken := sorted(name for name, value in values.items() if not _HEADER_VALUE.fullmatch(value)):
            raise FactoryError(f"{', '.join(broken)} in the environment holds {_NO_HEADER}; no header can carry it. Set it anew.")
        odd = [name for name, value in spec.headers.items() if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value))]
        if odd:
            raise FactoryError(
                f"server {spec.base_url}, model {model}: the name or value of the header {', '.join(map(repr, odd))} holds {_NO_HEADER}; "
                "no header can carry it. Mend headers in the line."
            )
        self._headers = {name: Template(value).substitute(values) for name, value in spec.headers.items()}
        if spec.key_variable:
            self._headers["Authorization"] = f"Bearer {values[spec.key_variable]}"
        self._secrets = sorted(values.values(), key=len, reverse=True)

    async def post(self, request: Request) -> Answer | Setback | Verdict:
        """One try, over before the deadline. A schema or a key of the length that the server refuses is left out and not sent again.

        Raises FactoryError where the key or the model is wrong, so that no request could be answered, and UnreadableAnswerError for an
        answer that its form cannot read.
        """
        from aiohttp import ClientError

        try:
            async with asyncio.timeout(self.spec.deadline_seconds):
                while True:
                    body = self._write_body(request)
                    # A followed redirect would carry the line's own headers, and the secrets in them, to another server.
                    async with self._open().post(self._address, json=body, allow_redirects=False) as response:
                        content = await response.read()
                    if response.status == HTTPStatus.OK:
                        return self._read_answer(content)
                    said = read_error(content)
                    if (verdict := self._judge(response.status, said)) is not None:
                        return verdict
                    if not self._adapt(request, body, response.status, content.decode(errors="replace")):
                        return self._read_refusal(response.status, response.headers, said)
        except ClientError as error:
            return Setback(self._clean(f"the connection failed: {_name_cause(error)}"), strained=True)
        except TimeoutError:
            return Setback(f"no whole answer within {self.spec.deadline_seconds:g} s", strained=True)

    async def close(self) -> None:
        """Closes the connections; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None and self._loop is asyncio.get_running_loop():
            await session.close()

    def _open(self) -> ClientSession:
        """The session, made anew in each event loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

            self._session = ClientSession(
                headers=self._headers,
                connector=TCPConnector(limit=self.spec.in_flight, keepalive_timeout=KEEP_OPEN_SECONDS),
                timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=DummyCookieJar(),
                trust_env=True,
            )
            self._loop = loop
        return self._session

    def _write_body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        }
        if not self.form.sampled:
            return body
        body |= {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self._length_key: sampling.max_new_tokens,
            "seed": request.seed % SEEDS,
        }
        if request.schema is not None and self.spec.structured_output and request.schema not in self._refused_schemas:
            schema = {"name": "answer", "strict": True, "schema": json.loads(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _adapt(self, request: Request, body: Mapping[str, Any], status: int, said: str) -> bool:
        """Whether the request is worth asking again at once in another form, because this one asks for what the server does not have."""
        if status not in {400, 422, 501}:
            return False
        if "max_completion_tokens" in said and "max_tokens" in body:
            self._length_key = "max_completion_tokens"
            return True
        if "response_format" in body and request.schema is not None:
            self._refused_schemas.add(request.schema)
            return True
        return False

    def _judge(self, status: int, said: str) -> Verdict | None:
        """What the request itself is refused for, whatever else the server might take in another form."""
        if status == 413 or (status in {400, 422} and _TOO_LONG.search(said)):
            return Verdict("overflow", self._clean(said))
        if 400 <= status < 500 and _FILTERED.search(said):
            return Verdict("failed", f"{status} {self._clean(said)}")
        return None

    def _read_refusal(self, status: int, headers: Mapping[str, str], said: str) -> Setback:
        has_no_credit = "insufficient_quota" in said
        said = self._clean(said)
        if status in HOPELESS or 300 <= status < 400 or has_no_credit:
            why = HOPELESS.get(status, "the account has no credit" if status == 429 else f"it redirects to {headers.get('location')}")
            key = f"the key in ${self.spec.key_variable}" if self.spec.key_variable else "no key (name one by key_variable)"
            raise FactoryError(
                self._clean(f"server {self.spec.base_url}, model {self.model}, {key}: {why}; it says: {status} {said}. ")
                + f"Mend {self.form.section}.server or the key; nothing that was answered is lost."
            )
        retry_after = read_retry_after(headers)
        return Setback(
            f"{status} {said}",
            strained=status in LOAD,
            later=status == 429 or (status == 503 and retry_after is not None),
            final=status not in TRANSIENT and status < 500,
            retry_after=retry_after,
        )

    def _read_answer(self, content: bytes) -> Answer | Setback | Verdict:
        try:
            body = _Body.model_validate_json(mend_json(content))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"]) or "the body"
            whole = content.decode(errors="replace")
            return Setback(self._clean(f"no chat completion: {place}: {first['msg']}; it begins: {whole}"))
        if not body.choices:
            return Setback("no chat completion: it holds no choice")
        choice = body.choices[0]
        if choice.finish_reason in {"abort", "error"}:
            return Setback(f"the server broke off the answer: {choice.finish_reason}")
        if choice.finish_reason == "content_filter":
            return Verdict("failed", "the server's content filter cut the answer")
        text, usage = choice.message.content or choice.message.refusal or "", body.usage
        if any(secret in text for secret in self._secrets if len(secret) >= LEAST_SECRET):
            return Verdict("failed", "the answer repeats a secret that was sent to the server, so it is not kept")
        try:
            kept = self.form.read(text, choice.logprobs)
        except FactoryError as error:
            raise UnreadableAnswerError(
                f"server {self.spec.base_url}, model {self.model}: {self._clean(str(error))} "
                f"Mend {self.form.section}; nothing that was answered is lost."
            ) from None
        return Answer(
            kept,
            "length" if choice.finish_reason == "length" else "stop",
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
        )

    def _clean(self, text: str) -> str:
        """`text` on one line, cut, without any secret or half of a surrogate pair."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        line = " ".join(mend_text(text).split())
        return line if len(line) <= SHOWN_CHARACTERS else line[:SHOWN_CHARACTERS] + "…"


def _name_cause(error: BaseException) -> str:
    """What went wrong first: libraries wrap it in words of their own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
