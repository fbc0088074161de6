"""What a flow is: an ordered list of steps, each one prompt, one parser and one filter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Self

from jinja2 import TemplateSyntaxError
from pydantic import Field, field_validator, model_validator

from factory.generation.filters import Filter, Limits, Patterns, strip_patterns
from factory.generation.parsers import PARSERS, Identifier, Item, ParseError, Parser, Part, TextParser, normalise_space
from factory.generation.templates import find_attributes, find_names
from factory.spec_faults import suggest

GIVEN = ("examples", "context", "language", "tone", "persona", "turns", "turn", "conversation", "given_topic", "constraint")
"""What every prompt may use.

examples: the drawn examples (question, answer, context). context: the drawn text to ask about. language: BCP 47 tag of the leaf.
tone, persona ("precise" or "creative"), turns: attributes of the leaf or line. turn: which turn is written, from 1. conversation: the
messages so far (role, content). given_topic: a topic given by hand. constraint: the text of the drawn constraint. What is not there is
null. A step with `many` may use `count` as well.
"""
RESULTS = ("instruction", "response")
"""What a flow must give."""

SamplingSection = Literal["instruction", "response", "judging", "persona"]


class Step(Part):
    """One call of a model. `prompt` and `system` are Jinja templates of the user's and the system's message."""

    name: Identifier
    prompt: str | None = Field(None, min_length=1)
    system: str | None = None
    asks: Literal["teacher", "judge", "nobody"] = Field("teacher", description="Nobody: the prompt itself is the step's text.")
    answers_conversation: bool = Field(False, description="The conversation so far is sent instead of a prompt.")
    output: Identifier | None = Field(None, description="Variable that later steps read; by default the step's name.")
    appends: Literal["user", "assistant"] | None = Field(None, description="Whose message of the conversation the output is.")
    each_turn: bool = Field(False, description="Steps so marked, which stand together, are run once for each turn.")
    parser: Parser = TextParser()
    held_against: Identifier | None = Field(None, description="Variable whose text must contain each item.")
    many: int | None = Field(None, ge=2, le=1000, description="Items asked for: each becomes a draft of its own.")
    strip: Patterns = Field({}, description="What is taken off the output before it is looked at.")
    limits: Limits = Limits()
    filter: Filter = Filter()
    retry: str | None = Field(None, min_length=1, description="Template put after the prompt when the answer did not parse; asked once.")
    shorten: Identifier | None = Field(None, description="Variable whose text loses sentences from its end where the prompt is too long.")
    when: Identifier | None = Field(None, description="The step is left out where this variable is null or empty.")
    unless: Identifier | None = Field(None, description="The step is left out where this variable is neither.")
    otherwise: Identifier | None = Field(None, description="Variable that stands in for the output of a step left out.")
    sampling: SamplingSection | None = Field(
        None,
        description="Which sampling of the line's generation section; by default `judging` for the judge, `instruction` for that step.",
    )

    @field_validator("parser", mode="before")
    @classmethod
    def _by_name(cls, parser: Any) -> Any:
        kind = parser.get("kind", "text") if isinstance(parser, dict) else parser
        if isinstance(kind, str) and kind not in PARSERS:
            raise ValueError(f"no such parser; {suggest(kind, PARSERS)}")
        return {"kind": parser} if isinstance(parser, str) else parser

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.answers_conversation == (self.prompt is not None):
            raise ValueError("give a prompt, or answers_conversation: true, and not both")
        if self.asks == "nobody" and (self.system or self.answers_conversation or self.many or self.retry or self.parser.kind != "text"):
            raise ValueError("a step that asks nobody has a prompt alone: no system, parser, many or retry")
        if self.many and (self.each_turn or self.appends or self.when):
            raise ValueError("a step of many items can be neither of a turn nor left out by `when`")
        if self.many and self.unless not in (None, "given_topic"):
            raise ValueError(
                "a step of many items can be left out only unless given_topic: else nobody knows how many drafts there will be"
            )
        if self.each_turn and (self.when or self.unless):
            raise ValueError("a step of each turn cannot be left out")
        if (self.when or self.unless) and not self.otherwise:
            raise ValueError("a step that may be left out needs `otherwise`: the variable that then stands in for its output")
        if self.otherwise and bool(self.when) == bool(self.unless):
            raise ValueError("`otherwise` goes with one of `when` and `unless`")
        if self.filter.min_score is not None and self.parser.kind != "score":
            raise ValueError("min_score needs the parser 'score'")
        return self

    @property
    def variable(self) -> str:
        """The variable that the step's answer becomes."""
        return self.output or self.name

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that the step gives."""
        if self.parser.kind == "tagged":
            return tuple(self.parser.tags)
        if self.parser.kind == "regex":
            import re

            return tuple(re.compile(self.parser.pattern).groupindex)
        if self.parser.kind == "json":
            shape = self.parser.json_schema["properties"]
            if self.parser.items is not None:
                shape = shape[self.parser.items].get("items", {}).get("properties", {self.variable: {}})
            return tuple(shape)
        return (self.variable,)

    @property
    def templates(self) -> tuple[str, ...]:
        """The step's templates, of the prompt first."""
        return tuple(template for template in (self.prompt, self.system, self.retry) if template is not None)

    @property
    def shows_examples(self) -> bool:
        """Whether a template of the step uses the examples."""
        return any("examples" in _names(template) for template in self.templates)

    @property
    def sampling_section(self) -> SamplingSection:
        """The key of GenerationSpec that holds the step's sampling."""
        if self.sampling is not None:
            return self.sampling
        return "judging" if self.asks == "judge" else "instruction" if self.name == "instruction" else "response"

    @property
    def schema_text(self) -> str | None:
        """The JSON schema of the answer as canonical JSON."""
        return self.parser.canonical if self.parser.kind == "json" else None

    def parse(self, answer: str, language: str = "", held: str | None = None) -> list[Item | ParseError]:
        """The step's items, at most `many`; of a list, what is wrong with one item stands in its place.

        `held` is the text that each item must stand in. Raises ParseError where the answer does not parse, or the one item has a fault.
        """
        items = self.parser.parse(answer, self.variable)
        if self.many is None:
            if len(items) != 1:
                raise ParseError(f"{len(items)} items, one was asked for")
            return [self._check(items[0], language, held)]
        checked: list[Item | ParseError] = []
        for item in items[: self.many]:
            try:
                checked.append(self._check(item, language, held))
            except ParseError as error:
                checked.append(error)
        missing = ParseError(f"{len(items)} items, {self.many} were asked for")
        return checked + [missing] * (self.many - len(checked))

    def _check(self, item: Item, language: str, held: str | None) -> Item:
        """The item, stripped. Raises ParseError."""
        checked: Item = {}
        for name, value in item.items():
            if isinstance(value, str):
                value = strip_patterns(value, self.strip, language)
                if not value:
                    raise ParseError("empty")
                if not value.isascii():
                    _check_unicode(value)
                self.limits.check(value)
                if held is not None and normalise_space(value) not in normalise_space(held):
                    raise ParseError(f"{value[:60]!r} does not stand in what the model wrote")
            checked[name] = value
        return checked


