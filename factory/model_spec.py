"""The parts of a line that say which model is asked, where, at what price, and how it samples."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from factory.spec import Spec

SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
"""Headers whose value never stands in a line's file."""


class Sampling(Spec):
    """How a teacher samples one step."""

    temperature: float = Field(default=1.0, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=96, ge=1)


class Price(Spec):
    """Money per million tokens."""

    prompt: float = Field(default=0.0, ge=0)
    completion: float = Field(default=0.0, ge=0)


class ServerSpec(Spec):
    """A server of chat completions in OpenAI's form, and how hard it may be asked."""

    base_url: str = Field(description="Where it listens, as in http://localhost:8000/v1.")
    key_variable: str | None = Field(default=None, min_length=1, description="Name of the environment variable that holds the key.")
    headers: dict[str, str] = Field(default={}, description="More headers; ${NAME} in a value is read from the environment.")
    in_flight: int = Field(default=32, ge=1, le=4096, description="Most requests ever open at once; fewer while the server strains.")
    deadline_seconds: float = Field(default=300.0, gt=0, description="Longest time for one try, from connecting to the end of the body.")
    tries: int = Field(default=6, ge=1, description="Times that one request may go wrong before it is given up.")
    patience_seconds: float = Field(default=600.0, gt=0, description="How long a request waits for a server that says 'later' (429).")
    park_seconds: float = Field(default=30.0, gt=0, description="How long a server that fails is left alone at first; doubles each time.")
    structured_output: bool = Field(default=True, description="Whether to send JSON schemas; a server that refuses one is asked without.")
    context_tokens: int | None = Field(default=None, ge=16, description="Most tokens of prompt and answer together.")
    tokenizer: str | None = Field(default=None, min_length=1, description="Folder or hub id that counts tokens exactly; else estimated.")

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("expected an address such as http://localhost:8000/v1")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("give scheme, host and path alone; a key belongs in the variable that key_variable names, or in headers")
        return url.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _no_bare_secret(cls, headers: dict[str, str]) -> dict[str, str]:
        from string import Template

        for name, value in headers.items():
            if not Template(value).is_valid():
                raise ValueError(f"header {name}: write $$ for a dollar sign, and ${{NAME}} for an environment variable")
            if SECRET_HEADER.search(name) and not Template(value).get_identifiers():
                raise ValueError(f"header {name} is a secret: give its value as ${{NAME}} of an environment variable")
        return headers


class TeacherSpec(Spec):
    """A model that writes or judges."""

    model: str = Field(
        default="pico-teacher",
        min_length=1,
        description="A bundled pico model, a local Hugging Face folder, or a hub id; with `server`, the name that the server gives it.",
    )
    revision: str | None = Field(
        default=None, description="Branch, tag or commit of a hub model; of a served model, any word: a new one asks anew."
    )
    server: ServerSpec | None = None
    adapter: str | None = Field(default=None, min_length=1, description="Folder of a LoRA adapter (peft) on top of a local model.")
    quantisation: Literal["4bit"] | None = Field(default=None, description="4bit: weights in NF4, by bitsandbytes.")
    batch_size: int = Field(default=60, ge=1, description="Prompts in one batch of a local model.")
    weight: float = Field(default=1.0, gt=0, description="Share of the work, beside the weights of the line's other teachers.")
    depth: int = Field(default=0, ge=0, description="Generation depth of the data that the teacher was trained on; real data is 0.")
    price: Price = Price()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.server and (self.adapter or self.quantisation):
            raise ValueError("adapter and quantisation are of a model in this process; a server is started with its own")
        return self
