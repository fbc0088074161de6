"""A response made to obey a drawn constraint, for those constraints that a change of form can fulfil."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from factory.problems.vocabulary import ENGLISH_WORDS

Arguments = dict[str, Any]

WAYS: dict[str, Callable[[str, Arguments, random.Random], str]] = {
    "quoted": lambda text, given, rng: '"' + text.replace('"', "") + '"',
    "json_object": lambda text, given, rng: json.dumps({"answer": text}, ensure_ascii=False),
    "no_commas": lambda text, given, rng: text.replace(",", ""),
    "ends_with_mark": lambda text, given, rng: f"{text} {given['mark']}",
    "title": lambda text, given, rng: f"<<{rng.choice(ENGLISH_WORDS)}>>\n{text}",
    "keyword": lambda text, given, rng: " ".join([text, *[given["word"]] * given["times"]]),
    "lower_case": lambda text, given, rng: text.lower(),
    "upper_case": lambda text, given, rng: text.upper(),
    "starts_with": lambda text, given, rng: f"{given['phrase']} {text}",
    "bullets": lambda text, given, rng: "\n".join(f"- {each}" for each in [text, *rng.sample(ENGLISH_WORDS, given["bullets"] - 1)]),
    "paragraphs": lambda text, given, rng: "\n\n".join([text, *rng.sample(ENGLISH_WORDS, given["paragraphs"] - 1)]),
    "sections": lambda text, given, rng: "\n".join(f"{given['word']} {place}\n{text}" for place in range(1, given["sections"] + 1)),
    "letter": lambda text, given, rng: f"{text} {given['letter'] * given['times']}",
}
"""By the constraint's name. A constraint on length is not here: the answers are short as they are."""


def obey(constraint: str, response: str, rng: random.Random) -> str:
    """`response` as the constraint (canonical JSON of name and arguments) wants it, or as it is where no way is known."""
    asked = json.loads(constraint)
    way = WAYS.get(asked["name"])
    return response if way is None else way(response, asked["arguments"], rng)
