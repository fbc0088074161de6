"""What a good teacher writes at each step of the bundled flows: made-up content in the very form that the step's parser reads."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from factory.pico.corpus import Corpus
from factory.pico.obeying import obey
from factory.pico.passages import Passage, write_passage
from factory.pico.subjects import (
    PHRASES,
    PROGRAMS,
    PYTHON_KEYWORDS,
    Phrases,
    draw_distinct,
    draw_sum,
    fill,
    fill_pair,
)

Shown = Mapping[str, Any]
"""The variables of a draft at a step, with the count of items and the messages so far under `count` and `conversation`."""


@dataclass(frozen=True)
class Scene:
    """A made-up leaf in one of LANGUAGES. `writer` names its problem writer; it is null where the leaf is about passages or topics.

    `answers` holds the right answer to each task that was written so far, `facts` the question and answer to each sentence that may be
    asked about.
    """

    rng: random.Random
    corpus: Corpus
    language: str
    writer: str | None
    answers: dict[str, str] = field(default_factory=dict)
    facts: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def phrases(self) -> Phrases:
        """The templates of the scene's language."""
        return PHRASES[self.language]

    def fill(self, templates: Sequence[str], **given: str) -> str:
        """One of the templates, filled."""
        return fill(self.rng, self.rng.choice(templates), self.language, **given)

    def learn(self, task: str, answer: str) -> str:
        """The task, whose answer is known from now on."""
        self.answers[task] = answer
        return task

    def read(self, passage: Passage) -> str:
        """The passage's text, whose sentences may be asked about from now on."""
        self.facts.update(zip(split_sentences(passage.text), passage.questions, strict=True))
        return passage.text

    def new_task(self, shown: Shown) -> str:
        """A task of the leaf's kind: of its problem writer, about a context, or about a topic."""
        if self.writer is not None:
            problem = self.corpus.problem(self.rng, self.writer)
            return self.learn(problem.instruction, problem.response)
        if shown.get("context"):
            return self.rng.choice(self.ask_context(shown["context"]))
        return self.ask_topic(shown.get("topic") or shown.get("given_topic") or self.fill(self.phrases.topics))

    def ask_context(self, context: str) -> list[str]:
        """A question for each sentence of the context, in any order."""
        known = [self.facts[sentence] for sentence in split_sentences(context)]
        return [self.learn(*pair) for pair in self.rng.sample(known, len(known))]

    def ask_topic(self, topic: str) -> str:
        """An open question about a topic."""
        return self.learn(self.fill(self.phrases.questions, t=topic), self.fill(self.phrases.explanations, t=topic))


Write = Callable[[Scene, Shown], str]
ANSWERS: dict[str, Write] = {}
"""What is written, by "<flow>.<step>"."""


def form(*places: str) -> Callable[[Write], Write]:
    """Registers what is written at the steps `places`."""

    def register(write: Write) -> Write:
        ANSWERS.update(dict.fromkeys(places, write))
        return write

    return register


def split_sentences(text: str) -> list[str]:
    """The sentences of a passage, or of a list of its facts."""
    return [sentence.removeprefix("- ") for sentence in re.split(r"(?<=\.)\s+", text)]


def number(items: Iterable[str]) -> str:
    """A numbered list."""
    return "\n".join(f"{place}. {item}" for place, item in enumerate(items, 1))


def enclose(tag: str, text: str) -> str:
    """The text between the tag's opening and closing."""
    return f"[{tag}]{text}[/{tag}]"


@form("freeform.instruction", "grounded.instruction", "constrained.task", "two_turn.instruction")
def write_task(scene: Scene, shown: Shown) -> str:
    return scene.new_task(shown)


@form("self_instruct.instruction")
def write_any_task(scene: Scene, shown: Shown) -> str:
    problem = scene.corpus.problem(scene.rng)
    return scene.learn(problem.instruction, problem.response)


@form(
    *(f"{flow}.response" for flow in "freeform grounded self_instruct evolved closed_questions open_questions two_turn".split()),
    *(f"{flow}.response" for flow in "mathematics python_problems writing_tasks lab_skills lab_grounded_skills".split()),
    "two_turn.first_answer",
    "dialogue.assistant_turn",
)
def answer_task(scene: Scene, shown: Shown) -> str:
    conversation = shown["conversation"]
    return scene.answers[conversation[-1].content if conversation else shown["instruction"]]


@form("constrained.response")
def answer_constrained(scene: Scene, shown: Shown) -> str:
    return obey(shown["constrained_by"], scene.answers[shown["task"]], scene.rng)


@form("closed_questions.instructions")
def list_instructions(scene: Scene, shown: Shown) -> str:
    first = split_sentences(shown["context"])[0]
    asked = scene.ask_context(shown["context"])[: shown["count"]]
    if scene.rng.random() < 0.5:
        asked[scene.rng.randrange(len(asked))] = scene.learn(scene.rng.choice(scene.phrases.summary), scene.facts[first][1])
    return number(asked)