class Flow(Part):
    """How a candidate is written: steps in order. The variables `instruction` and `response` are the candidate, or, where steps append to a
    conversation, its first user's and last assistant's message; a variable `context` that a step writes is the candidate's context."""

    name: Identifier
    description: str = Field(min_length=1)
    source: str = Field(min_length=1, description="The paper or practice that the flow follows.")
    pool: Literal["leaf", "line"] = Field("leaf", description="Where the examples of a prompt are drawn: its own leaf, or all leaves.")
    examples: int | None = Field(None, ge=1, description="Examples that a prompt shows; by default the line's examples_per_prompt.")
    turns: int = Field(1, ge=1, le=20, description="Turns of a conversation where neither leaf nor line says how many.")
    draws: dict[Identifier, tuple[str | None, ...]] = Field({}, description="Variables of which each unit draws one of the values.")
    constrains: bool = Field(False, description="Each unit draws a verifiable constraint: the variable `constraint`.")
    steps: tuple[Step, ...] = Field(min_length=1)

    def uses(self, name: str) -> bool:
        """Whether a step reads the variable `name` before another step gives it."""
        for step in self.steps:
            if name in {step.when, step.unless, step.otherwise, step.held_against} or any(name in _names(text) for text in step.templates):
                return True
            if name in step.variables and not step.otherwise:
                return False
        return False

    @property
    def reads_context(self) -> bool:
        """Whether a prompt of the flow uses the drawn context."""
        return self.uses("context")

    @property
    def reads_examples(self) -> bool:
        """Whether a prompt of the flow uses the drawn examples."""
        return self.uses("examples")

    @property
    def shows_example_contexts(self) -> bool:
        """Whether a prompt of the flow shows the contexts of examples without asking whether they have one."""
        return self.reads_examples and any("context" in find_attributes(text) for step in self.steps for text in step.templates)

    @property
    def asks_judge(self) -> bool:
        """Whether a step is put to the judge."""
        return any(step.asks == "judge" for step in self.steps)

    def plan(self, turns: int) -> tuple[PlannedStep, ...]:
        """The steps of a candidate of `turns` turns, those of each turn repeated."""
        marked = [place for place, step in enumerate(self.steps) if step.each_turn]
        before, after = (self.steps[: marked[0]], self.steps[marked[-1] + 1 :]) if marked else (self.steps, ())
        block = [self.steps[place] for place in marked]
        planned = [PlannedStep(step, 1) for step in before]
        planned += [PlannedStep(step, turn) for turn in range(1, turns + 1) for step in block]
        return (*planned, *(PlannedStep(step, turns) for step in after))

    def count_turns(self, turns: int) -> int:
        """The user's messages in a candidate when `turns` are asked for."""
        return sum(planned.step.appends == "user" for planned in self.plan(turns)) or 1


@dataclasses.dataclass(frozen=True)
class PlannedStep:
    """A step at its place in a candidate; `turn` counts from 1."""

    step: Step
    turn: int


def find_response(steps: Sequence[PlannedStep]) -> int:
    """The place of the step that gives the candidate's response."""
    return max(place for place, planned in enumerate(steps) if planned.step.appends == "assistant" or "response" in planned.step.variables)


def _names(template: str) -> frozenset[str]:
    try:
        return find_names(template)
    except TemplateSyntaxError:
        return frozenset()


def _check_unicode(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ParseError("holds half of a surrogate pair, which is no character") from None
