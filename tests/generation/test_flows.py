"""Flows: the exact prompts of the bundled ones, and every fault of a bad file by line."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.faults import FactoryError, InputFaults
from factory.generation.filters import Limits
from factory.generation.flow_spec import Step
from factory.generation.flows import load_flow, render_prompt
from factory.generation.parsers import ParseError
from factory.generation.templates import find_attributes
from factory.line_flows import list_bundled

GOOD = """\
name: critic
description: A draft, then a better one.
source: nobody, 2026
steps:
  - name: instruction
    prompt: "In {{ language }}: {{ examples[0].question }}"
  - name: draft
    prompt: "{{ instruction }}"
    sampling: instruction
  - name: rewrite
    output: response
    system: You mend answers.
    prompt: |-
      {{ instruction }}
      {{ draft }}
    limits: {max_chars: 20}
"""


def read(tmp_path: Path, text: str) -> InputFaults:
    file = tmp_path / "critic.yaml"
    file.write_text(text)
    with pytest.raises(InputFaults) as caught:
        load_flow(str(file))
    return caught.value


def test_freeform_prompts_are_the_texts_that_the_bundled_teacher_learnt() -> None:
    flow = load_flow("freeform")
    asked = render_prompt(flow, "instruction", examples=[{"question": "Add 1 and 2."}, {"question": "Add 3 and 4."}])
    assert asked == (
        "Write one new task of the same kind as these, with other content. Answer with the task alone.\n"
        "\nTask: Add 1 and 2.\nTask: Add 3 and 4."
    )
    assert render_prompt(flow, "response", instruction="Add 5 and 6.") == "Add 5 and 6."
    assert not flow.reads_context
    assert [step.system for step in flow.steps] == [None, None]


def test_grounded_prompts_are_the_texts_that_the_bundled_teacher_learnt() -> None:
    flow = load_flow("grounded")
    text = "The tarsier is small.\nIt sleeps by day."
    asked = render_prompt(flow, "instruction", context=text, examples=[{"question": "What is small?"}, {"question": "Who sleeps?"}])
    assert asked == (
        "The tarsier is small.\nIt sleeps by day.\n\n"
        "Write one new question that this text answers, in the language of the text. Answer with the question alone.\n"
        "\nQuestion: What is small?\nQuestion: Who sleeps?"
    )
    assert render_prompt(flow, "response", context=text, instruction="Who?") == "The tarsier is small.\nIt sleeps by day.\n\nWho?"
    assert flow.reads_context
    assert [step.system for step in flow.steps] == [None, None]


@given(question=st.text(), context=st.text())
def test_texts_enter_a_prompt_as_they_are(question: str, context: str) -> None:
    examples = [{"question": question}]
    assert render_prompt(load_flow("freeform"), "instruction", examples=examples).endswith(f"\nTask: {question}")
    assert render_prompt(load_flow("grounded"), "response", context=context, instruction=question) == f"{context}\n\n{question}"


def test_a_flow_of_ones_own_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "critic.yaml").write_text(GOOD)
    flow = load_flow(str(tmp_path / "critic.yaml"))
    assert [(step.name, step.variable, step.sampling_section) for step in flow.steps] == [
        ("instruction", "instruction", "instruction"),
        ("draft", "draft", "instruction"),
        ("rewrite", "response", "response"),
    ]
    assert render_prompt(flow, "rewrite", instruction="i", draft="d") == "i\nd"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("    sampling: instruction", "    samplin: instruction", ":9:5", "did you mean 'sampling'?"),
        ("{max_chars: 20}", "{max_char: 20}", ":16:14", "did you mean 'max_chars'?"),
        (
            "description: A draft, then a better one.",
            "colour: blue",
            ":2:1",
            "known: constrains, description, draws, examples, name, pool, source, steps, turns",
        ),
        ("    limits: {max_chars: 20}", "    filter: {min_score: .nan}", ":16:", "finite number"),
        ("{max_chars: 20}", "{max_chars: 0}", ":16:25", "greater than or equal to 1"),
        ("    sampling: instruction", "    parser: jsn", ":9:13", "no such parser; did you mean 'json'?"),
        ("source: nobody, 2026\n", "", ":1:1", "is missing"),
        ("name: draft", "name: Draft", ":7:11", "pattern"),
        ("name: draft", "name: instruction", ":7:11", "another step is called 'instruction'"),
        ("output: response", "output: draft", ":11:13", "'draft' is already given before this step"),
        ("output: response", "output: better", ":4:1", "no step gives the output 'response'"),
        ("      {{ draft }}", "      {{ drft }}", ":15:1", "uses 'drft', which nothing gives; did you mean 'draft'?"),
        ("      {{ draft }}", "      {% if %}", ":15:1", "not a template"),
        ('prompt: "{{ instruction }}"', 'prompt: "{{ draft }}"', ":8:13", "uses 'draft', which nothing gives"),
        ("examples[0].question", "examples[0].questoin", ":6:13", "questoin"),
        ("examples[0].question", "examples.__class__.__mro__", ":6:13", "unsafe"),
        ("examples[0].question", "examples.append(1)", ":6:13", "cannot be written"),
        ("You mend answers.", "You mend {{ responses }}.", ":12:13", "uses 'responses'"),
        ("  - name: draft", "\t- name: draft", ":7:", "tab"),
    ],
)
def test_each_fault_of_a_file_has_its_line(tmp_path: Path, old: str, new: str, place: str, message: str) -> None:
    assert GOOD.count(old) == 1
    text = str(read(tmp_path, GOOD.replace(old, new)))
    assert f"critic.yaml{place}" in text
    assert message in text


def test_every_unknown_name_of_a_prompt_is_told_at_its_own_line(tmp_path: Path) -> None:
    text = str(read(tmp_path, GOOD.replace("      {{ draft }}", "      The draft, drafting.\n      {{ dra }}\n      {{ languag }}")))
    assert "critic.yaml:16:1: steps[2].prompt: the prompt uses 'dra'" in text
    assert "critic.yaml:17:1: steps[2].prompt: the prompt uses 'languag', which nothing gives; did you mean 'language'?" in text


@pytest.mark.parametrize(
    ("language", "written", "kept"),
    [
        ("en", "Write an email to say thank you.", "Write an email to say thank you."),
        ("en", "What comes after many thanks", "What comes after many thanks"),
        ("en", "Why do whales sing? Thanks in advance!", "Why do whales sing?"),
        ("en", "Tell me more.\n\nThank you so much.", "Tell me more."),
        ("id", "Bagaimana cara mengucapkan terima kasih.", "Bagaimana cara mengucapkan terima kasih."),
        ("id", "Mengapa paus bernyanyi? Terima kasih banyak.", "Mengapa paus bernyanyi?"),
        ("ar", "لماذا تغني الحيتان؟ شكرا جزيلا", "لماذا تغني الحيتان؟"),
        ("zh", "用英语怎么说谢谢", "用英语怎么说谢谢"),
        ("zh", "鲸鱼为什么唱歌？谢谢！", "鲸鱼为什么唱歌？"),
        ("ja", "クジラはなぜ歌いますか。ありがとうございます。", "クジラはなぜ歌いますか。"),
    ],
)
def test_thanks_that_close_a_turn_are_taken_off_and_thanks_that_it_is_about_stay(language: str, written: str, kept: str) -> None:
    assert load_flow("dialogue").steps[0].parse(written, language) == [{"user_turn": kept}]


SHAPES = """\
name: shapes
description: d
source: s
draws:
  level: [low, high]
