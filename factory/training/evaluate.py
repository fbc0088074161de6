"""Evaluation: held-out seed examples and fresh verified problems, and which of a model's answers are right."""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from factory.faults import FactoryError
from factory.generation.local_teacher import LocalTeacher
from factory.problems import WRITERS, write_problem
from factory.records import ANSWER, record_id, take_examples
from factory.reward.verifiers import Asked, read_problem, verify
from factory.reward.words import normalise
from factory.training.answer import OnAnswers, Origin, Problem, answer_problems
from factory.training_spec import EvaluationSpec

TRIES_PER_PROBLEM = 50
"""A writer of few problems may run out of new ones; after so many draws for each that is wanted the leaf has fewer."""


def make_problems(seeds: pl.DataFrame, released: pl.DataFrame, per_leaf: int, seed: int) -> list[Problem]:
    """The evaluation problems of a line, sorted by leaf, origin and id.

    Every holdout example of `seeds` (columns of records.SEED), and `per_leaf` fresh problems for each leaf that names a problem writer
    and a verifier. A fresh problem is of the writer's evaluation side, and no seed example and no record of `released` (column instruction)
    asks it, in the same words or in others that its verifier can read. A leaf has fewer where its writer runs out of new ones. The problems
    of a leaf depend on its own rows, on `released` and on `seed`, not on other leaves.
    Raises FactoryError for an unknown problem writer.
    """
    seeds = take_examples(seeds)
    problems = {problem.problem_id: problem for problem in _holdout_problems(seeds)}
    known = _Known([*released["instruction"].drop_nulls(), *seeds["question"]])
    writers = seeds.filter(pl.col("problems").is_not_null() & pl.col("verifier").is_not_null())
    columns = ("leaf", "language", "problems", "verifier", "verifier_settings")
    for leaf, language, writer, verifier, settings in writers.select(columns).unique().sort("leaf").iter_rows():
        if writer not in WRITERS:
            near = difflib.get_close_matches(writer, WRITERS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known writers: {', '.join(sorted(WRITERS))}."
            raise FactoryError(f"leaf {leaf}: no problem writer {writer!r}; {hint} Mend `factory.problems` in the leaf's qna.yaml.")
        rng = random.Random(f"evaluation/{seed}/{leaf}")
        for instruction, reference in _write_fresh(writer, verifier, per_leaf, known, rng):
            fresh = _problem(leaf, language, "fresh", instruction, None, reference, verifier, settings)
            problems[fresh.problem_id] = fresh
    return sorted(problems.values(), key=lambda problem: (problem.leaf, problem.origin, problem.problem_id))


def _holdout_problems(seeds: pl.DataFrame) -> Iterable[Problem]:
    for row in seeds.filter(pl.col("split") == "holdout").iter_rows(named=True):
        asked = (row["question"], row["context"], row["answer"])
        yield _problem(row["leaf"], row["language"], "holdout", *asked, row["verifier"], row["verifier_settings"])


class _Known:
    """Instructions that were asked before, in whatever words."""

    def __init__(self, instructions: Iterable[str]) -> None:
        self._instructions = frozenset(instructions)
        self._texts = frozenset(map(normalise, self._instructions))
        self._asked: dict[str, frozenset[Asked | None]] = {}

    def holds(self, instruction: str, verifier: str) -> bool:
        """Whether one of them has these words, or asks the same as `verifier` reads both."""
        if verifier not in self._asked:
            self._asked[verifier] = frozenset(read_problem(verifier, text) for text in self._instructions) - {None}
        return normalise(instruction) in self._texts or read_problem(verifier, instruction) in self._asked[verifier]


def _write_fresh(writer: str, verifier: str, wanted: int, known: _Known, rng: random.Random) -> list[tuple[str, str]]:
    """New instructions with their right answers; no two ask the same in other words."""
    fresh: dict[str, tuple[str, str]] = {}
    for _ in range(wanted * TRIES_PER_PROBLEM):
        if len(fresh) == wanted:
            break
        problem = write_problem(writer, rng, "evaluation")
        if not known.holds(problem.instruction, verifier):
            fresh.setdefault(problem.key, (problem.instruction, problem.response))
    return list(fresh.values())


def _problem(
    leaf: str,
    language: str,
    origin: Origin,
    instruction: str,
    context: str | None,
    reference: str,
    verifier: str | None,
    settings: str | None,
) -> Problem:
    content = {"leaf": leaf, "instruction": instruction, "context": context, "reference": reference}
    problem_id = record_id("problem", content | {"origin": origin})
    return Problem(problem_id, leaf, language, origin, instruction, context, reference, verifier, settings)


def evaluate_model(
    name: str, model: str | Path | LocalTeacher, problems: Sequence[Problem], spec: EvaluationSpec, progress: OnAnswers | None = None
) -> pl.DataFrame:
    """The answers (records.ANSWER) of `model`, which the frame calls `name`, one row per problem, in the order of `problems`.

    Raises FactoryError where the model cannot be opened or a problem names an unknown verifier.
    """
    responses = answer_problems(model, problems, spec.max_new_tokens, spec.batch_size, progress)
    rows = [
        {
            "problem_id": problem.problem_id,
            "leaf": problem.leaf,
            "language": problem.language,
            "origin": problem.origin,
            "model": name,
            "instruction": problem.instruction,
            "context": problem.context,
            "reference": problem.reference,
            "response": response,
            "correct": is_correct(problem, response),
        }
        for problem, response in zip(problems, responses, strict=True)
    ]
    return pl.DataFrame(rows, schema=ANSWER)


def is_correct(problem: Problem, response: str) -> bool:
    """What the problem's verifier says, which has the reference too; the reference's own words where there is none, or it cannot tell.

    Case, white space, the form of characters (Unicode NFKC) and a final full stop make no difference to the words.
    """
    if problem.verifier is not None:
        check = verify(problem.verifier, problem.instruction, response, settings=problem.verifier_settings, reference=problem.reference)
        if check.right is not None:
            return check.right
    return _words(response) == _words(problem.reference)


def _words(text: str) -> str:
    return normalise(text).removesuffix(".").rstrip()
