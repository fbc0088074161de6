"""Lists of words: reversed, sorted, counted."""

from __future__ import annotations

import random

from factory.problems.registry import Problem, problem_writer
from factory.problems.vocabulary import ENGLISH_WORDS


@problem_writer("reverse_words")
def write_reverse_words(rng: random.Random) -> Problem:
    """3 to 6 words in reverse order."""
    words = rng.sample(ENGLISH_WORDS, rng.randint(3, 6))
    listed = " ".join(words)
    instruction = rng.choice((f"Reverse the order of these words: {listed}", f"Write these words in reverse order: {listed}"))
    return Problem(instruction, " ".join(reversed(words)), f"reverse {listed}")


@problem_writer("sort_words")
def write_sort_words(rng: random.Random) -> Problem:
    """3 to 5 words in alphabetical order."""
    words = rng.sample(ENGLISH_WORDS, rng.randint(3, 5))
    listed = ", ".join(words)
    instruction = rng.choice((f"Sort these words alphabetically: {listed}", f"Put these words in alphabetical order: {listed}"))
    return Problem(instruction, ", ".join(sorted(words)), f"sort {listed}")


@problem_writer("count_words")
def write_count_words(rng: random.Random) -> Problem:
    """How many words a list of 3 to 9 has."""
    words = rng.sample(ENGLISH_WORDS, rng.randint(3, 9))
    listed = " ".join(words)
    instruction = rng.choice((f"How many words are in this list: {listed}?", f"Count the words: {listed}"))
    return Problem(instruction, str(len(words)), f"count {listed}")
