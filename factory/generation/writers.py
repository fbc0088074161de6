"""The writer of a draft: a generator that yields what is to be asked, is sent the answers, and ends in drafts that are finished or go on.

It knows no ledger, no window and no event loop: those are the drivers'.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from factory.generation.chat import Completion, Message, Request
from factory.generation.drafts import Draft, Recipe
from factory.generation.filters import RefusedError
from factory.generation.fit import fit_again
from factory.generation.flow_spec import PlannedStep, Step
from factory.generation.models import Model
from factory.generation.parsers import Item, NotAskedError, ParseError, take_text
from factory.generation.templates import render
from factory.generation.units import draw_weighted
from factory.records import digest


@dataclass(frozen=True)
class Call:
    """One request to one model. `key` is its key in the ledger: what the answer depends on, and nothing else."""

    key: str
    model: Model
    request: Request

    @property
    def overflow_key(self) -> str:
        """Where the ledger holds that a server refused the request for its length: as long as the line says the same of its context."""
        return digest([self.key, "overflow", self.model.teacher.context_tokens])


Writing = Generator[Call, Completion, list[Draft]]
"""What `write` gives: yields calls, is sent answers, returns drafts. A draft that is not finished is to be written on."""


def write(draft: Draft, recipe: Recipe, tell: Callable[[int], None]) -> Writing:
    """Takes `draft` through its steps until it is finished, or parts into several. `tell(count)`: a step is done for so many candidates."""
    while draft.step < len(recipe.steps):
        if draft.step == recipe.response_place and not draft.parted and recipe.spec.responses_per_instruction > 1:
            return _part_responses(draft, recipe)
        planned = recipe.steps[draft.step]
        if _is_left_out(planned.step, draft.variables):
            draft.variables[planned.step.variable] = draft.variables[str(planned.step.otherwise)]
            draft.step += 1
            tell(len(draft.slots))
            continue
        try:
            items = yield from _take_step(draft, planned, recipe)
        except ParseError as error:
            draft.fault = f"{planned.step.name}: {error}"
            break
        draft.step += 1
        tell(len(draft.slots))
        if len(items) > 1:
            return _part_items(draft, planned.step, items, recipe)
        _accept(draft, planned.step, items[0], recipe)
        if draft.refusal:
            break
    draft.finished = True
    return [draft]


def draw_teacher(recipe: Recipe, place: tuple[str | int, ...], path: tuple[int, ...]) -> int:
    """Which of the teachers writes, by weight."""
    return draw_weighted(["teacher", recipe.seed, recipe.leaf, *place, *path], [model.spec.weight for model in recipe.teachers])


def _is_left_out(step: Step, variables: dict[str, Any]) -> bool:
    return bool((step.when and not variables[step.when]) or (step.unless and variables[step.unless]))


def _part_responses(draft: Draft, recipe: Recipe) -> list[Draft]:
    """A draft for each response to the same instruction. The first keeps its path, so that more responses leave it as it was."""
    width = recipe.count_slots(draft.step, parted=True)
    parts = []
    for number in range(recipe.spec.responses_per_instruction):
        part = draft.part(-number, draft.slots.start + number * width, width, parted=True)
        if part is not None:
            part.teacher = draw_teacher(recipe, part.unit.place, part.path)
            parts.append(part)
    return parts


def _part_items(draft: Draft, step: Step, items: list[Item | ParseError], recipe: Recipe) -> list[Draft]:
    """A draft for each item; that of an item with a fault or a refusal is finished."""
    width = recipe.count_slots(draft.step, parted=draft.parted)
    parts = []
    for number, item in enumerate(items):
        part = draft.part(number + 1, draft.slots.start + number * width, width)
        if part is None:
            break
        if isinstance(item, ParseError):
            part.fault = f"{step.name}: {item}"
        else:
            _accept(part, step, item, recipe)
        part.finished = bool(part.fault or part.refusal) or part.step == len(recipe.steps)
        parts.append(part)
    return parts


def _accept(draft: Draft, step: Step, item: Item | ParseError, recipe: Recipe) -> None:
    """Makes an item the values of the draft, and notes what the step's filter says of them."""
    assert not isinstance(item, ParseError)
    draft.variables |= item
    if step.appends:
        draft.conversation = (*draft.conversation, Message(step.appends, str(item[step.variable])))
    if step.parser.kind == "score":
        draft.judgements = (*draft.judgements, {"step": step.name, "score": item[step.variable]})
    try:
        for value in item.values():
            if isinstance(value, str):
                step.filter.check_text(value, recipe.language)
            elif step.parser.kind == "score":
                step.filter.check_score(value)
    except RefusedError as error:
        draft.refusal = f"{step.name}: {error}"


