"""Short freeform writing that no verifier can decide."""

from __future__ import annotations

import random

from factory.problems.registry import Problem, problem_writer
from factory.problems.vocabulary import COLORS, FIRST_NAMES, GIFTS

FEELINGS = (
    "I use it every day.",
    "It made me very happy.",
    "It looks lovely in my home.",
    "I will always think of you when I see it.",
    "My family likes it too.",
    "It was just what I needed.",
)
CLOSINGS = ("I hope to see you soon.", "You are a kind friend.", "Please visit us again.", "With best wishes.", "See you next week.")


def is_thank_you(problem: Problem, note: str) -> bool:
    """Whether `note` thanks the right person for the right gift, in the words of a note of this writer."""
    opening, _, rest = note.partition(". ")
    feeling, _, closing = rest.partition(". ")
    right_opening = opening == problem.response.partition(". ")[0]
    return right_opening and (rest in FEELINGS or (f"{feeling}." in FEELINGS and closing in CLOSINGS))


@problem_writer("thank_you_note")
def write_thank_you_note(rng: random.Random) -> Problem:
    """A thank-you note for a coloured gift."""
    name, gift = rng.choice(FIRST_NAMES), f"{rng.choice(COLORS)} {rng.choice(GIFTS)}"
    instruction = rng.choice((f"Write a thank-you note to {name} for the {gift}.", f"Thank {name} for the {gift} in a short note."))
    closing = f" {rng.choice(CLOSINGS)}" if rng.random() < 0.6 else ""
    response = f"Dear {name}, thank you for the {gift}. {rng.choice(FEELINGS)}{closing}"
    return Problem(instruction, response, f"thank {name} {gift}")
