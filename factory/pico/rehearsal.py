"""The bundled flows rehearsed: the engine's own writer asks and a made-up good teacher answers, which gives dialogues to learn from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from factory.generation.chat import Completion
from factory.generation.drafts import Draft, Recipe
from factory.generation.flow_spec import Flow
from factory.generation.flows import load_flow, render_prompt
from factory.generation.local_teacher import LocalTeacher
from factory.generation.plan import make_recipe, plan_drafts
from factory.generation.units import Context, Material
from factory.generation.writers import Call, write
from factory.line import GenerationSpec
from factory.line_flows import list_bundled
from factory.model_spec import TeacherSpec
from factory.pico.corpus import LANGUAGES, Corpus, Messages, chat
from factory.pico.forms import ANSWERS, Scene
from factory.pico.judging_forms import VERDICTS
from factory.pico.passages import write_passage

TOPIC_SHARE = 0.4
"""Leaves of topics alone, among those of flows that can do with them."""
SPOILT_SHARE = 0.2
"""Judged drafts of which a spoilt form is judged as well."""
RETRY_SHARE = 0.2
"""Answers without form, after which the step asks in its stricter words."""
FORMLESS = "Well."
EXAMPLES, POOL = 5, 12
TONES = (None, None, None, "formal", "friendly")
LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class Rehearsal:
    """Every request of one run of a flow with its answer; `faults` are those of its drafts, refusals among them: there should be none."""

    flow: str
    dialogues: list[Messages] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Stage:
    """Where flows are rehearsed. `teacher` gives the recipe its names and is asked nothing."""

    def __init__(self, corpus: Corpus, teacher: str = "pico-teacher") -> None:
        self.corpus = corpus
        self.flows = [load_flow(name) for name in list_bundled()]
        self._teacher = LocalTeacher(teacher)

    def rehearse_all(self, rng: random.Random, practice: Mapping[str, float]) -> Iterator[Rehearsal]:
        """Runs of bundled flows without end, drawn by `practice`; a flow that it does not name weighs 1."""
        weights = [practice.get(flow.name, 1.0) for flow in self.flows]
        while True:
            (flow,) = rng.choices(self.flows, weights)
            yield self.rehearse(flow, rng)

    def rehearse(self, flow: Flow, rng: random.Random) -> Rehearsal:
        """One run of a flow on a made-up leaf; where a draft parts into several, one of them goes on."""
        scene, material = make_leaf(self.corpus, flow, rng)
        spec = GenerationSpec(
            judge=TeacherSpec(),
            flows={"*": flow.name},
            examples_per_prompt=rng.choice((2, 3, 3, 3, 4)),
            tone=rng.choice(TONES),
            personas={"*": rng.choice(("precise", "creative"))},
        )
        recipe = make_recipe(material, spec, [self._teacher], self._teacher, rng.getrandbits(32))
        said = Rehearsal(flow.name)
        open_drafts = [*plan_drafts(material, recipe, recipe.count_slots())]
        while open_drafts:
            ended = self._carry(rng.choice(open_drafts), recipe, scene, said)
            said.faults.extend(str(draft.fault or draft.refusal) for draft in ended if draft.fault or draft.refusal)
            open_drafts = [draft for draft in ended if not draft.finished]
        return said

    def _carry(self, draft: Draft, recipe: Recipe, scene: Scene, said: Rehearsal) -> list[Draft]:
        """Answers the draft's writer until it ends."""
        writing = write(draft, recipe, lambda steps: None)
        try:
            call = next(writing)
            while True:
                step = recipe.steps[draft.step].step
                if step.retry and scene.rng.random() < RETRY_SHARE:
                    call = writing.send(Completion(FORMLESS, "stop", 0, 0))
                answer = self._answer(draft, call, recipe, scene, said)
                call = writing.send(Completion(answer, "stop", 0, 0))
        except StopIteration as end:
            ended: list[Draft] = end.value
            return ended

    def _answer(self, draft: Draft, call: Call, recipe: Recipe, scene: Scene, said: Rehearsal) -> str:
        """What a good teacher or judge answers to the call, noted in `said`."""
        step = recipe.steps[draft.step].step
        place = f"{recipe.flow.name}.{step.name}"
        if verdict := VERDICTS.get(place):
            answer = verdict.say(scene, verdict.good)
            if scene.rng.random() < SPOILT_SHARE:
                spoil, word = scene.rng.choice(verdict.spoilt)
                variables = {**draft.variables, **spoil(scene, draft.variables)}
                said.dialogues.append(chat(render_prompt(recipe.flow, step.name, **variables), verdict.say(scene, word)))
        else:
            constraint = draft.constraint.canonical if draft.constraint else None
            shown = {**draft.variables, "count": step.many, "conversation": draft.conversation, "constrained_by": constraint}
            answer = ANSWERS[place](scene, shown)
        asked = [{"role": message.role, "content": message.content} for message in call.request.messages]
        said.dialogues.append([*asked, {"role": "assistant", "content": answer}])
        return answer


def make_leaf(corpus: Corpus, flow: Flow, rng: random.Random) -> tuple[Scene, Material]:
    """A made-up leaf of a kind that the flow can work on: passages where it reads texts, else a problem writer's tasks or topics."""
    if flow.reads_context or flow.shows_example_contexts:
        return _make_passages(corpus, rng)
    if flow.uses("given_topic") and rng.random() < TOPIC_SHARE:
        scene = Scene(rng, corpus, rng.choice(LANGUAGES), None)
        rows = [_row("topic", scene.language, "topic", scene.fill(scene.phrases.topics))]
        return scene, Material("compositional_skills/made_up", (), (), (), tuple(rows))
    name = corpus.writer(rng)
    scene = Scene(rng, corpus, "id" if name.endswith("_id") else "en", name)
    own, pool = (tuple(_write_examples(scene, names)) for names in ([name] * EXAMPLES, [corpus.writer(rng) for _ in range(POOL)]))
    return scene, Material("compositional_skills/made_up", own, pool, (), ())


def _make_passages(corpus: Corpus, rng: random.Random) -> tuple[Scene, Material]:
    """A leaf of invented passages: examples about some of them, and one as the document that is asked about."""
    scene = Scene(rng, corpus, rng.choice(LANGUAGES), None)
    rows = []
    for place in range(EXAMPLES):
        passage = write_passage(rng, scene.language)
        question, answer = rng.choice(passage.questions)
        rows.append(_row(f"example-{place}", scene.language, "knowledge", question, answer, passage.text))
    document = Context("document", scene.read(write_passage(rng, scene.language)), LICENCE, 0)
    return scene, Material("knowledge/made_up", tuple(rows), tuple(rows), (document,), ())


def _write_examples(scene: Scene, names: list[str]) -> Iterator[dict[str, Any]]:
    for place, name in enumerate(names):
        problem = scene.corpus.problem(scene.rng, name)
        yield _row(f"{name}-{place}", scene.language, "compositional", scene.learn(problem.instruction, problem.response), problem.response)


def _row(name: str, language: str, kind: str, question: str, answer: str | None = None, context: str | None = None) -> dict[str, Any]:
    """A seed row, with what a plan reads of it."""
    row = {"record_id": name, "leaf": "made_up", "language": language, "kind": kind, "question": question, "answer": answer}
    nulls = dict.fromkeys(("verifier", "verifier_settings", "tone", "turns"))
    return row | nulls | {"context": context, "groups": [], "licence": LICENCE, "depth": 0}
