"""MT-Bench's protocol against a scripted model and judge: two turns, right answers where they are checked, grades with intervals."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from factory.faults import InputFaults
from factory.generation.chat import ParkedError
from factory.generation.ledger import Ledger
from factory.generation.models import Model
from factory.generation.spending import BudgetSpentError, Spending
from factory.generation.teachers import open_teacher
from factory.line import BudgetSpec
from factory.model_spec import TeacherSpec
from factory.reward.judging import make_judge
from factory.reward.rubric import load_rubric
from factory.reward_spec import GraderSpec
from factory.training.mt_bench import GRADE, Question, answer_questions, grade_answers, read_questions, summarise_grades

sys.path.append(str(Path(__file__).parents[1] / "reward"))
from judge_rows import asked_text, serve, spec_server
from misbehaving_server import MisbehavingServer

Z = 1.959963984540054
QUESTIONS = [
    {"question_id": 1, "category": "math", "turns": ["What is 2+2?", "And twice that?"], "reference": ["4", "8"]},
    {"question_id": 2, "category": "writing", "turns": ["A poem.", "Shorter."], "reference": ["", "not to be shown"]},
]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def open_model(server: MisbehavingServer, **more: Any) -> Model:
    spec = TeacherSpec(model="m", server=spec_server(server).model_copy(update=more))
    return Model(open_teacher(spec), spec)


def ask(server: MisbehavingServer, questions: Sequence[Question], ledger: Ledger, **more: Any) -> Any:
    return answer_questions(open_model(server, **more), questions, 64, ledger, Spending())


def grade(server: MisbehavingServer, answered: Any, ledger: Ledger) -> pl.DataFrame:
    spec = GraderSpec(model="j", server=spec_server(server))
    return grade_answers(make_judge(spec, open_teacher(spec), load_rubric(spec.rubric)), answered, ledger, Spending())


def reply(body: dict[str, Any]) -> str:
    """Says how many messages it has read."""
    return f"answer after {len(body['messages'])}"


def test_the_second_turn_is_asked_after_the_models_own_first_answer(tmp_path: Path, ledger: Ledger) -> None:
    questions = read_questions(write(tmp_path / "q.jsonl", QUESTIONS))
    with serve(reply) as server:
        answered = ask(server, questions, ledger)
        second = next(each.body for each in server.asked if each.body["messages"][-1]["content"] == "And twice that?")
        assert second["messages"] == [
            {"role": "user", "content": "What is 2+2?"},
            {"role": "assistant", "content": "answer after 1"},
            {"role": "user", "content": "And twice that?"},
        ]
        temperatures = {each.body["messages"][0]["content"]: each.body["temperature"] for each in server.asked}
        assert temperatures == {"What is 2+2?": 0.0, "A poem.": 0.7} and len(server.asked) == 4
        assert ask(server, questions, ledger) == answered and len(server.asked) == 4, "nothing is asked twice"
    assert [each.texts for each in answered] == [("answer after 1", "answer after 3")] * 2


def test_the_judge_is_shown_right_answers_where_they_are_checked_and_all_turns_before(tmp_path: Path, ledger: Ledger) -> None:
    right = [{"question_id": 1, "choices": [{"index": 0, "turns": ["It is 4.", "It is 8."]}]}]
    files = write(tmp_path / "q.jsonl", QUESTIONS), write(tmp_path / "right.jsonl", right)
    with serve(reply) as model, serve(lambda body: "So it is. [[7]]") as judge:
        grades = grade(judge, ask(model, read_questions(*files), ledger), ledger)
        shown = [asked_text(each.body) for each in judge.asked]
        grade(judge, ask(model, read_questions(*files), ledger), ledger)
        assert len(judge.asked) == 4
    (first,) = [text for text in shown if "It is 4." in text and "It is 8." not in text]
    (later,) = [text for text in shown if "It is 8." in text]
    assert "[Answer]answer after 1[/Answer]" in first and "And twice that?" not in first and "last answer alone" not in first
    assert all(text in later for text in ("What is 2+2?", "assistant: answer after 1", "[Answer]answer after 3", "last answer alone"))
    assert not any("not to be shown" in text for text in shown), "writing is graded without right answers"
    assert grades["grade"].to_list() == [7.0] * 4 and grades["referenced"].to_list() == [True, True, False, False]
    assert set(grades["said"]) == {"So it is. [[7]]"}


def test_what_does_not_parse_has_no_grade_and_is_in_no_mean(tmp_path: Path, ledger: Ledger) -> None:
    questions = read_questions(write(tmp_path / "q.jsonl", QUESTIONS))
    with serve(reply) as model, serve(lambda body: "Splendid!" if "A poem." in asked_text(body) else "[[4]]") as judge:
        grades = grade(judge, ask(model, questions, ledger), ledger)
        assert len(judge.asked) == 2 + 2 * 2, "asked once more in the stricter form"
    assert grades["grade"].to_list() == [4.0, 4.0, None, None] and "found nothing" in grades["note"][2]
    whole = summarise_grades(grades).filter(category="all", turn="all").row(0, named=True)
    assert (whole["score"], whole["graded"], whole["ungraded"]) == (4.0, 2, 2)


def test_a_turn_that_does_not_fit_is_empty_and_one_that_is_given_up_is_not_graded(ledger: Ledger) -> None:
    long = Question("long", "stem", ("word " * 400, "More."))
    failing = Question("failing", "stem", ("Please fail.", "More."))
    lost = Question("lost", "stem", ("Hello.", "Please fail."))

    def fail(asked: Any) -> str | None:
        return "filter" if asked.body["messages"][-1]["content"] == "Please fail." else None

    with MisbehavingServer(fail, answer=reply) as model, serve(lambda body: "[[1]]") as judge:
        answered = ask(model, [long, failing, lost], ledger, context_tokens=300)
        grades = grade(judge, answered, ledger)
    assert [each.texts for each in answered] == [("", ""), (None, None), ("answer after 1", None)]
    assert [each.ended for each in answered] == [("overflow",) * 2, ("failed",) * 2, ("stop", "failed")]
    assert grades["grade"].to_list() == [1.0, 1.0, None, None, 1.0, None]
    assert grades["note"][2] == "no answer to grade: the server's content filter cut the answer"


def test_what_was_answered_before_the_judge_failed_or_the_budget_was_spent_is_kept(tmp_path: Path, ledger: Ledger) -> None:
    questions = [Question(str(number), "stem", (f"Question {number}?", "More?")) for number in range(12)]
    with serve(reply) as server:
        with pytest.raises(BudgetSpentError, match="of 12 questions answered"):
            answer_questions(open_model(server), questions, 64, ledger, Spending(BudgetSpec(tokens=200)))
        before = len(server.asked)
        answered = ask(server, questions, ledger)
        assert 0 < before < 24 == len(server.asked) and not server.duplicates
    with serve(lambda body: "[[5]]", lambda asked: "500" if asked.number >= 6 else None) as judge:
        with pytest.raises(ParkedError):
            grade(judge, answered, ledger)
        kept, judge.schedule = sum(judge.answered.values()), lambda asked: None
        ledger.forget_failed()
        assert grade(judge, answered, ledger)["grade"].to_list() == [5.0] * 24
        assert kept == 6 and sum(judge.answered.values()) == 24 and not judge.duplicates


def make_grades(**by_category: list[tuple[float | None, float | None]]) -> pl.DataFrame:
    rows = [
        dict.fromkeys(GRADE) | {"question_id": f"{category}{number}", "category": category, "turn": turn + 1, "grade": given}
        for category, questions in by_category.items()
        for number, turns in enumerate(questions)
        for turn, given in enumerate(turns)
    ]
    return pl.DataFrame(rows, schema=GRADE)


def test_intervals_keep_the_turns_of_a_question_together_and_its_category_apart() -> None:
    # Within a category the means of questions are 2 and 4, or 9 alone: what differs between categories is no spread.
    grades = make_grades(math=[(1.0, 3.0), (4.0, 4.0)] * 50, stem=[(9.0, 9.0)] * 100)
    table = {(row["category"], row["turn"]): row for row in summarise_grades(grades).iter_rows(named=True)}
    assert [key for key in table if key[0] == "all"] == [("all", "1"), ("all", "2"), ("all", "all")]
    assert [table["math", turn]["score"] for turn in ("1", "2", "all")] == [2.5, 3.5, 3.0]
    whole, error = table["all", "all"], math.sqrt(100 * 1.0) / 200
    assert whole["score"] == 6.0
    assert (whole["low"], whole["high"]) == (pytest.approx(6 - Z * error, abs=0.01), pytest.approx(6 + Z * error, abs=0.01))
    assert (table["stem", "all"]["low"], table["stem", "all"]["high"]) == (9.0, 9.0)


def test_few_questions_have_no_interval_and_none_graded_no_score() -> None:
    row = summarise_grades(make_grades(math=[(1.0, 2.0)] * 9)).filter(category="all", turn="all").row(0, named=True)
    assert (row["score"], row["low"], row["high"]) == (1.5, None, None)
    row = summarise_grades(make_grades(math=[(None, None)] * 20)).filter(category="all", turn="all").row(0, named=True)
    assert (row["score"], row["low"], row["ungraded"]) == (None, None, 40)


@pytest.mark.parametrize(
    ("row", "line", "told"),
    [
        ({"category": "math", "turns": ["x"]}, 3, "question_id: expected a number or a text, found nothing"),
        ({"question_id": 3, "turns": ["x"]}, 3, "category: expected a text"),
        ({"question_id": 3, "category": "math", "turns": "x"}, 3, "turns: expected a list"),
        ({"question_id": 3, "category": "math", "turns": ["x", " "]}, 3, "turns: expected a list"),
        ({"question_id": 3, "category": "math", "turns": ["x"], "reference": ["a", "b"]}, 3, "reference: expected a list of 1 texts"),
        ({"question_id": "1", "category": "math", "turns": ["x"]}, 3, "question_id: 1 is given twice, first at q.jsonl:1"),
    ],
)
def test_a_fault_of_a_question_is_named_with_its_line(tmp_path: Path, row: dict[str, Any], line: int, told: str) -> None:
    with pytest.raises(InputFaults, match=rf"q\.jsonl:{line}:1: {told}"):
        read_questions(write(tmp_path / "q.jsonl", [*QUESTIONS, row]))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question_id": 1, "choices": [{"turns": ["4"]}]}, "right.jsonl:1:1: choices: 1 turns; question 1 has 2"),
        ({"question_id": 1, "turns": ["4", "8"]}, "right.jsonl:1:1: choices: expected a list whose first member has `turns`"),
        ({"question_id": 9, "choices": [{"turns": ["4"]}]}, "right answers to none of the questions: its ids begin 9, theirs 1, 2"),
    ],
)
def test_a_fault_of_right_answers_is_told(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    with pytest.raises(InputFaults) as error:
        read_questions(write(tmp_path / "q.jsonl", QUESTIONS), write(tmp_path / "right.jsonl", [row]))
    assert told in str(error.value)


def test_a_part_of_the_questions_is_of_each_category_alike_whatever_their_order(tmp_path: Path) -> None:
    rows = [{"question_id": n, "category": "math" if n < 8 else "stem", "turns": [f"{n}"]} for n in range(10)]
    taken = read_questions(write(tmp_path / "q.jsonl", rows), most=4)
    assert [question.category for question in taken] == ["math", "math", "stem", "stem"]
    turned = read_questions(write(tmp_path / "q.jsonl", rows[::-1]), most=4)
    assert {question.question_id for question in turned} == {question.question_id for question in taken}
