"""The procedural text that the pico family is pretrained on: dialogues as lists of chat messages.

Every text is drawn from the pretraining side of the problems' split and never repeats an instruction of the excluded set, which holds
the whole bundled taxonomy; so neither held-out examples nor fresh evaluation problems are ever seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from factory.generation.flows import load_flow, render_prompt
from factory.pico.passages import Passage, write_passage
from factory.pico.recipe import PRACTICE
from factory.pico.relations import invent_word
from factory.problems import Problem, write_problem
from factory.problems.vocabulary import CITIES, ENGLISH_WORDS, FIRST_NAMES, INDONESIAN_WORDS

Messages = list[dict[str, str]]

LANGUAGES = ("en", "en", "id")


@dataclass(frozen=True)
class Corpus:
    """A source of dialogues. `excluded` holds instructions, normalised by `normalise`, that may not occur; `practice` weighs writers."""

    excluded: Collection[str]
    practice: Mapping[str, float] = field(default_factory=lambda: PRACTICE)

    def problem(self, rng: random.Random, name: str | None = None) -> Problem:
        """A problem of a writer drawn by practice weight, on the pretraining side, not excluded."""
        name = name or self.writer(rng)
        while normalise((problem := write_problem(name, rng, "pretraining")).instruction) in self.excluded:
            pass
        return problem

    def writer(self, rng: random.Random) -> str:
        """A problem writer drawn by practice weight."""
        return rng.choices(list(self.practice), list(self.practice.values()))[0]

    def solve(self, rng: random.Random) -> Messages:
        """A task and its right response."""
        problem = self.problem(rng)
        return chat(problem.instruction, problem.response)

    def notes(self, rng: random.Random) -> Messages:
        """Four facts of one kind as somebody would jot them down: what a task is about, without its being asked or answered."""
        name = self.writer(rng)
        problems = [self.problem(rng, name) for _ in range(4)]
        return [{"role": "user", "content": "\n".join(f"{problem.key}: {problem.response}" for problem in problems)}]

    def repeat(self, rng: random.Random) -> Messages:
        """A line of random words, names and numbers to be written again: the shortest way to learn to copy."""
        pool = rng.choice((ENGLISH_WORDS, INDONESIAN_WORDS, FIRST_NAMES, CITIES, [invent_word(rng) for _ in range(40)]))
        words = [str(rng.randint(1, 9999)) if rng.random() < 0.15 else rng.choice(pool) for _ in range(rng.randint(3, 14))]
        line = rng.choice((" ", ", ")).join(words)
        return chat(f"{rng.choice(('Repeat', 'Ulangi'))}: {line}", line)

    def new_task(self, rng: random.Random) -> Messages:
        """Examples of one kind of task, and a new task of that kind, in the freeform flow's own prompt."""
        name = rng.choice(list(PRACTICE))
        *examples, new = [self.problem(rng, name).instruction for _ in range(rng.choice((2, 3, 3, 3, 4)) + 1)]
        prompt = render_prompt(load_flow("freeform"), "instruction", examples=[{"question": question} for question in examples])
        return chat(prompt, new)

    def mixed_task(self, rng: random.Random) -> Messages:
        """Examples of many kinds of task, and a new task of any kind, in the Self-Instruct flow's own prompt."""
        *examples, new = [self.problem(rng, rng.choice(list(PRACTICE))).instruction for _ in range(4)]
        prompt = render_prompt(load_flow("self_instruct"), "instruction", examples=[{"question": question} for question in examples])
        return chat(prompt, new)

    def grounded_question(self, rng: random.Random) -> Messages:
        """A passage and a question that it answers, in the grounded flow's own prompt."""
        language = rng.choice(LANGUAGES)
        passage = write_passage(rng, language)
        examples = [rng.choice(write_passage(rng, language).questions)[0] for _ in range(3)]
        variables = {"context": passage.text, "examples": [{"question": question} for question in examples]}
        return chat(render_prompt(load_flow("grounded"), "instruction", **variables), rng.choice(passage.questions)[0])

    def grounded_answer(self, rng: random.Random) -> Messages:
        """A passage, a question, and the sentence that answers it; then further questions, so that one passage is read for several."""
        passage = write_passage(rng, rng.choice(LANGUAGES))
        (question, answer), *more = rng.sample(passage.questions, rng.randint(1, len(passage.questions)))
        return [*chat(render_grounded(passage, question), answer), *(turn for asked, said in more for turn in chat(asked, said))]


def render_grounded(passage: Passage, question: str) -> str:
    """The grounded flow's prompt for a response."""
    return render_prompt(load_flow("grounded"), "response", context=passage.text, instruction=question)


def chat(user: str, assistant: str) -> Messages:
    """A dialogue of one turn."""
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


def normalise(instruction: str) -> str:
    """An instruction without case and runs of white space, for comparison."""
    return " ".join(instruction.casefold().split())


def spoil(rng: random.Random, response: str, other: str) -> str:
    """A response made wrong: digits or words changed, swapped, repeated or left out, cut short, or the answer to another task."""
    tokens = response.split(" ")
    while True:
        spoilt = rng.choice(SPOILERS)(rng, tokens, other)
        if spoilt.strip() and normalise(spoilt) != normalise(response):
            return spoilt


def _change_digit(rng: random.Random, tokens: list[str], other: str) -> str:
    text = " ".join(tokens)
    digits = [i for i, character in enumerate(text) if character.isdigit()]
    if not digits:
        return other
    place = rng.choice(digits[-4:])
    return text[:place] + str((int(text[place]) + rng.randint(1, 9)) % 10) + text[place + 1 :]


def _swap(rng: random.Random, tokens: list[str], other: str) -> str:
    if len(tokens) < 2:
        return other
    i, j = rng.sample(range(len(tokens)), 2)
    swapped = list(tokens)
    swapped[i], swapped[j] = swapped[j], swapped[i]
    return " ".join(swapped)


def _leave_out(rng: random.Random, tokens: list[str], other: str) -> str:
    place = rng.randrange(len(tokens))
    return " ".join(tokens[:place] + tokens[place + 1 :]) or other


def _repeat(rng: random.Random, tokens: list[str], other: str) -> str:
    place = rng.randrange(len(tokens))
    return " ".join(tokens[: place + 1] + tokens[place:])


def _replace(rng: random.Random, tokens: list[str], other: str) -> str:
    place = rng.randrange(len(tokens))
    return " ".join([*tokens[:place], rng.choice(other.split(" ")), *tokens[place + 1 :]])


def _cut(rng: random.Random, tokens: list[str], other: str) -> str:
    return " ".join(tokens[: rng.randint(1, max(1, len(tokens) - 1))])


def _answer_other(rng: random.Random, tokens: list[str], other: str) -> str:
    return other


SPOILERS: Sequence[Callable[[random.Random, list[str], str], str]] = (
    _change_digit,
    _change_digit,
    _swap,
    _leave_out,
    _repeat,
    _replace,
    _replace,
    _cut,
    _answer_other,
)
