"""The plan of a leaf: which flow it goes by, what all its drafts share, and the drafts that its candidates begin as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from factory.faults import FactoryError
from factory.generation.constraints import draw_constraint
from factory.generation.drafts import INHERITED, Draft, Recipe
from factory.generation.flow_spec import Flow
from factory.generation.flows import load_flow
from factory.generation.models import Model, Teacher
from factory.generation.units import Material, Unit, draw_units, draw_value
from factory.generation.writers import draw_teacher
from factory.line import GenerationSpec
from factory.line_flows import FLOW_KEYS
from factory.model_spec import TeacherSpec
from factory.seeds_spec import KINDS


def list_teachers(spec: GenerationSpec) -> tuple[TeacherSpec, ...]:
    """The sections of all teachers of a line, `teacher` first."""
    return (spec.teacher, *spec.teachers)


def find_patience(spec: GenerationSpec) -> float:
    """Seconds that the most patient server of a line is waited for; 0 where it has none."""
    sections = (*list_teachers(spec), *([spec.judge] if spec.judge else []))
    return max((section.server.patience_seconds for section in sections if section.server), default=0.0)


def list_flows(spec: GenerationSpec) -> list[Flow]:
    """Every flow that a leaf of the line may be given. Raises what load_flow raises, so that a line's flows are looked over at once."""
    named = [*spec.flows.values(), *(getattr(spec, key) for key in FLOW_KEYS)]
    return [load_flow(name) for name in dict.fromkeys(named)]


def needs_line_pool(spec: GenerationSpec) -> bool:
    """Whether a flow of the line draws its examples from all leaves."""
    return any(flow.pool == "line" for flow in list_flows(spec))


def describe_settings(flow: Flow, spec: GenerationSpec, teachers: Sequence[Teacher], judge: Teacher | None) -> dict[str, Any]:
    """What the candidates of a leaf with that flow depend on beside its seeds, as JSON values: no path, address or batch size."""
    places = {"teacher", "teachers", "judge", "flows", "budget", *FLOW_KEYS}
    models = [
        *zip(teachers, list_teachers(spec), strict=True),
        *([(judge, spec.judge)] if judge and spec.judge and flow.asks_judge else []),
    ]
    return {
        "flow": flow.model_dump(),
        "spec": spec.model_dump(exclude=places),
        "models": [
            [model.identity, model.describe_counting(), section.model_dump(include={"depth", "price", "weight"})]
            for model, section in models
        ],
    }


def choose_flow(material: Material, spec: GenerationSpec) -> Flow:
    """The flow of a leaf: the first pattern of `spec.flows` that it matches, else by what the leaf is.

    Raises FactoryError where the leaf lacks what the flow reads, and what load_flow raises.
    """
    leaf = material.leaf
    turns = _count_turns(material, spec)
    named = next((flow for pattern, flow in spec.flows.items() if fnmatchcase(leaf, pattern)), None)
    if named is None:
        if turns is not None and turns > 1:
            named = spec.dialogue_flow
        elif not material.examples:
            named = spec.topic_flow
        else:
            named = spec.grounded_flow if material.contexts else spec.freeform_flow
    flow = load_flow(named)
    if flow.reads_context and not material.contexts:
        raise FactoryError(
            f"leaf {leaf}: flow {flow.name!r} asks about a context, and the leaf has neither documents nor examples with one. "
            "Give the leaf a flow that uses examples alone, in generation.flows or generation.freeform_flow."
        )
    examples = material.examples if flow.pool == "leaf" else material.pool
    if flow.shows_example_contexts and any(example["context"] is None for example in examples):
        raise FactoryError(
            f"leaf {leaf}: flow {flow.name!r} shows the texts that examples are about, and the leaf's examples have none. "
            "Give the leaf a flow that uses questions and answers alone, in generation.flows."
        )
    if flow.reads_examples and not flow.uses("given_topic") and not examples:
        raise FactoryError(
            f"leaf {leaf}: flow {flow.name!r} shows examples, and the leaf has topics alone. Give it a flow of topics in generation.flows."
        )
    if turns is not None and flow.count_turns(turns) != turns:
        raise FactoryError(
            f"leaf {leaf}: {turns} turns are asked for, and flow {flow.name!r} writes {flow.count_turns(turns)}. "
            "Give the leaf a flow with steps of each turn, such as 'dialogue', in generation.flows; or change its turns."
        )
    return flow


