"""A line's evaluation problems as tasks of EleutherAI's lm-eval, scored there by the verdict that scores them here."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from factory.faults import FactoryError
from factory.records import digest
from factory.reward.rating import user_text
from factory.training.answer import Problem
from factory.training.data import find_turn_end
from factory.training.evaluate import is_correct
from factory.training.student import open_tokenizer

METRIC: Final = "acc"
PROMPT: Final = "prompt"
"""Column of what the model is asked, beside the fields of a Problem."""
SCORER: Final = "factory.training.lm_eval_tasks.score_answer"
MADE_BY: Final = "# Written by `factory lm-eval-tasks`, which replaces this folder.\n"


class _Function(str):
    """The dotted name of a function, which the harness imports."""


class _TaskDumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes functions as the harness reads them."""


_TaskDumper.add_representer(_Function, lambda dumper, name: dumper.represent_scalar("!function", str(name)))


def score_answer(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The `process_results` of every task: 1.0 where the answer is right by `is_correct`. Called by the harness."""
    problem = Problem(**{field.name: doc[field.name] for field in fields(Problem)})
    return {METRIC: float(is_correct(problem, results[0]))}


def name_task(line: str, leaf: str) -> str:
    """The task of a leaf: such as `bundled__compositional_skills__words__sort_words`."""
    return "__".join([line, *leaf.split("/")])


def name_turn_end(model: str) -> str | None:
    """The text of the control token that ends a turn under the chat template of `model`, and so an answer here; None where none does.

    Raises FactoryError where its tokenizer cannot be opened.
    """
    tokenizer = open_tokenizer(model)
    end = None if tokenizer.chat_template is None else find_turn_end(tokenizer)
    return None if end is None else str(tokenizer.decode([end]))


def write_tasks(line: str, problems: Sequence[Problem], max_new_tokens: int, out: Path, end: str | None = None) -> Path:
    """Writes a folder `line` in `out` and gives it: a task for each leaf, its problems beside it as Parquet, and the group `line` of all.

    An answer stops at `end`, as `name_turn_end` gives it, beside where the model itself says. The tasks name their data by absolute path,
    since the harness reads relative ones from where it is started. The group's accuracy is that of all problems, as `summarise` gives it.
    Raises FactoryError where there are no problems, two leaves would have one name, or the folder
    holds something else or cannot be written.
    """
    folder = (out / line).resolve()
    leaves = {leaf: list(own) for leaf, own in groupby(sorted(problems, key=lambda each: each.leaf), lambda each: each.leaf)}
    tasks = {leaf: name_task(line, leaf) for leaf in leaves}
    bounds = {"max_gen_toks": max_new_tokens, "until": [end] if end else []}
    _check(folder, f"{line}.yaml", tasks)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for leaf, task in tasks.items():
            data = folder / f"{task}.parquet"
            _list_rows(leaves[leaf]).write_parquet(data)
            _write(folder / f"{task}.yaml", _describe_task(task, leaf, leaves[leaf], data, bounds))
        _write(folder / f"{line}.yaml", _describe_group(line, list(tasks.values()), problems, bounds))
    except OSError as error:
        raise FactoryError(f"{folder} cannot be written: {error.strerror or error}. Give a folder that can as --out.") from error
    return folder


def _check(folder: Path, group: str, tasks: dict[str, str]) -> None:
    if not tasks:
        raise FactoryError("There are no evaluation problems to write tasks of: keep some examples from the teacher (seeds.holdout).")
    if twice := [leaf for leaf, task in tasks.items() if list(tasks.values()).count(task) > 1]:
        raise FactoryError(f"Leaves {' and '.join(twice)} would have one task, {tasks[twice[0]]}: rename one of them.")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        known = folder / group
        if not (known.is_file() and known.read_text(encoding="utf-8").startswith(MADE_BY)):
            raise FactoryError(f"{folder} holds something else than tasks that this command wrote: give another folder as --out.")


def _list_rows(problems: Sequence[Problem]) -> pl.DataFrame:
    rows = [asdict(problem) | {PROMPT: user_text(problem.instruction, problem.context)} for problem in problems]
    return pl.DataFrame(rows, schema=dict.fromkeys([*(field.name for field in fields(Problem)), PROMPT], pl.String))


def _describe_task(task: str, leaf: str, problems: Sequence[Problem], data: Path, bounds: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": task,
        "task_alias": leaf,
        "dataset_path": "parquet",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "generate_until",
        "num_fewshot": 0,
        "doc_to_text": PROMPT,
        "doc_to_target": "reference",
        "generation_kwargs": {"do_sample": False, **bounds},
        "process_results": _Function(SCORER),
        "metric_list": [{"metric": METRIC, "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": _name_version(problems, bounds)},
    }


def _describe_group(line: str, tasks: list[str], problems: Sequence[Problem], bounds: dict[str, Any]) -> dict[str, Any]:
    mean = {"metric": METRIC, "aggregation": "mean", "weight_by_size": True}
    return {"group": line, "task": tasks, "aggregate_metric_list": [mean], "metadata": {"version": _name_version(problems, bounds)}}


def _name_version(problems: Sequence[Problem], bounds: dict[str, Any]) -> str:
    """Tells which problems were asked, and how their answers end, in the table of results."""
    return digest([sorted(problem.problem_id for problem in problems), bounds])[:8]


def _write(file: Path, task: dict[str, Any]) -> None:
    file.write_text(MADE_BY + yaml.dump(task, Dumper=_TaskDumper, sort_keys=False, allow_unicode=True), encoding="utf-8")
