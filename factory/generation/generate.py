"""Writes the candidates of one leaf: units are drawn, each step of the flow is asked in batches, every unit ends as one row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.generation.chat import Completion, Message, Request
from factory.generation.flows import Flow, ParseError, Step, load_flow, render
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.generation.server_teacher import ServerTeacher
from factory.generation.units import Unit, draw_units, select_contexts, select_examples
from factory.line import GenerationSpec, Price, Sampling
from factory.records import CANDIDATE, digest, record_id

MILLION = 1_000_000
"""Tokens that a price is for."""
INHERITED = ("leaf", "kind", "language", "verifier", "groups")
"""Columns that a candidate takes over from the examples of its leaf."""


@dataclass
class _Draft:
    """A candidate in the making. After its first fault the teacher is asked nothing more for it."""

    unit: Unit
    variables: dict[str, Any]
    prompts: list[list[str | None]] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fault: str | None = None


def generate_candidates(
    leaf: str,
    seeds: pl.DataFrame,
    documents: pl.DataFrame,
    spec: GenerationSpec,
    teacher: LocalTeacher | ServerTeacher,
    ledger: Ledger,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """`spec.candidates_per_leaf` candidates of `leaf` (records.CANDIDATE), in the order of their units, those with a parse fault included.

    `seeds` (records.SEED) and `documents` (records.DOCUMENT) may hold other leaves as well. `seed` is the line's seed number. Of what the
    ledger holds nothing is asked again. `progress(done, total)` counts steps of units, after each batch.
    Raises FactoryError where the leaf has nothing to show, or the teacher, a flow or the ledger fails; what was answered stays stored.
    """
    examples = select_examples(leaf, seeds)
    contexts = select_contexts(leaf, examples, documents)
    flow = load_flow(spec.grounded_flow if contexts else spec.freeform_flow)
    if flow.reads_context and not contexts:
        raise FactoryError(
            f"leaf {leaf}: flow {flow.name!r} asks about a context, and the leaf has neither documents nor examples with one. "
            "Set generation.freeform_flow to a flow that uses examples alone."
        )
    units = draw_units(leaf, examples, contexts, spec.candidates_per_leaf, spec.examples_per_prompt, seed)
    drafts = [_Draft(unit, _show(unit, examples[0]["language"])) for unit in units]
    total = len(drafts) * len(flow.steps)
    size = teacher.batch_size if isinstance(teacher, LocalTeacher) else teacher.in_flight
    for number, step in enumerate(flow.steps):
        # The floating-point output of a model depends on the shape of its batch, and a changed last digit may change a sampled token. So
        # batches are cut from the whole list by index alone, whatever the ledger holds: a killed run resumes to the bytes of one that was
        # not killed, and a greater candidates_per_leaf leaves every full batch as it was.
        for start in range(0, len(drafts), size):
            batch = drafts[start : start + size]
            _ask(flow, step, [draft for draft in batch if draft.fault is None], spec, teacher, ledger)
            if progress is not None:
                progress(number * len(drafts) + start + len(batch), total)
    inherited = {column: examples[0][column] for column in INHERITED}
    return pl.DataFrame([_write_row(draft, flow, inherited, spec, teacher) for draft in drafts], schema=CANDIDATE)


def _show(unit: Unit, language: str) -> dict[str, Any]:
    """What every prompt of the unit may use: flows.GIVEN."""
    examples = [{key: example[key] for key in ("question", "answer", "context")} for example in unit.examples]
    return {"examples": examples, "context": unit.context.text if unit.context else None, "language": language}


def _ask(
    flow: Flow, step: Step, drafts: Sequence[_Draft], spec: GenerationSpec, teacher: LocalTeacher | ServerTeacher, ledger: Ledger
) -> None:
    """Takes one batch through one step, from the ledger where it holds all of it."""
    sampling: Sampling = getattr(spec, step.sampling_section)
    subject = f"flow {flow.name!r}, step {step.name!r}"
    requests = {}
    for draft in drafts:
        system = None if step.system is None else render(step.system, draft.variables, subject)
        prompt = render(step.prompt, draft.variables, subject)
        draft.prompts.append([system, prompt])
        inputs = [draft.unit.input_ids, flow.name, step.name, digest([system, prompt])]
        key = digest([*inputs, teacher.identity, sampling.model_dump(), draft.unit.seed])
        messages = (Message("user", prompt),) if system is None else (Message("system", system), Message("user", prompt))
        requests[key] = Request(messages, int(key[:12], 16), sampling)
    answers = ledger.get([*requests])
    if len(answers) < len(requests):
        # Where only some of a batch is stored, all of it is computed again (see above), and the answers already stored win.
        computed = dict(zip(requests, _complete(teacher, [*requests.values()]), strict=True))
        ledger.put({key: answer for key, answer in computed.items() if key not in answers})
        answers = computed | answers
    for draft, key in zip(drafts, requests, strict=True):
        _take(draft, step, answers[key], sampling, teacher)


def _complete(teacher: LocalTeacher | ServerTeacher, requests: Sequence[Request]) -> list[Completion]:
    if isinstance(teacher, LocalTeacher):
        return teacher.complete(requests)

    async def ask_all() -> list[Completion]:
        try:
            return await asyncio.gather(*(teacher.ask(request) for request in requests))
        finally:
            await teacher.close()

    return asyncio.run(ask_all())


def _take(draft: _Draft, step: Step, answer: Completion, sampling: Sampling, teacher: LocalTeacher | ServerTeacher) -> None:
    """Counts the tokens of an answer and makes it the step's output, or the draft's fault."""
    if answer.finish_reason != "overflow":
        draft.prompt_tokens += answer.prompt_tokens
        draft.completion_tokens += answer.completion_tokens
    try:
        draft.variables[step.variable] = _parse(draft.unit, step, answer, sampling, teacher)
    except ParseError as error:
        draft.fault = f"{step.name}: {error}"


def _parse(unit: Unit, step: Step, answer: Completion, sampling: Sampling, teacher: LocalTeacher | ServerTeacher) -> str:
    if answer.finish_reason == "overflow":
        record = unit.context.record_id if unit.context else ", ".join(unit.input_ids)
        raise ParseError(
            f"prompt of {answer.prompt_tokens} tokens and up to {sampling.max_new_tokens} new ones do not fit "
            f"the teacher's context of {teacher.context_tokens} (record {record})"
        )
    if answer.finish_reason == "failed":
        raise ParseError(answer.text)
    if answer.finish_reason == "length":
        raise ParseError(f"did not end within {sampling.max_new_tokens} tokens")
    if answer.finish_reason == "special":
        raise ParseError("holds a control token of the teacher")
    return step.parse(answer.text)


def _write_row(
    draft: _Draft, flow: Flow, inherited: dict[str, Any], spec: GenerationSpec, teacher: LocalTeacher | ServerTeacher
) -> dict[str, Any]:
    unit = draft.unit
    sampling = {step.name: getattr(spec, step.sampling_section).model_dump() for step in flow.steps}
    content = {
        "leaf": inherited["leaf"],
        "instruction": draft.variables.get("instruction"),
        "context": unit.context.text if unit.context else None,
        "response": None if draft.fault else draft.variables["response"],
        "seed_ids": [example["record_id"] for example in unit.examples],
        "document_id": unit.context.record_id if unit.context else None,
        "flow": flow.name,
        "teacher": teacher.identity,
        "prompt_hash": digest(draft.prompts),
        "sampling": json.dumps(sampling, sort_keys=True, separators=(",", ":")),
        "seed": unit.seed,
    }
    return {
        # The index tells apart two units that drew, asked and answered the same.
        "record_id": record_id("candidate", {**content, "index": unit.index}),
        **inherited,
        **content,
        "licence": unit.licence,
        "depth": max(unit.depth, spec.teacher.depth) + 1,
        "prompt_tokens": draft.prompt_tokens,
        "completion_tokens": draft.completion_tokens,
        "cost": _price(draft, spec.teacher.price),
        "parse_fault": draft.fault,
    }


def _price(draft: _Draft, price: Price) -> float:
    return (draft.prompt_tokens * price.prompt + draft.completion_tokens * price.completion) / MILLION
