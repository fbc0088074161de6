"""Structured data: a JSON object from named fields."""

from __future__ import annotations

import json
import random

from factory.problems.registry import Problem, problem_writer
from factory.problems.vocabulary import CITIES, COLORS, ENGLISH_WORDS, FIRST_NAMES, JOBS

FIELDS = {
    "name": lambda rng: rng.choice(FIRST_NAMES),
    "age": lambda rng: rng.randint(5, 99),
    "city": lambda rng: rng.choice(CITIES),
    "job": lambda rng: rng.choice(JOBS),
    "color": lambda rng: rng.choice(COLORS),
    "price": lambda rng: rng.randint(2, 500),
    "item": lambda rng: rng.choice(ENGLISH_WORDS),
}


@problem_writer("json_record")
def write_json_record(rng: random.Random) -> Problem:
    """A flat object of 2 to 4 fields, in the order that the instruction names them."""
    record = {field: FIELDS[field](rng) for field in rng.sample(list(FIELDS), rng.randint(2, 4))}
    *first, last = [f"{field} {value}" for field, value in record.items()]
    fields = ", ".join([*first, last])
    instruction = rng.choice((f"Write a JSON object with {', '.join(first)} and {last}.", f"Make JSON from these fields: {fields}."))
    return Problem(instruction, json.dumps(record), f"json {fields}")
