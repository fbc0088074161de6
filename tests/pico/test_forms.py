"""The forms that pico-forms learns: what is written for a flow's step, the step's own parser and filters accept."""

import dataclasses
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.generation.constraints import draw_constraint
from factory.generation.filters import RefusedError
from factory.generation.flows import load_flow
from factory.generation.local_teacher import LocalTeacher
from factory.line_flows import list_bundled
from factory.pico.corpus import Corpus, normalise
from factory.pico.family import read_excluded
from factory.pico.forms import ANSWERS, Scene
from factory.pico.judging_forms import VERDICTS
from factory.pico.models import model_revision
from factory.pico.obeying import WAYS, obey
from factory.pico.recipe import FORMS
from factory.pico.rehearsal import Rehearsal, Stage
from factory.pico.tune_forms import tune_forms, write_dialogues
from factory.reward.verifiers.constraints import CONSTRAINTS

TAXONOMY = Path(__file__).parents[2] / "taxonomy"
STAGE = Stage(Corpus(frozenset()))
RUNS = 25


def rehearse(flow: str, seed: int) -> Rehearsal:
    return STAGE.rehearse(load_flow(flow), random.Random(seed))


@pytest.mark.parametrize("flow", list_bundled())
@given(seed=st.integers(0, 2**32))
@settings(max_examples=RUNS, deadline=None)
def test_what_is_written_comes_through_every_parser_and_filter_of_the_flow(flow, seed):
    rehearsal = rehearse(flow, seed)
    assert rehearsal.faults == []
    asked = [step for step in load_flow(flow).steps if step.asks != "nobody"]
    assert len(rehearsal.dialogues) >= len([step for step in asked if not (step.when or step.unless)])
    for *prompt, answer in rehearsal.dialogues:
        assert prompt[-1]["role"] == "user" and answer["role"] == "assistant"


@pytest.mark.parametrize("flow", list_bundled())
def test_no_answer_is_one_to_be_learnt_by_heart(flow):
    said = [dialogue[-1]["content"] for seed in range(RUNS) for dialogue in rehearse(flow, seed).dialogues]
    written = [text for text in said if "[/Score]" not in text and "[/Judgement]" not in text]
    assert len(set(written)) > 0.8 * len(written)


@pytest.mark.parametrize("place", sorted(VERDICTS))
def test_a_judges_word_parses_and_what_is_spoilt_is_refused_or_rated_lower(place):
    flow, name = place.split(".")
    step = next(step for step in load_flow(flow).steps if step.name == name)
    verdict = VERDICTS[place]
    scores, scene = {}, Scene(random.Random(0), Corpus(frozenset()), "en", "addition")
    for word in (verdict.good, *(word for _, word in verdict.spoilt)):
        (item,) = step.parse(verdict.say(scene, word))
        scores[word] = item[step.variable]
    assert all(scores[word] < scores[verdict.good] for _, word in verdict.spoilt)
    step.filter.check_score(scores[verdict.good])
    with pytest.raises(RefusedError):
        step.filter.check_score(min(scores.values()))


def test_every_step_that_is_asked_has_a_form_and_no_form_is_of_no_step():
    asked = {f"{name}.{step.name}" for name in list_bundled() for step in load_flow(name).steps if step.asks != "nobody"}
    assert asked == {*ANSWERS, *VERDICTS}


@pytest.mark.parametrize("language", ["en", "id"])
def test_a_constraint_that_is_obeyed_holds_by_its_verifier(language):
    met = set()
    for place in range(600):
        drawn = draw_constraint([place], language)
        if drawn.name not in WAYS:
            continue
        response = obey(drawn.canonical, "apple, pear and 47 + 85 = 132", random.Random(place))
        assert CONSTRAINTS[drawn.name].holds(response, **json.loads(drawn.canonical)["arguments"]), (drawn, response)
        met.add(drawn.name)
    assert met == set(WAYS)


def test_nothing_of_the_taxonomy_is_asked_or_shown():
    excluded = read_excluded(TAXONOMY)
    recipe = dataclasses.replace(FORMS, dialogues=1500)
    for dialogue in write_dialogues(Corpus(excluded), recipe):
        for message in dialogue:
            lines = message["content"].replace("[Task]", "\n").replace("[/Task]", "\n").splitlines()
            assert not excluded & {normalise(line.removeprefix("Task: ").removeprefix("Question: ")) for line in lines}


def test_a_copy_of_the_teacher_is_tuned_and_the_teacher_stays_as_it_was(tmp_path):
    before = model_revision("pico-teacher")
    said = []
    recipe = dataclasses.replace(FORMS, dialogues=24)
    tune_forms(Corpus(frozenset()), tmp_path / "pico-forms", said.append, recipe)
    assert model_revision("pico-teacher") == before
    teacher = LocalTeacher(str(tmp_path / "pico-forms"))
    assert teacher.context_tokens == recipe.context_tokens
    assert teacher.identity.startswith("pico-forms@") and before not in teacher.identity
    told = json.loads((tmp_path / "pico-forms" / "recipe.json").read_text())
    assert told["base"] == "pico-teacher" and told["dialogues"] == 24
    assert {file.suffix for file in (tmp_path / "pico-forms").iterdir()} <= {".safetensors", ".json", ".jinja"}
    assert any("loss" in text for text in said)