steps:
  - name: topics
    prompt: "{{ level }} {{ count }}"
    parser: {kind: list}
    many: 3
  - name: first
    prompt: "{{ topics }}"
    appends: user
  - name: answer
    answers_conversation: true
    appends: assistant
  - name: score
    asks: judge
    prompt: "{{ answer }}"
    parser: {kind: score, values: {"1": 1, "0": 0}}
    filter: {min_score: 1, refuse: {en: [sorry]}}
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("kind: list}", "kind: list, itms: a}", ":9:26", "steps[0].parser.itms: unknown key; known: kind"),
        ("kind: list}", "kind: jsn}", ":9:5", "no such parser; did you mean 'json'?"),
        ("{kind: list}", "json", ":9:13", "parser.schema: is missing"),
        ("values: {", "vals: {", ":20:27", "steps[3].parser.vals: unknown key; did you mean 'values'?"),
        ("[sorry]", "['(']", ":21:", "not a regular expression"),
        ("en: [sorry]", "English: [sorry]", ":21:", "pattern"),
        ("many: 3", "many: 1", ":10:11", "greater than or equal to 2"),
        ("    appends: user\n", "", ":13:", "does not end with a user's message"),
        ("    answers_conversation: true", "    prompt: x\n    answers_conversation: true", ":14:5", "give a prompt, or answers"),
        ("parser: {kind: score, values: {\"1\": 1, \"0\": 0}}", "parser: text", ":17:", "min_score needs the parser 'score'"),
        ("  level: [low", "  language: [low", ":5:3", "'language' is given by itself"),
        ("{{ topics }}", "{{ count }} {{ level }}", ":12:13", "uses 'count'"),
        ("asks: judge", "asks: judge\n    when: levls\n    otherwise: level", ":19:", "nothing gives 'levls' before this step; did you"),
        ("many: 3", "many: 3\n    held_against: answer", ":11:", "nothing gives 'answer' before this step"),
    ],
)  # fmt: skip
def test_each_fault_of_a_flow_of_many_shapes_has_its_line(tmp_path: Path, old: str, new: str, place: str, message: str) -> None:
    (tmp_path / "critic.yaml").write_text(SHAPES)
    load_flow(str(tmp_path / "critic.yaml"))
    assert SHAPES.count(old) == 1
    text = str(read(tmp_path, SHAPES.replace(old, new)))
    assert f"critic.yaml{place}" in text
    assert message in text


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    error = read(tmp_path, GOOD.replace("{{ draft }}", "{{ drft }}").replace('"{{ instruction }}"', '"{{ instrction }}"'))
    assert [fault.line for fault in error.faults] == [8, 15]


