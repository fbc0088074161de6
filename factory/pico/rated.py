"""Good and spoilt responses, of which the pico reward model learns the difference."""

from __future__ import annotations

import random

from factory.pico.corpus import LANGUAGES, Corpus, Messages, chat, render_grounded, spoil
from factory.pico.passages import write_passage

GROUNDED_SHARE, NOTE_SHARE = 0.5, 0.25


def write_rated(corpus: Corpus, rng: random.Random) -> tuple[Messages, bool]:
    """A dialogue and whether its response is good; half of them are. Most are of what no verifier decides: passages and notes."""
    kind = rng.random()
    if kind < GROUNDED_SHARE:
        return _rated_passage(rng)
    return _rated_problem(corpus, rng, "thank_you_note" if kind < GROUNDED_SHARE + NOTE_SHARE else None)


def _rated_problem(corpus: Corpus, rng: random.Random, name: str | None) -> tuple[Messages, bool]:
    problem = corpus.problem(rng, name)
    if rng.random() < 0.5:
        return chat(problem.instruction, problem.response), True
    return chat(problem.instruction, spoil(rng, problem.response, corpus.problem(rng, name).response)), False


def _rated_passage(rng: random.Random) -> tuple[Messages, bool]:
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
