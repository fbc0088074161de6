"""The recipe of the pico family: sizes, mixtures and schedules from which `pretrain` makes each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# How often each problem writer is drawn: what needs more practice to learn is drawn more often.
PRACTICE: Mapping[str, float] = {
    "addition": 3.0,
    "addition_id": 2.0,
    "subtraction": 3.0,
    "multiplication": 3.0,
    "largest_number": 1.5,
    "next_number": 2.0,
    "reverse_words": 1.5,
    "sort_words": 2.5,
    "sort_words_id": 2.0,
    "count_words": 1.0,
    "json_record": 1.0,
    "convert_units": 1.5,
    "weekday_after": 1.5,
    "add_days": 2.5,
    "number_words_id": 1.5,
    "thank_you_note": 1.0,
}
LATE_PRACTICE: Mapping[str, float] = dict.fromkeys(PRACTICE, 1.0) | {
    "add_days": 7.0,
    "weekday_after": 5.0,
    "multiplication": 2.5,
    "largest_number": 2.0,
    "convert_units": 2.0,
    "json_record": 2.0,
    "reverse_words": 1.5,
    "subtraction": 1.5,
}
"""For the second stage: what the first one leaves weak."""


@dataclass(frozen=True)
class Stage:
    """One pass over `dialogues` new texts, cosine schedule. `mixture` maps a method of Corpus to its share of dialogues."""

    dialogues: int
    learning_rate: float
    mixture: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    practice: Mapping[str, float] = field(default_factory=lambda: PRACTICE)


@dataclass(frozen=True)
class Recipe:
    """How one model is made."""

    model: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    stages: tuple[Stage, ...]
    seed: int
    block_tokens: int = 256
    batch_blocks: int = 8


TEACHER = Recipe(
    model="pico-teacher",
    hidden=160,
    layers=4,
    heads=5,
    intermediate=432,
    stages=(
        Stage(330_000, 2e-3, {"solve": 0.78, "new_task": 0.10, "grounded_question": 0.05, "grounded_answer": 0.07}),
        Stage(80_000, 1e-3, {"solve": 0.58, "new_task": 0.12, "grounded_question": 0.05, "grounded_answer": 0.25}, LATE_PRACTICE),
    ),
    seed=0,
)
"""Writes new tasks and answers them; 1.5 M parameters."""

STUDENT = Recipe(
    model="pico-student",
    hidden=128,
    layers=4,
    heads=4,
    intermediate=344,
    stages=(Stage(100_000, 2e-3, {"notes": 0.55, "repeat": 0.15, "new_task": 0.15, "grounded_answer": 0.1, "grounded_question": 0.05}),),
    seed=1,
)
"""Has read notes, passages and lists of tasks, but no task with its answer: knows the language, not how to respond; 1.0 M parameters."""

REWARD_LAYERS = 3
REWARD = Recipe(
    model="pico-reward",
    hidden=TEACHER.hidden,
    layers=REWARD_LAYERS,
    heads=TEACHER.heads,
    intermediate=TEACHER.intermediate,
    stages=(Stage(45_000, 7e-4),),
    seed=2,
)
"""The teacher's embeddings and first layers under a new head, tuned to tell good responses from spoilt ones."""

RECIPES = {recipe.model: recipe for recipe in (TEACHER, STUDENT, REWARD)}