def make_recipe(material: Material, spec: GenerationSpec, teachers: Sequence[Teacher], judge: Teacher | None, seed: int) -> Recipe:
    """What all drafts of the leaf share. Raises FactoryError where the flow does not go with the leaf or the line."""
    leaf = material.leaf
    flow = choose_flow(material, spec)
    if flow.asks_judge and (judge is None or spec.judge is None):
        raise FactoryError(
            f"leaf {leaf}: flow {flow.name!r} asks a judge, and the line names none. Set generation.judge to a model; another one than "
            "the teacher, for a model that judges itself is too kind."
        )
    turns = _count_turns(material, spec) or flow.turns
    row = (*material.examples, *material.topics)[0]
    recipe = Recipe(
        flow=flow,
        steps=flow.plan(turns),
        spec=spec,
        teachers=tuple(Model(teacher, section) for teacher, section in zip(teachers, list_teachers(spec), strict=True)),
        judge=Model(judge, spec.judge) if judge is not None and spec.judge is not None and flow.asks_judge else None,
        inherited={column: row[column] for column in INHERITED} | {"kind": KINDS[leaf.split("/")[0]]},
        licence=row["licence"],
        persona=next((persona for pattern, persona in spec.personas.items() if fnmatchcase(leaf, pattern)), "precise"),
        given_topics=bool(material.topics) and flow.uses("given_topic"),
        seed=seed,
    )
    if spec.responses_per_instruction > 1 and "instruction" in recipe.steps[recipe.response_place].step.variables:
        raise FactoryError(
            f"leaf {leaf}: flow {flow.name!r} writes instruction and response in one step, so it cannot write "
            f"{spec.responses_per_instruction} responses to one instruction. Set generation.responses_per_instruction to 1, or give the "
            "leaf another flow in generation.flows."
        )
    return recipe


def plan_drafts(material: Material, recipe: Recipe, candidates: int) -> Iterator[Draft]:
    """The drafts that `candidates` candidates of a leaf begin as, one for each unit, drawn as they are taken."""
    flow, spec, leaf, seed = recipe.flow, recipe.spec, recipe.leaf, recipe.seed
    width = recipe.count_slots()
    count = -(-candidates // width)
    examples = () if not flow.reads_examples else material.pool if flow.pool == "line" else material.examples
    contexts = material.contexts if flow.reads_context else ()
    topics = material.topics if flow.uses("given_topic") else ()
    tone = _first(material, "tone") or spec.tone
    turns = max(planned.turn for planned in recipe.steps)
    for unit in draw_units(leaf, examples, contexts, topics, count, flow.examples or spec.examples_per_prompt, seed):
        slots = range(unit.index * width, min((unit.index + 1) * width, candidates))
        constraint = draw_constraint(["constraint", seed, leaf, *unit.place], recipe.language) if flow.constrains else None
        given = {
            "language": recipe.language,
            "tone": tone,
            "persona": recipe.persona,
            "turns": turns,
            "constraint": constraint.text if constraint else None,
            **_show(unit),
            **{name: draw_value(["draw", name, seed, leaf, *unit.place], values) for name, values in flow.draws.items()},
        }
        yield Draft(unit, slots, given, constraint, draw_teacher(recipe, unit.place, ()))


def _show(unit: Unit) -> dict[str, Any]:
    return {
        "examples": [{key: example[key] for key in ("question", "answer", "context")} for example in unit.examples],
        "context": unit.context.text if unit.context else None,
        "given_topic": unit.topic["question"] if unit.topic else None,
    }


def _count_turns(material: Material, spec: GenerationSpec) -> int | None:
    turns = _first(material, "turns")
    return spec.turns if turns is None else int(turns)


def _first(material: Material, attribute: str) -> Any:
    """An attribute of the leaf, which all its rows share."""
    return (*material.examples, *material.topics)[0].get(attribute)
