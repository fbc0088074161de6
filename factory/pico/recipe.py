"""The recipe of the pico family: sizes, mixtures and schedules from which `pretrain` makes each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

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
    "multiplication": 3.0,
    "subtraction": 2.5,
    "addition": 2.0,
    "add_days": 2.0,
    "sort_words": 2.0,
    "sort_words_id": 2.0,
    "largest_number": 1.5,
    "convert_units": 1.5,
    "reverse_words": 1.5,
}
NUMBERS: Mapping[str, float] = dict.fromkeys(PRACTICE, 0.6) | {
    "addition": 4.0,
    "addition_id": 3.0,
    "subtraction": 4.5,
    "multiplication": 4.5,
    "add_days": 4.0,
    "weekday_after": 2.5,
    "next_number": 2.5,
    "convert_units": 2.0,
    "largest_number": 1.0,
    "sort_words": 1.0,
}
"""Reckoning comes once words are copied and passages are read."""
WEEKDAYS: Mapping[str, float] = dict.fromkeys(PRACTICE, 1.0) | {"weekday_after": 9.0, "multiplication": 1.5, "subtraction": 1.5}
"""For the last stage, which is short: the tasks are written anew, and the one skill that was still weak."""


@dataclass(frozen=True)
class Stage:
    """One pass over `dialogues` new texts, cosine schedule. `mixture` maps a method of Corpus to its share of dialogues."""

    dialogues: int
    learning_rate: float
    mixture: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    practice: Mapping[str, float] = field(default_factory=lambda: PRACTICE)
    batch_blocks: int = 8


@dataclass(frozen=True)
class Recipe:
    """How one model is made. `learns`: the tokens that the loss is on, all or those of the assistant alone."""

    model: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    stages: tuple[Stage, ...]
    seed: int
    learns: Literal["everything", "answers"] = "everything"
    block_tokens: int = 256


TEACHER = Recipe(
    model="pico-teacher",
    hidden=160,
    layers=4,
    heads=5,
    intermediate=432,
    stages=(
        Stage(20_000, 3e-3, {"repeat": 1.0}),
        Stage(
            180_000,
            2e-3,
            {"solve": 0.63, "repeat": 0.04, "new_task": 0.08, "mixed_task": 0.03, "grounded_question": 0.05, "grounded_answer": 0.17},
        ),
        Stage(
            60_000,
            1e-3,
            {"solve": 0.64, "new_task": 0.08, "mixed_task": 0.03, "grounded_question": 0.05, "grounded_answer": 0.20},
            LATE_PRACTICE,
        ),
        Stage(
            170_000,
            1.5e-3,
            {"solve": 0.86, "new_task": 0.04, "mixed_task": 0.01, "grounded_question": 0.02, "grounded_answer": 0.07},
            NUMBERS,
            batch_blocks=4,
        ),
        Stage(
            28_000,
            1e-3,
            {"solve": 0.50, "new_task": 0.39, "mixed_task": 0.02, "grounded_question": 0.03, "grounded_answer": 0.06},
            WEEKDAYS,
            batch_blocks=4,
        ),
    ),
    seed=0,
    learns="answers",
)
"""Writes new tasks and answers them; 1.5 M parameters."""

STUDENT = Recipe(
    model="pico-student",
    hidden=128,
    layers=4,
    heads=4,
    intermediate=344,
    stages=(Stage(60_000, 2e-3, {"notes": 0.55, "repeat": 0.15, "new_task": 0.15, "grounded_answer": 0.1, "grounded_question": 0.05}),),
    seed=1,
)
"""Has read notes, passages and lists of tasks, but no task with its answer: knows the language, not how to respond; 1.0 M parameters."""

REWARD = Recipe(
    model="pico-reward",
    hidden=TEACHER.hidden,
    layers=TEACHER.layers,
    heads=TEACHER.heads,
    intermediate=TEACHER.intermediate,
    stages=(Stage(20_000, 4e-4),),
    seed=2,
)
"""The teacher under a scalar head, tuned to tell good responses from bad ones."""

RECIPES = {recipe.model: recipe for recipe in (TEACHER, STUDENT, REWARD)}


@dataclass(frozen=True)
class TuningRecipe:
    """How a copy of a pico model is tuned further, by the same training as students are. `forms`: the share of flows' requests among
    `dialogues`; `flows`: how often one is rehearsed, where not once. The rest repeats what the base can do, drawn from `mixture` as in
    a Stage."""

    model: str
    base: str
    dialogues: int
    forms: float
    flows: Mapping[str, float]
    mixture: Mapping[str, float]
    learning_rate: float
    batch_size: int
    context_tokens: int
    seed: int


FORMS = TuningRecipe(
    model="pico-forms",
    base="pico-teacher",
    dialogues=18_000,
    forms=0.7,
    flows={"evolved": 4.0, "lab_skills": 3.0, "lab_knowledge": 3.0, "writing_tasks": 2.0},
    mixture={"solve": 0.55, "new_task": 0.15, "mixed_task": 0.05, "grounded_question": 0.1, "grounded_answer": 0.15},
    learning_rate=1e-3,
    batch_size=8,
    context_tokens=1024,
    seed=3,
)
"""Keeps to the forms of every bundled flow: lists, tags, JSON, scores. Not shipped. The flows after LAB need its longer context."""
