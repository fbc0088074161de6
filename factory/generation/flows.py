"""Flows: prompts as data. Reads a flow's YAML file and names every fault in it with its line."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory.faults import FactoryError, Fault
from factory.generation.flow_spec import GIVEN, RESULTS, Flow, Step
from factory.generation.templates import render, try_template
from factory.line_flows import FLOWS, list_bundled
from factory.spec_faults import read_spec, suggest
from factory.yaml_source import YamlSource

_TRIAL: dict[str, Any] = dict.fromkeys(GIVEN, "x") | {
    "examples": [{"question": "q", "answer": "a", "context": "c"}],
    "language": "en",
    "turns": 2,
    "turn": 1,
    "conversation": [{"role": "user", "content": "q"}],
}


def load_flow(name_or_path: str) -> Flow:
    """The bundled flow of that name, or the flow in a file.

    Raises InputFaults with every fault of the file, and FactoryError where there is neither such a flow nor such a file.
    """
    if (FLOWS / f"{name_or_path}.yaml").is_file() and "/" not in name_or_path:
        return _load_bundled(name_or_path)
    file = Path(name_or_path)
    if file.is_file():
        return _read_flow(file)
    bundled = list_bundled()
    near = difflib.get_close_matches(name_or_path, bundled, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise FactoryError(f"No flow {name_or_path!r}: give a bundled flow ({', '.join(bundled)}) or the path of a flow's YAML file.{hint}")


def render_prompt(flow: Flow, step_name: str, **variables: Any) -> str:
    """The user's message of one step. Raises FactoryError where the prompt uses what `variables` does not hold."""
    step = next((step for step in flow.steps if step.name == step_name), None)
    if step is None or step.prompt is None:
        asked = [step.name for step in flow.steps if step.prompt is not None]
        raise FactoryError(f"flow {flow.name!r} has no step {step_name!r} with a prompt; its steps: {', '.join(asked)}")
    return render(step.prompt, variables, f"flow {flow.name!r}, step {step_name!r}")


@functools.cache
def _load_bundled(name: str) -> Flow:
    return _read_flow(FLOWS / f"{name}.yaml")


def _read_flow(file: Path) -> Flow:
    return read_spec(file, "flow", Flow, "name, description, source, steps", _find_faults)


def _find_faults(source: YamlSource, flow: Flow) -> tuple[Fault, ...]:
    return (*_check_names(source, flow), *_check_turns(source, flow), *_check_templates(source, flow))


def _check_names(source: YamlSource, flow: Flow) -> Iterator[Fault]:
    """Faults of names given twice, of names that nothing gives, and of results that no step gives."""
    given = {*GIVEN, *flow.draws}
    for name in flow.draws:
        if name in GIVEN:
            yield source.fault(["draws", name], f"{name!r} is given by itself", at_key=True)
    names: set[str] = set()
    for i, step in enumerate(flow.steps):
        if step.name in names:
            yield source.fault(["steps", i, "name"], f"another step is called {step.name!r}")
        names.add(step.name)
        for key in ("when", "unless", "otherwise", "held_against", "shorten"):
            name = getattr(step, key)
            if name is not None and name not in given:
                yield source.fault(["steps", i, key], f"nothing gives {name!r} before this step; {suggest(name, given)}")
        for name in step.variables:
            if name in given and name != "context":
                yield source.fault(["steps", i, "output"], f"{name!r} is already given before this step")
        given |= {*step.variables}
    spoken = {step.appends for step in flow.steps}
    for result, role in zip(RESULTS, ("user", "assistant"), strict=True):
        if not any(result in step.variables for step in flow.steps) and role not in spoken:
            yield source.fault(["steps"], f"no step gives the output {result!r}")


def _check_turns(source: YamlSource, flow: Flow) -> Iterator[Fault]:
    """Faults of steps of each turn that do not stand together, and of a conversation in which the roles do not take turns."""
    marked = [i for i, step in enumerate(flow.steps) if step.each_turn]
    if marked and marked != [*range(marked[0], marked[-1] + 1)]:
        yield source.fault(["steps", marked[-1], "each_turn"], "the steps of each turn do not stand together")
        return
    last = "assistant"
    for planned in flow.plan(2):
        i = flow.steps.index(planned.step)
        if planned.step.answers_conversation and last != "user":
            yield source.fault(["steps", i], "the conversation does not end with a user's message here, so nobody can answer it")
            return
        if planned.step.appends == last:
            yield source.fault(["steps", i, "appends"], f"the last message of the conversation is the {last}'s already")
            return
        last = planned.step.appends or last
    if any(step.appends for step in flow.steps) and last != "assistant":
        yield source.fault(["steps"], "the conversation ends with a user's message, which nobody answers")


def _check_templates(source: YamlSource, flow: Flow) -> Iterator[Fault]:
    """Faults of templates that do not parse, use what is not given before their step, or fail on made-up values."""
    given = _TRIAL | dict.fromkeys(flow.draws, "x")
    for i, step in enumerate(flow.steps):
        own = given | ({"count": step.many} if step.many else {})
        for key in ("prompt", "system", "retry"):
            template = getattr(step, key)
            for line, problem in try_template(template, own) if template is not None else ():
                yield place_in_template(source, ["steps", i, key], line, problem)
        given |= {name: _made_up(step) for name in step.variables}


def _made_up(step: Step) -> Any:
    return 1.0 if step.parser.kind == "score" else "x"


def place_in_template(source: YamlSource, path: list[str | int], line: int, message: str) -> Fault:
    """A fault at a line of a template. Only in a literal block does a line of the template stand on a line of its own in the file."""
    fault = source.fault(path, message)
    text = re.split(r"\r\n|\n|\r", source.text)[fault.line - 1][fault.column - 1 :]
    return dataclasses.replace(fault, line=fault.line + line, column=1) if text.startswith("|") and line else fault
