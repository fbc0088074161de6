"""Reads what a reward model behind a server answers, in the three shapes of NVIDIA's Nemotron reward models.

Nemotron-4-340B-Reward gives its attributes as `logprobs.content`, a list of tokens that name them with their scores as log-probabilities
(which may be positive, as they are none), or as the text `helpfulness:1.25,correctness:0.43,...`; Llama-3.1-Nemotron-70B-Reward gives the
text `reward:-25.6`. See https://docs.nvidia.com/nim/large-language-models/latest/reward-model.html.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from factory.faults import FactoryError
from factory.generation.wire import Form
from factory.reward.rating import Rating
from factory.reward_spec import ATTRIBUTES

REWARD = "reward"
"""What names the score of a model that has one."""
KNOWN = {*ATTRIBUTES, REWARD}
SHOWN = 80
"""Characters of an ordinary answer in an error."""


def read_rating_text(text: str, logprobs: Any) -> str:
    """The rating in an answer, as the text that `parse_rating` reads: of `logprobs` where they name attributes, else the message's own.

    Raises FactoryError with every fault of the answer, or where it is an ordinary one.
    """
    written = _write_logprobs(logprobs) or text.strip()
    parse_rating(written)
    return written


NEMOTRON = Form("reward", sampled=False, read=read_rating_text)


def parse_rating(text: str) -> Rating:
    """The rating that `helpfulness:1.25,correctness:0.43,...` or `reward:-25.6` states.

    Raises FactoryError with every fault: attributes that are missing, unknown or given twice, and values that are no finite numbers.
    """
    pairs = [_split(part) for part in text.split(",")]
    if not any(name in KNOWN for name, _ in pairs):
        shown = " ".join(text.split())
        said = f"it answers {shown[:SHOWN]!r}" + ("…" if len(shown) > SHOWN else "") if shown else "its answer is empty"
        raise FactoryError(f"not a reward model: {said}, where five attributes ({', '.join(ATTRIBUTES)}) or one reward were expected.")
    wanted = (REWARD,) if all(name not in ATTRIBUTES for name, _ in pairs) else ATTRIBUTES
    if faults := [*_look_for_faults(pairs, wanted)]:
        raise FactoryError(f"an answer that is no whole rating: {'; '.join(faults)}.")
    values = {name: float(value) for name, value in pairs}
    return Rating(reward=values[REWARD]) if wanted == (REWARD,) else Rating(attributes={name: values[name] for name in ATTRIBUTES})


def _write_logprobs(logprobs: Any) -> str:
    """The entries of `logprobs.content` as text; empty where none of them names an attribute, as in the log-probabilities of words."""
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(entries, list):
        return ""
    pairs = [(_name(entry.get("token")), entry.get("logprob")) for entry in entries if isinstance(entry, dict)]
    if not any(name in KNOWN for name, _ in pairs):
        return ""
    return ",".join(f"{name}:{value}" for name, value in pairs)


def _split(part: str) -> tuple[str, str]:
    name, _, value = part.partition(":")
    return _name(name), value.strip()


def _name(token: Any) -> str:
    return str(token).strip().lower()


def _look_for_faults(pairs: Iterable[tuple[str, str]], wanted: tuple[str, ...]) -> Iterator[str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in wanted:
            yield f"{name[:SHOWN]!r} is no attribute" if name else "a value has no name"
        elif name in given:
            yield f"{name} is given twice"
        elif not _is_number(value):
            yield f"{name} is {value[:SHOWN]!r}, no finite number"
        given[name] = value
    yield from (f"{name} is missing" for name in wanted if name not in given)


def _is_number(value: str) -> bool:
    try:
        return "_" not in value and value.isascii() and math.isfinite(float(value))
    except ValueError:
        return False