@form("dialogue.user_turn", "two_turn.follow_up")
def speak(scene: Scene, shown: Shown) -> str:
    task = scene.new_task(shown)
    return scene.learn(f"{scene.rng.choice(scene.phrases.openings)}{task}", scene.answers[task])


@form("evolved.evolution_step")
def evolve(scene: Scene, shown: Shown) -> str:
    task = shown["examples"][0]["question"]
    if shown["evolution"].startswith("Write a rarer"):
        return enclose("New task", scene.new_task(shown))
    harder, answer = fill_pair(scene.rng, scene.rng.choice(scene.phrases.evolved), scene.language, q=task, r=scene.answers[task])
    return enclose("New task", scene.learn(harder, answer))


@form("lab_grounded_skills.new_context")
def write_context(scene: Scene, shown: Shown) -> str:
    return enclose("Text", scene.read(write_passage(scene.rng, scene.language)))


@form("lab_grounded_skills.instruction")
def write_grounded_task(scene: Scene, shown: Shown) -> str:
    return enclose("Task", scene.rng.choice(scene.ask_context(shown["context"])))


@form("lab_skills.instructions")
def write_tasks(scene: Scene, shown: Shown) -> str:
    return "\n".join(enclose("Task", task) for task in draw_distinct(lambda: scene.new_task(shown), shown["count"]))


@form("lab_knowledge.summary")
def summarise(scene: Scene, shown: Shown) -> str:
    sentences = split_sentences(shown["context"])
    if shown["form"].startswith("an extractive"):
        left_out = scene.rng.randrange(len(sentences)) if len(sentences) > 3 else None
        return enclose("Text", " ".join(sentence for place, sentence in enumerate(sentences) if place != left_out))
    return enclose("Text", "\n".join(f"- {each}" for each in sentences) if "facts" in shown["form"].split()[-1] else " ".join(sentences))


@form("lab_knowledge.pairs")
def write_pairs(scene: Scene, shown: Shown) -> str:
    asked = scene.ask_context(shown["context"])[: shown["count"]]
    return "\n".join(f"{enclose('Question', question)}\n{enclose('Answer', scene.answers[question])}" for question in asked)


@form("open_questions.macro_topics")
def list_topics(scene: Scene, shown: Shown) -> str:
    return number(draw_distinct(lambda: scene.fill(scene.phrases.topics), shown["count"]))


@form("open_questions.subtopics")
def list_subtopics(scene: Scene, shown: Shown) -> str:
    return number(draw_distinct(lambda: scene.fill(scene.phrases.narrower, t=shown["macro_topic"]), shown["count"]))


@form("open_questions.questions")
def list_questions(scene: Scene, shown: Shown) -> str:
    return number(draw_distinct(lambda: scene.ask_topic(shown["topic"]), shown["count"]))


@form("open_questions.revision")
def revise_question(scene: Scene, shown: Shown) -> str:
    question = shown["question"]
    return scene.learn(scene.fill(scene.phrases.details, q=question.rstrip("?")), scene.answers[question])


@form("writing_tasks.subject")
def write_subject(scene: Scene, shown: Shown) -> str:
    return scene.fill(scene.phrases.topics)


@form("writing_tasks.task_list")
def list_tasks(scene: Scene, shown: Shown) -> str:
    draw = lambda: scene.fill(scene.phrases.tasks, d=shown["document_type"], t=shown["topic"])  # noqa: E731
    return number(scene.learn(task, scene.fill(scene.phrases.texts, t=shown["topic"])) for task in draw_distinct(draw, 3))


@form("writing_tasks.tasks")
def write_json(scene: Scene, shown: Shown) -> str:
    tasks = [line.partition(" ")[2] for line in shown["task_list"].splitlines()]
    return json.dumps({"tasks": tasks}, ensure_ascii=False)


@form("writing_tasks.revision")
def revise_task(scene: Scene, shown: Shown) -> str:
    return scene.learn(scene.fill(scene.phrases.task_details, q=shown["task"].rstrip(".")), scene.answers[shown["task"]])


@form("mathematics.keywords")
def list_keywords(scene: Scene, shown: Shown) -> str:
    return number(draw_distinct(lambda: scene.fill(scene.phrases.keywords), shown["count"]))


@form("mathematics.problems")
def list_problems(scene: Scene, shown: Shown) -> str:
    def draw() -> str:
        templates = scene.phrases.sums[shown["kind"]]
        return scene.learn(*fill_pair(scene.rng, templates, scene.language, t=shown["topic"], **draw_sum(scene.rng)))

    return number(draw_distinct(draw, shown["count"]))


@form("python_problems.keywords")
def list_python_keywords(scene: Scene, shown: Shown) -> str:
    return number(word.strip() for word in scene.rng.sample(PYTHON_KEYWORDS, shown["count"]))


@form("python_problems.problems")
def list_programs(scene: Scene, shown: Shown) -> str:
    def draw() -> str:
        task, program = fill_pair(scene.rng, scene.rng.choice(PROGRAMS), scene.language, t=shown["topic"])
        return scene.learn(task, f"```python\n{program}\n```")

    return number(draw_distinct(draw, shown["count"]))
