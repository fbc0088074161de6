"""What a rubric is: the questions that a judge is asked about one response, or about two, each one prompt and one parser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from factory.generation.flow_spec import Step
from factory.generation.parsers import Identifier, Part

SHOWN = ("instruction", "context", "conversation", "language", "references")
"""What every prompt may use.

instruction: the first message of the user. context: the text that it is about, else null. conversation: all messages before the response
(role, content). language: BCP 47 tag of the leaf, else null. references: where they are known, a right answer to each message of
the user so far, null for one without; else an empty list. Beside these: `response`, or `first` and `second` of a rubric that compares; and
what earlier steps gave.
"""
OF_FLOWS = ("answers_conversation", "output", "appends", "each_turn", "held_against", "many", "filter", "when", "unless", "otherwise")
"""Keys of a flow's step that a rubric's has not."""


class Question(Step):
    """One question to the judge: a step of a flow, without what only writing needs."""

    asks: Literal["judge"] = "judge"

    @model_validator(mode="after")
    def _of_a_rubric(self) -> Self:
        if extra := [key for key in (*OF_FLOWS, "sampling") if key in self.model_fields_set]:
            raise ValueError(f"{extra[0]} is of a flow's steps; a rubric's has name, system, prompt, parser, retry, strip, limits, shorten")
        return self

    @property
    def numbers(self) -> frozenset[str]:
        """The variables that are numbers."""
        if self.parser.kind == "score":
            return frozenset({self.variable})
        if self.parser.kind != "json" or self.parser.items is not None:
            return frozenset()
        properties: dict[str, Any] = self.parser.json_schema["properties"]
        required = self.parser.json_schema.get("required", [])
        return frozenset(name for name in required if properties.get(name, {}).get("type") in {"integer", "number"})


class Rubric(Part):
    """How a judge scores a response, or compares two.

    The score is the number that the last step gives, or with `weights` their weighted sum. Of a rubric that compares, a score above 0 says
    that the first response is better, below 0 the second, and 0 that neither is. `load_rubric` sees that there is a score.
    """

    name: Identifier
    description: str = Field(min_length=1)
    source: str = Field(min_length=1, description="The paper or practice that the rubric follows.")
    compares: bool = Field(False, description="Whether it is put two responses, `first` and `second`, rather than one.")
    good_from: float | None = Field(None, description="Least score of a good response, where the line gives no min_score.")
    weights: dict[Identifier, float] = Field({}, description="Numbers that steps give, by how they weigh in the score.")
    steps: tuple[Question, ...] = Field(min_length=1)

    @property
    def given(self) -> tuple[str, ...]:
        """What the prompt of the first step may use."""
        return (*SHOWN, *(("first", "second") if self.compares else ("response",)))

    def score(self, values: Mapping[str, float]) -> float:
        """The score from the numbers that the steps gave."""
        if self.weights:
            return sum(values[name] * weight for name, weight in self.weights.items())
        (last,) = self.steps[-1].numbers
        return values[last]
