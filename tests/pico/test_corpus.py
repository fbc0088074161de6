"""What the pico family reads: right answers, spoilt ones that differ, and nothing of the bundled taxonomy."""

import random
from itertools import pairwise
from pathlib import Path

import pytest

from factory.pico.corpus import Corpus, normalise, spoil
from factory.pico.family import read_excluded
from factory.pico.passages import write_passage
from factory.pico.rated import rate_own, write_rated
from factory.pico.recipe import RECIPES
from factory.problems import WRITERS, write_problem
from factory.problems.writing import is_thank_you

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


def test_a_teachers_own_answers_are_rated_by_the_truth_half_and_half():
    corpus = Corpus(frozenset())
    asked: list[str] = []

    def answer(prompts):
        asked.extend(prompts)
        return [prompt.split("\n\n")[0].split(". ")[0].rstrip(".") + "." if "\n\n" in prompt else "Thanks." for prompt in prompts]

    rated = rate_own(corpus, random.Random(5), 400, answer)
    good = [messages for messages, right in rated if right]
    assert 0 < len(good) == len(rated) - len(good)
    assert len(asked) == 400
    for prompt, said in good:
        assert said["content"] in prompt["content"]
    assert not any(right for messages, right in rated if messages[1]["content"] == "Thanks.")


def test_a_note_is_right_for_its_own_person_and_gift_alone():
    rng = random.Random(6)
    notes = [write_problem("thank_you_note", rng) for _ in range(200)]
    for note, other in pairwise(notes):
        assert is_thank_you(note, note.response)
        same = note.response.partition(". ")[0] == other.response.partition(". ")[0]
        assert is_thank_you(note, other.response) == same
        assert not is_thank_you(note, f"{note.response} Bye.")
        assert not is_thank_you(note, note.response.partition(". ")[0] + ".")


def test_mixtures_name_sources_of_the_corpus():
    for recipe in RECIPES.values():
        for stage in recipe.stages:
            assert all(callable(getattr(Corpus, name)) for name in stage.mixture)
            assert not stage.mixture or abs(sum(stage.mixture.values()) - 1) < 1e-9
            assert set(stage.practice) == set(WRITERS)