def test_a_file_that_is_no_mapping_is_named(tmp_path: Path) -> None:
    assert "expected keys and values" in str(read(tmp_path, "- a\n- b\n"))


def test_an_unknown_flow_is_named_with_the_nearest() -> None:
    with pytest.raises(FactoryError, match=r"No flow 'freefrom'.*Did you mean 'freeform'"):
        load_flow("freefrom")


def test_an_unknown_step_and_a_missing_variable_are_named() -> None:
    with pytest.raises(FactoryError, match="no step 'critique' with a prompt; its steps: instruction, response"):
        render_prompt(load_flow("freeform"), "critique")
    with pytest.raises(FactoryError, match=r"step 'response'.*'instruction' is undefined"):
        render_prompt(load_flow("freeform"), "response")


def test_limits_are_the_filter_of_a_step() -> None:
    step = Step(name="instruction", prompt="p", limits=Limits(max_chars=5, single_line=True))
    assert step.parse(" 12345\n") == [{"instruction": "12345"}]
    for answer, fault in (("123456", "6 characters long, at most 5"), ("1\n2", "more than one line"), (" \n ", "empty")):
        with pytest.raises(ParseError, match=fault):
            step.parse(answer)


@given(st.text(string.printable))
def test_the_text_parser_takes_the_whole_answer(answer: str) -> None:
    step = Step(name="response", prompt="p")
    if answer.strip():
        assert step.parse(answer) == [{"response": answer.strip()}]
    else:
        with pytest.raises(ParseError, match="empty"):
            step.parse(answer)


def test_a_flow_that_asks_whether_an_example_has_a_context_may_show_it() -> None:
    assert find_attributes("{% for e in examples %}{{ e.context }}{% endfor %}") == {"context"}
    asking = "{% for e in examples %}{% if e.context %}{{ e.context }}{% endif %}{{ e.question }}{% endfor %}"
    assert find_attributes(asking) == {"question"}
    assert not find_attributes("{{ examples[0].context if examples[0].context else 'none' }}")
    assert {name for name in list_bundled() if load_flow(name).shows_example_contexts} == {"lab_grounded_skills"}
