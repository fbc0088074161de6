"""Good and bad responses, of which the pico reward model learns the difference: spoilt by rule, and the teacher's own mistakes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from factory.pico.corpus import LANGUAGES, Corpus, Messages, chat, render_grounded, spoil
from factory.pico.passages import write_passage
from factory.problems.writing import is_thank_you

Rated = tuple[Messages, bool]
Answer = Callable[[Sequence[str]], Sequence[str]]
"""What a teacher answers to each prompt."""

GROUNDED_SHARE, NOTE_SHARE = 0.5, 0.25
FOREIGN_SHARE = 0.3
"""Questions about a passage that it does not answer, among those that the teacher is asked."""


def write_rated(corpus: Corpus, rng: random.Random) -> Rated:
    """A dialogue and whether its response is good; half of them are. Most are of what no verifier decides: passages and notes."""
    kind = rng.random()
    if kind < GROUNDED_SHARE:
        return _rated_passage(rng)
    return _rated_problem(corpus, rng, "thank_you_note" if kind < GROUNDED_SHARE + NOTE_SHARE else None)


def rate_own(corpus: Corpus, rng: random.Random, asked: int, answer: Answer) -> list[Rated]:
    """Of the answers to `asked` prompts as many right as wrong ones, in the order of the prompts; right is what the corpus knows as right.

    A reward model that has only seen answers spoilt by rule lets through what a teacher invents in good form.
    """
    prompts = [_ask_passage(rng) if rng.random() < 1 - NOTE_SHARE else _ask_note(corpus, rng) for _ in range(asked)]
    answers = answer([prompt for prompt, _ in prompts])
    rated = [(chat(prompt, said), right(said)) for (prompt, right), said in zip(prompts, answers, strict=True) if said]
    each = min(sum(good for _, good in rated), sum(not good for _, good in rated))
    kept = {True: each, False: each}
    chosen = []
    for dialogue, good in rated:
        if kept[good]:
            kept[good] -= 1
            chosen.append((dialogue, good))
    return chosen


def _ask_passage(rng: random.Random) -> tuple[str, Callable[[str], bool]]:
    language = rng.choice(LANGUAGES)
    passage = write_passage(rng, language)
    if rng.random() < FOREIGN_SHARE:
        return render_grounded(passage, rng.choice(write_passage(rng, language).questions)[0]), lambda said: False
    question, answer = rng.choice(passage.questions)
    return render_grounded(passage, question), lambda said: said == answer


def _ask_note(corpus: Corpus, rng: random.Random) -> tuple[str, Callable[[str], bool]]:
    problem = corpus.problem(rng, "thank_you_note")
    return problem.instruction, lambda said: is_thank_you(problem, said)


def _rated_problem(corpus: Corpus, rng: random.Random, name: str | None) -> Rated:
    problem = corpus.problem(rng, name)
    if rng.random() < 0.5:
        return chat(problem.instruction, problem.response), True
    return chat(problem.instruction, spoil(rng, problem.response, corpus.problem(rng, name).response)), False


def _rated_passage(rng: random.Random) -> Rated:
    """Spoilt in one of three ways: another sentence of the passage, words changed, or a question that the passage does not answer."""
    language = rng.choice(LANGUAGES)
    passage, other = write_passage(rng, language), write_passage(rng, language)
    question, answer = rng.choice(passage.questions)
    if rng.random() < 0.5:
        return chat(render_grounded(passage, question), answer), True
    way = rng.random()
    if way < 0.35:
        wrong = [other_answer for _, other_answer in passage.questions if other_answer != answer]
        return chat(render_grounded(passage, question), rng.choice(wrong)), False
    if way < 0.75:
        return chat(render_grounded(passage, question), spoil(rng, answer, rng.choice(other.questions)[1])), False
    foreign, foreign_answer = rng.choice(other.questions)
    return chat(render_grounded(passage, foreign), rng.choice((answer, foreign_answer))), False
