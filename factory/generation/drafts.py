"""A candidate in the making, and the rows that it becomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from factory.generation.chat import Completion, Message
from factory.generation.constraints import Constraint
from factory.generation.flow_spec import Flow, PlannedStep, find_response
from factory.generation.models import Model
from factory.generation.units import Unit
from factory.line import GenerationSpec, Persona
from factory.model_spec import Sampling
from factory.personal_data.records import redact_record
from factory.personal_data.spec import PersonalDataSpec
from factory.records import digest, record_id

INHERITED = ("leaf", "kind", "language", "verifier", "verifier_settings", "groups")
"""Columns that a candidate takes over from the rows of its leaf."""


@dataclass(frozen=True)
class Recipe:
    """What all drafts of a leaf share. `given_topics`: the leaf's topics are given by hand. `seed` is the line's seed number."""

    flow: Flow
    steps: tuple[PlannedStep, ...]
    spec: GenerationSpec
    teachers: tuple[Model, ...]
    judge: Model | None
    inherited: dict[str, Any]
    licence: str
    persona: Persona
    given_topics: bool
    seed: int

    @property
    def leaf(self) -> str:
        """The leaf that is written for."""
        return str(self.inherited["leaf"])

    @property
    def language(self) -> str:
        """BCP 47."""
        return str(self.inherited["language"])

    @property
    def response_place(self) -> int:
        """The place of the step that gives the response."""
        return find_response(self.steps)

    def count_slots(self, first: int = 0, *, parted: bool = False) -> int:
        """How many candidates a draft at the step `first` is planned to become. `parted`: it has parted into its responses already."""
        slots = 1 if parted or first > self.response_place else self.spec.responses_per_instruction
        for planned in self.steps[first:]:
            if planned.step.many and not (planned.step.unless and self.given_topics):
                slots *= planned.step.many
        return slots

    def sampling(self, planned: PlannedStep) -> Sampling:
        """How the step is sampled."""
        section = planned.step.sampling_section
        chosen: Sampling = getattr(self.spec, self.persona if section == "persona" else section)
        return chosen


@dataclass
class Draft:
    """A candidate in the making, or, before the step that parts it, several: those of `slots`, numbers of candidates of the leaf.

    After its first fault or refusal nothing more is asked for it. `path` tells it from the other drafts of its unit. `depth` is that of the
    teachers that were asked; `examples_shown` the most examples of a prompt that was asked, null before there is one that shows any.
    """

    unit: Unit
    slots: range
    variables: dict[str, Any]
    constraint: Constraint | None
    teacher: int
    depth: int = 0
    examples_shown: int | None = None
    path: tuple[int, ...] = ()
    step: int = 0
    parted: bool = False
    finished: bool = False
    conversation: tuple[Message, ...] = ()
    prompts: tuple[tuple[Message, ...], ...] = ()
    usage: list[dict[str, Any]] = field(default_factory=list)
    judgements: tuple[dict[str, Any], ...] = ()
    refusal: str | None = None
    fault: str | None = None

    def count(self, step: str, model: Model, answer: Completion) -> None:
        """Adds the tokens and the cost of one answer."""
        self.usage.append(model.tell_usage(step, answer))

    def part(self, place: int, start: int, width: int, **changes: Any) -> Draft | None:
        """The draft that goes on from here for `width` slots from `start` on; None where the leaf needs no more candidates.

        What was spent so far is counted with the first.
        """
        slots = range(start, min(start + width, self.slots.stop))
        if not slots:
            return None
        usage = self.usage if start == self.slots.start else []
        path = (*self.path, place) if place else self.path
        return replace(self, slots=slots, path=path, variables={**self.variables}, usage=[*usage], **changes)


def write_rows(draft: Draft, recipe: Recipe, personal_data: PersonalDataSpec) -> Iterator[tuple[int, dict[str, Any]]]:
    """The finished draft as CANDIDATE rows with their slots: one, or, where it ended before it parted, one for each of its slots.

    What the line redacts is taken out before the record has its id, so that its id, its scores and its copies are of what is published.
    """
    unit = draft.unit if draft.examples_shown is None else draft.unit.limit(draft.examples_shown)
    variables = draft.variables
    messages = [{"role": message.role, "content": message.content} for message in draft.conversation]
    answered = draft.step > recipe.response_place
    instruction = variables.get("instruction") or next((message["content"] for message in messages), None)
    response = variables.get("response") or (messages[-1]["content"] if messages else None)
    sampling = {planned.step.name: recipe.sampling(planned).model_dump() for planned in recipe.steps if planned.step.asks != "nobody"}
    said = {
        "leaf": recipe.leaf,
        "instruction": instruction,
        "context": variables["context"],
        "response": response if answered else None,
        "turns": messages if answered and len(messages) > 2 else None,
        "topic": variables.get("topic") or variables["given_topic"],
        "constraint": draft.constraint.canonical if draft.constraint else None,
        "seed_ids": [row["record_id"] for row in unit.shown],
        "document_id": unit.context.record_id if unit.context else None,
        "flow": recipe.flow.name,
        "teacher": recipe.teachers[draft.teacher].teacher.identity,
        "prompt_hash": digest([[[message.role, message.content] for message in prompt] for prompt in draft.prompts]),
        "sampling": json.dumps(sampling, sort_keys=True, separators=(",", ":")),
        "seed": unit.seed,
    }
    ended, counts = redact_record({**said, "refusal": draft.refusal, "parse_fault": draft.fault}, recipe.language, personal_data)
    content = {name: ended[name] for name in said}
    redacted = [{"type": kind, "count": count} for kind, count in counts.items()]
    told = {**content, "redacted": redacted} if redacted else content
    instruction = content["instruction"]
    for slot in draft.slots:
        usage = draft.usage if slot == draft.slots.start else []
        yield (
            slot,
            {
                # Path and place tell apart two drafts of a unit that were asked and answered the same.
                "record_id": record_id("candidate", {**told, "path": draft.path, "place": slot - draft.slots.start}),
                **recipe.inherited,
                **content,
                "redacted": redacted or None,
                "instruction_id": instruction and digest(["instruction", recipe.leaf, instruction, content["context"]]),
                "licence": unit.licence or recipe.licence,
                "depth": max(unit.depth, draft.depth) + 1,
                "prompt_tokens": sum(request["prompt_tokens"] for request in usage),
                "completion_tokens": sum(request["completion_tokens"] for request in usage),
                "cost": sum(request["cost"] for request in usage),
                "usage": usage,
                "judgements": list(draft.judgements),
                "refusal": ended["refusal"],
                "parse_fault": ended["parse_fault"],
            },
        )
