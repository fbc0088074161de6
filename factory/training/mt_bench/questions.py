"""Questions of more than one turn, and right answers to them, in the form of MT-Bench's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from factory.faults import Fault, InputFaults
from factory.records import digest
from factory.reward.example_files import read_each, read_file
from factory.seeds.tables import Row
from factory.spec_faults import name_kind

SUFFIXES = (".jsonl", ".ndjson", ".json")
TEMPERATURES: Final[Mapping[str, float]] = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
"""How freely a model answers, by category: MT-Bench's own settings (github.com/lm-sys/FastChat, fastchat/llm_judge/common.py)."""
OTHER_TEMPERATURE = 0.7
"""Of any other category, as there."""
CHECKED_CATEGORIES = ("math", "coding", "reasoning")
"""Whose answers are graded beside right ones: judges are often mistaken there (arXiv 2306.05685, section 3.4)."""


@dataclass(frozen=True)
class Question:
    """A conversation to be had: what the user says in each turn. `references`: a right answer to each turn, empty where there is none."""

    question_id: str
    category: str
    turns: tuple[str, ...]
    references: tuple[str, ...] = ()

    @property
    def temperature(self) -> float:
        """What its answers are sampled at."""
        return TEMPERATURES.get(self.category, OTHER_TEMPERATURE)

    @property
    def right(self) -> tuple[str, ...]:
        """The right answers that a judge is shown; none outside of the categories that are checked."""
        return self.references if self.category in CHECKED_CATEGORIES and any(self.references) else ()


def read_questions(file: Path, references: Path | None = None, most: int | None = None) -> list[Question]:
    """The questions of a file, in its order: JSON lines with `question_id`, `category`, `turns` (texts), and perhaps `reference` (texts).

    `references` is a file of right answers as FastChat writes answers (`question_id` and `choices`, whose first has `turns`); they stand
    before the questions' own. `most` takes so many, as many of each category as can be, those of least hash.
    Raises InputFaults with every fault, by file and line.
    """
    subject = f"questions {file}"
    rows = read_each(file, subject, read_file(file, subject, SUFFIXES), _read_question)
    twice = [*_find_twice([(row, question.question_id) for row, question in rows])]
    if twice:
        raise InputFaults(subject, twice)
    questions = [question for _, question in rows]
    if references is not None:
        right = _read_references(references, {question.question_id: question for question in questions})
        questions = [replace(question, references=right.get(question.question_id, question.references)) for question in questions]
    return questions if most is None else _take_most(questions, most)


def _take_most(questions: list[Question], most: int) -> list[Question]:
    """`most` of the questions, in their order: the first of each category by hash, then the second of each, and so on."""
    met: Counter[str] = Counter()
    ranked: list[tuple[int, str]] = []
    for question in sorted(questions, key=lambda question: digest([question.question_id])):
        ranked.append((met[question.category], question.question_id))
        met[question.category] += 1
    chosen = {question_id for _, question_id in sorted(ranked)[:most]}
    return [question for question in questions if question.question_id in chosen]


def _read_references(file: Path, questions: Mapping[str, Question]) -> dict[str, tuple[str, ...]]:
    """Right answers by the id of their question; those of other questions are left out."""
    subject = f"right answers {file}"

    def read(row: Row) -> tuple[Row, str, tuple[str, ...]] | list[Fault]:
        choices = row.cells.get("choices")
        turns: Any = choices[0].get("turns") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
        if not isinstance(question_id := row.cells.get("question_id"), int | str) or isinstance(question_id, bool):
            return [row.fault("question_id", f"expected a number or a text, found {name_kind(question_id)}")]
        if not _are_texts(turns):
            return [row.fault("choices", "expected a list whose first member has `turns`, a list of texts, as FastChat writes answers")]
        question = questions.get(str(question_id))
        if question is not None and len(turns) != len(question.turns):
            return [row.fault("choices", f"{len(turns)} turns; question {question_id} has {len(question.turns)}")]
        return row, str(question_id), tuple(text.strip() for text in turns)

    rows = read_each(file, subject, read_file(file, subject, SUFFIXES), read)
    if twice := [*_find_twice([(row, question_id) for row, question_id, _ in rows])]:
        raise InputFaults(subject, twice)
    found = {question_id: turns for _, question_id, turns in rows}
    if not found.keys() & questions.keys():
        problem = f"right answers to none of the questions: its ids begin {', '.join([*found][:3])}, theirs {', '.join([*questions][:3])}"
        raise InputFaults(subject, [Fault(str(file), 0, 0, "", problem)])
    return found


def _read_question(row: Row) -> tuple[Row, Question] | list[Fault]:
    question_id: Any = row.cells.get("question_id")
    category: Any = row.cells.get("category")
    turns: Any = row.cells.get("turns")
    reference: Any = row.cells.get("reference")
    faults = []
    if not isinstance(question_id, int | str) or isinstance(question_id, bool) or question_id == "":
        faults.append(row.fault("question_id", f"expected a number or a text, found {name_kind(question_id)}"))
    if not isinstance(category, str) or not category.strip():
        faults.append(row.fault("category", f"expected a text such as 'writing', found {name_kind(category)}"))
    if not _are_texts(turns) or not turns or not all(text.strip() for text in turns):
        faults.append(row.fault("turns", "expected a list of what the user says, one text to each turn"))
    elif reference is not None and (not _are_texts(reference) or len(reference) != len(turns)):
        faults.append(row.fault("reference", f"expected a list of {len(turns)} texts, one to each turn, empty where there is none"))
    if faults:
        return faults
    return row, Question(str(question_id), category.strip(), tuple(turns), tuple(text.strip() for text in reference or ()))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _find_twice(ids: list[tuple[Row, str]]) -> Iterator[Fault]:
    seen: dict[str, Row] = {}
    for row, question_id in ids:
        if first := seen.get(question_id):
            yield row.fault("question_id", f"{question_id} is given twice, first at {first.source}")
        seen.setdefault(question_id, row)
