"""The registry of problem writers, and the split that keeps evaluation problems out of pretraining text."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Split = Literal["pretraining", "evaluation"]
EVALUATION_SHARE = 0.1


@dataclass(frozen=True)
class Problem:
    """A task with its right answer. `key` names the problem whatever its phrasing: two phrasings of 47 + 85 share it."""

    instruction: str
    response: str
    key: str


Writer = Callable[[random.Random], Problem]
WRITERS: dict[str, Writer] = {}


def problem_writer(name: str) -> Callable[[Writer], Writer]:
    """Registers a writer under the name that a leaf's `factory.problems` gives."""

    def register(writer: Writer) -> Writer:
        WRITERS[name] = writer
        return writer

    return register


def split_of(key: str) -> Split:
    """The side of a problem: a tenth of all keys, chosen by hash, is never in pretraining text."""
    bucket = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) / 2**32
    return "evaluation" if bucket < EVALUATION_SHARE else "pretraining"


def write_problem(name: str, rng: random.Random, split: Split = "evaluation") -> Problem:
    """A new problem of writer `name` on the given side of the split. Raises KeyError for an unknown name."""
    writer = WRITERS[name]
    while True:
        problem = writer(rng)
        if split_of(problem.key) == split:
            return problem
