"""Rubrics as files: the bundled ones, and every fault of a file with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.faults import FactoryError, InputFaults
from factory.generation.templates import render
from factory.line import load_line
from factory.line_flows import RUBRICS, list_bundled
from factory.reward.judges import check_rubrics
from factory.reward.rubric import load_rubric
from factory.reward_spec import ComparingJudgeSpec, JudgeSpec, PairsSpec, RewardSpec

OWN = """\
name: own
description: Whether an answer is polite.
source: our own practice
good_from: 1
steps:
  - name: politeness
    prompt: |-
      [Answer]{{ response }}[/Answer]
      Is it polite? Write 1 or 0.
    parser: {kind: score, values: {"1": 1, "0": 0}}
    retry: "1 or 0 alone."
"""
TURNS = [{"role": "user", "content": "Apa itu?"}, {"role": "assistant", "content": "Kucing."}, {"role": "user", "content": "Mengapa?"}]


@pytest.mark.parametrize("name", list_bundled(RUBRICS))
def test_every_bundled_rubric_shows_the_whole_record_and_has_a_stricter_form(name: str) -> None:
    rubric = load_rubric(name)
    responses = {"first": "jawaban satu", "second": "jawaban dua"} if rubric.compares else {"response": "jawaban satu"}
    shown = {"instruction": "Apa itu?", "context": "Sebuah teks.", "conversation": TURNS, "language": "id", "references": [], **responses}
    for step in rubric.steps:
        asked = render(str(step.prompt), shown, name)
        assert all(text in asked for text in ("Sebuah teks.", "Kucing.", "Mengapa?", *responses.values()))
        assert step.retry is not None and render(step.retry, shown, name)
        without = render(str(step.prompt), shown | {"context": None, "language": None}, name)
        assert "[Document]" not in without and "None" not in without


def test_right_answers_are_shown_by_the_number_of_their_message_where_there_are_some() -> None:
    rubric = load_rubric("mt_bench")
    shown = {"instruction": "Apa itu?", "context": None, "conversation": TURNS, "language": None, "response": "jawaban"}
    asked = [render(str(rubric.steps[0].prompt), shown | {"references": right}, "mt_bench") for right in ([], [None], [None, "benar"])]
    assert asked[0] == asked[1] and "Right answer" not in asked[0]
    assert "[Right answer 2]benar[/Right answer 2]" in asked[2] and "[Right answer 1]" not in asked[2]
    assert [rubric.steps[0].parse(f"Because. [[{grade}]]") for grade in (1, 10)] == [[{"grade": 1.0}], [{"grade": 10.0}]]


def test_the_weighted_sum_of_five_attributes() -> None:
    rubric = load_rubric("five_attributes")
    (step,) = rubric.steps
    (values,) = step.parse('{"helpfulness": 4, "correctness": 3, "coherence": 2, "complexity": 1, "verbosity": 4}')
    assert isinstance(values, dict)
    assert rubric.score(values) == pytest.approx(4 * 0.30 + 3 * 0.74 + 2 * 0.46 + 0.47 - 4 * 0.33)


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        (("{{ response }}", "{{ respnse }}"), 8, "did you mean 'response'"),
        (("good_from: 1\n", ""), 1, "good_from is missing"),
        (("good_from: 1\n", "good_from: 1\ncompares: true\n"), 4, "not both"),
        (('parser: {kind: score, values: {"1": 1, "0": 0}}', "parser: text"), 6, "the last step gives no score"),
        (("    retry:", "    many: 3\n    retry:"), 6, "many is of a flow's steps"),
        (("    retry:", "    asks: teacher\n    retry:"), 11, "judge"),
        (("good_from: 1\n", "good_from: 1\nweights: {grammar: 1}\n"), 5, "no step gives a number 'grammar'"),
        (("kind: score", "kind: scores"), 10, "did you mean 'score'"),
        (("name: politeness", "name: response"), 6, "'response' is already given"),
        (("    retry:", "    shorten: text\n    retry:"), 11, "nothing gives 'text'"),
        (("descriptio", "descriptoi"), 2, "unknown key; did you mean 'description'"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, change: tuple[str, str], line: int, told: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    assert load_rubric(str(file)).name == "own"
    file.write_text(OWN.replace(*change))
    with pytest.raises(InputFaults) as error:
        load_rubric(str(file))
    assert any(fault.line == line and told in fault.message for fault in error.value.faults), str(error.value)


def test_a_line_finds_its_rubric_beside_it_and_names_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "taxonomy" / "knowledge").mkdir(parents=True)
    file = tmp_path / "line.yaml"
    text = "name: tiny\nseeds: {taxonomy: taxonomy}\nreward:\n  judges:\n    - {model: pico-teacher, rubric: RUBRIC}\n"
    file.write_text(text.replace("RUBRIC", "own.yaml"))
    assert load_line(file).reward.judges[0].rubric == str((tmp_path / "own.yaml").resolve())
    file.write_text(text.replace("RUBRIC", "helpfulnes"))
    with pytest.raises(InputFaults, match=r"line\.yaml:5:.*no bundled rubric 'helpfulnes'; did you mean 'helpfulness'"):
        load_line(file)


def test_a_rubric_that_compares_scores_nobody_and_the_other_way_round() -> None:
    with pytest.raises(FactoryError, match="two responses, for reward"):
        check_rubrics(RewardSpec(judges=(JudgeSpec(rubric="preference"),)))
    with pytest.raises(FactoryError, match="one response, for reward"):
        check_rubrics(RewardSpec(pairs=PairsSpec(by=("comparison",), judge=ComparingJudgeSpec(rubric="pair"))))
    with pytest.raises(FactoryError, match=r"No rubric 'pairs'.*did you mean 'pair'"):
        load_rubric("pairs")


def test_comparison_needs_a_judge() -> None:
    with pytest.raises(ValueError, match="comparison and judge go together"):
        PairsSpec(by=("comparison",))
    with pytest.raises(ValueError, match="comparison and judge go together"):
        PairsSpec(judge=ComparingJudgeSpec())
