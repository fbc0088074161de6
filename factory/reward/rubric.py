"""Rubrics as files: reads a rubric's YAML and names every fault in it with its line."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory.faults import FactoryError, Fault
from factory.generation.flows import place_in_template
from factory.generation.templates import try_template
from factory.line_flows import RUBRICS, list_bundled
from factory.reward.rubric_spec import Rubric
from factory.spec_faults import read_spec, suggest
from factory.yaml_source import YamlSource


def load_rubric(name_or_path: str) -> Rubric:
    """The bundled rubric of that name, or the rubric in a file.

    Raises InputFaults with every fault of the file, and FactoryError where there is neither such a rubric nor such a file.
    """
    bundled = list_bundled(RUBRICS)
    if name_or_path in bundled:
        return _load_bundled(name_or_path)
    file = Path(name_or_path)
    if file.is_file():
        return _read_rubric(file)
    raise FactoryError(
        f"No rubric {name_or_path!r}: give a bundled one ({', '.join(bundled)}) or the path of a rubric's YAML file; "
        f"{suggest(name_or_path, bundled)}"
    )


@functools.cache
def _load_bundled(name: str) -> Rubric:
    return _read_rubric(RUBRICS / f"{name}.yaml")


def _read_rubric(file: Path) -> Rubric:
    return read_spec(file, "rubric", Rubric, "name, description, source, steps", _find_faults)


def _find_faults(source: YamlSource, rubric: Rubric) -> tuple[Fault, ...]:
    return (*_check_score(source, rubric), *_check_names(source, rubric), *_check_templates(source, rubric))


def _check_score(source: YamlSource, rubric: Rubric) -> Iterator[Fault]:
    """Faults of a score that nothing gives, or that nobody can tell a good one of."""
    if rubric.compares and rubric.good_from is not None:
        yield source.fault(["good_from"], "a rubric that compares calls nothing good: give good_from, or compares: true, and not both")
    if not rubric.compares and rubric.good_from is None:
        yield source.fault([], "good_from is missing: the least score of a good response; or compares: true, for a rubric of two responses")
    numbers = {name for step in rubric.steps for name in step.numbers}
    for name in rubric.weights:
        if name not in numbers:
            told = f"no step gives a number {name!r} (of a JSON schema it must be required, an integer or number); {suggest(name, numbers)}"
            yield source.fault(["weights", name], told, at_key=True)
    if not rubric.weights and len(rubric.steps[-1].numbers) != 1:
        problem = "the last step gives no score: use the parser 'score', or a JSON schema and weights"
        yield source.fault(["steps", len(rubric.steps) - 1, "name"], problem)


def _check_names(source: YamlSource, rubric: Rubric) -> Iterator[Fault]:
    """Faults of names given twice, and of names that nothing gives."""
    given = {*rubric.given}
    names: set[str] = set()
    for i, step in enumerate(rubric.steps):
        if step.name in names:
            yield source.fault(["steps", i, "name"], f"another step is called {step.name!r}")
        names.add(step.name)
        if step.shorten is not None and step.shorten not in given:
            yield source.fault(["steps", i, "shorten"], f"nothing gives {step.shorten!r} before this step; {suggest(step.shorten, given)}")
        for name in step.variables:
            if name in given:
                yield source.fault(["steps", i, "name"], f"{name!r} is already given before this step")
        given |= {*step.variables}


def _check_templates(source: YamlSource, rubric: Rubric) -> Iterator[Fault]:
    """Faults of templates that do not parse, use what is not given before their step, or fail on made-up values."""
    given: dict[str, Any] = dict.fromkeys(rubric.given, "x") | {"conversation": [{"role": "user", "content": "x"}], "references": ["x"]}
    for i, step in enumerate(rubric.steps):
        for key in ("prompt", "system", "retry"):
            template = getattr(step, key)
            for line, problem in try_template(template, given) if template is not None else ():
                yield place_in_template(source, ["steps", i, key], line, problem)
        given |= {name: 1.0 if name in step.numbers else "x" for name in step.variables}
