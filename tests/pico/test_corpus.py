"""What the pico family reads: right answers, spoilt ones that differ, and nothing of the bundled taxonomy."""

import random
from pathlib import Path

import pytest

from factory.pico.corpus import Corpus, normalise, spoil
from factory.pico.family import read_excluded
from factory.pico.passages import write_passage
from factory.pico.rated import write_rated
from factory.pico.recipe import RECIPES
from factory.problems import WRITERS

TAXONOMY = Path(__file__).parents[2] / "taxonomy"


def test_nothing_of_the_taxonomy_occurs_in_tasks_or_in_examples_of_tasks():
    excluded = read_excluded(TAXONOMY)
    assert len(excluded) > 150
    corpus, rng = Corpus(excluded), random.Random(0)
    for _ in range(3000):
        assert normalise(corpus.solve(rng)[0]["content"]) not in excluded
        prompt, task = corpus.new_task(rng)
        listed = [line.removeprefix("Task: ") for line in prompt["content"].splitlines() if line.startswith("Task: ")]
        assert not excluded & {normalise(text) for text in [*listed, task["content"]]}


def test_an_excluded_task_is_drawn_again():
    rng = random.Random(3)
    first = Corpus(frozenset()).problem(random.Random(3), "weekday_after")
    corpus = Corpus(frozenset({normalise(first.instruction)}))
    assert corpus.problem(rng, "weekday_after").instruction != first.instruction


@pytest.mark.parametrize("language", ["en", "id"])
def test_every_answer_of_a_passage_says_what_the_passage_says(language):
    rng = random.Random(1)
    for _ in range(300):
        passage = write_passage(rng, language)
        sentences = {sentence.strip(".") for sentence in passage.text.split(". ")}
        for question, answer in passage.questions:
            assert question.endswith("?")
            fact = answer.rstrip(".").split(" ")[-1]
            assert any(sentence.endswith(fact) for sentence in sentences)


def test_a_spoilt_response_always_differs():
    rng = random.Random(2)
    corpus = Corpus(frozenset())
    for _ in range(2000):
        problem = corpus.problem(rng)
        spoilt = spoil(rng, problem.response, corpus.problem(rng).response)
        assert spoilt.strip()
        assert normalise(spoilt) != normalise(problem.response)


def test_half_of_the_rated_responses_are_good():
    rng = random.Random(4)
    rated = [write_rated(Corpus(frozenset()), rng)[1] for _ in range(4000)]
    assert 0.46 < sum(rated) / len(rated) < 0.54


def test_mixtures_name_sources_of_the_corpus():
    for recipe in RECIPES.values():
        for stage in recipe.stages:
            assert all(callable(getattr(Corpus, name)) for name in stage.mixture)
            assert not stage.mixture or abs(sum(stage.mixture.values()) - 1) < 1e-9
            assert set(stage.practice) == set(WRITERS)