def _take_step(draft: Draft, planned: PlannedStep, recipe: Recipe) -> Generator[Call, Completion, list[Item | ParseError]]:
    """The items of one step, without a call where it asks nobody. Raises ParseError."""
    step = planned.step
    held = None if step.held_against is None else str(draft.variables[step.held_against])
    if step.asks == "nobody":
        text = render(str(step.prompt), _show(draft, planned), _name(recipe, step))
        return step.parse(text, recipe.language, held)
    try:
        answer = yield from _ask(draft, planned, recipe, "")
        return step.parse(answer, recipe.language, held)
    except NotAskedError:
        raise
    except ParseError as error:
        if step.retry is None:
            raise
        first = error
    try:
        answer = yield from _ask(draft, planned, recipe, step.retry)
        return step.parse(answer, recipe.language, held)
    except ParseError as error:
        raise ParseError(f"{error} (first {first})") from None


def _ask(draft: Draft, planned: PlannedStep, recipe: Recipe, stricter: str) -> Generator[Call, Completion, str]:
    """What the model wrote. The prompt is made shorter where it does not fit. Raises ParseError for an answer that did not end well."""
    step = planned.step
    model = recipe.judge if step.asks == "judge" and recipe.judge else recipe.teachers[draft.teacher]
    sampling = recipe.sampling(planned)
    shown = _show(draft, planned)
    while True:
        messages = _write_messages(draft, step, shown, recipe, stricter)
        answer = yield _call(draft, planned, recipe, model, messages)
        if answer.finish_reason != "overflow":
            break
        shorter = fit_again(step, shown, model, answer, sampling.max_new_tokens)
        if shorter is None:
            context = model.teacher.context_tokens or "a length that its server does not tell"
            raise NotAskedError(
                f"prompt of {answer.prompt_tokens} tokens and up to {sampling.max_new_tokens} new ones do not fit the {step.asks}'s "
                f"context of {context} (record {_name_records(draft)})"
            )
        shown = shorter
    if step.shorten:
        draft.variables[step.shorten] = shown[step.shorten]
    if step.shows_examples:
        draft.examples_shown = max(draft.examples_shown or 0, len(shown["examples"]))
    draft.prompts = (*draft.prompts, messages)
    draft.count(step.name, model, answer)
    if step.asks == "teacher":
        draft.depth = max(draft.depth, model.spec.depth)
    return take_text(answer, sampling.max_new_tokens, str(step.asks))


def _call(draft: Draft, planned: PlannedStep, recipe: Recipe, model: Model, messages: tuple[Message, ...]) -> Call:
    step, unit = planned.step, draft.unit
    sampling = recipe.sampling(planned)
    key = digest(
        [
            [unit.input_ids, recipe.flow.name, step.name, planned.turn],
            [[message.role, message.content] for message in messages],
            [step.schema_text, model.teacher.identity, sampling.model_dump()],
            [unit.seed, draft.path],
        ]
    )
    subject = f"leaf {recipe.leaf}, unit {unit.index}, step {step.name}"
    return Call(key, model, Request(messages, int(key[:12], 16), sampling, step.schema_text, subject))


def _show(draft: Draft, planned: PlannedStep) -> dict[str, Any]:
    """What the templates of a step may use."""
    conversation = [{"role": message.role, "content": message.content} for message in draft.conversation]
    return {**draft.variables, "turn": planned.turn, "conversation": conversation, "count": planned.step.many}


def _write_messages(draft: Draft, step: Step, shown: dict[str, Any], recipe: Recipe, stricter: str) -> tuple[Message, ...]:
    name = _name(recipe, step)
    if step.prompt is None:
        first, *others = draft.conversation
        asked = first.content if shown["context"] is None else f"{shown['context']}\n\n{first.content}"
        messages = [replace(first, content=asked), *others]
    else:
        messages = [Message("user", render(step.prompt, shown, name))]
    if stricter:
        messages[-1] = replace(messages[-1], content=f"{messages[-1].content}\n\n{render(stricter, shown, name)}")
    system = [] if step.system is None else [Message("system", render(step.system, shown, name))]
    return (*system, *messages)


def _name(recipe: Recipe, step: Step) -> str:
    return f"flow {recipe.flow.name!r}, step {step.name!r}"


def _name_records(draft: Draft) -> str:
    """The record that makes a prompt long: the context's, else all that is shown."""
    return draft.unit.context.record_id if draft.unit.context else ", ".join(draft.unit.input_ids)
