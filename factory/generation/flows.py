"""Flows: prompts as data. One YAML file is an ordered list of steps, each one prompt, one parser and one filter."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from factory.faults import FactoryError, Fault, InputFaults
from factory.yaml_source import YamlSource, read_yaml

FLOWS = Path(__file__).parent / "flows"
GIVEN = ("examples", "context", "language")
"""What every prompt may use: the drawn examples (question, answer, context), the drawn context, the leaf's language."""
RESULTS = ("instruction", "response")
"""The outputs that a flow must give."""

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
_TRIAL: dict[str, Any] = {"examples": [{"question": "q", "answer": "a", "context": "c"}], "context": "c", "language": "en"}
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


class ParseError(Exception):
    """An answer from which a step cannot take its output; the text says what was wrong with it."""


def parse_text(answer: str) -> str:
    """The whole answer, without white space around it."""
    return answer.strip()


PARSERS: dict[str, Callable[[str], str]] = {"text": parse_text}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Part):
    """The filter of a step."""

    max_chars: int | None = Field(default=None, ge=1)
    single_line: bool = False

    def check(self, value: str) -> None:
        """Raises ParseError where `value` is outside the limits."""
        if self.max_chars is not None and len(value) > self.max_chars:
            raise ParseError(f"{len(value)} characters long, at most {self.max_chars} are allowed")
        if self.single_line and len(value.splitlines()) > 1:
            raise ParseError("more than one line")


class Step(_Part):
    """One call of the teacher. `prompt` and `system` are Jinja templates of the user's and the system's message."""

    name: Identifier
    prompt: str = Field(min_length=1)
    system: str | None = None
    output: Identifier | None = Field(None, description="Variable that later steps read; by default the step's name.")
    parser: str = "text"
    limits: Limits = Limits()
    sampling: Literal["instruction", "response"] | None = Field(
        None,
        description="Which sampling of the line's generation section is used; by default `instruction` for the step of that name alone.",
    )

    @field_validator("parser")
    @classmethod
    def _known(cls, parser: str) -> str:
        if parser not in PARSERS:
            raise ValueError(f"no such parser; known: {', '.join(sorted(PARSERS))}")
        return parser

    @property
    def variable(self) -> str:
        """The variable that the step's answer becomes."""
        return self.output or self.name

    @property
    def sampling_section(self) -> Literal["instruction", "response"]:
        """The key of GenerationSpec that holds the step's sampling."""
        return self.sampling or ("instruction" if self.name == "instruction" else "response")

    def parse(self, answer: str) -> str:
        """The step's output. Raises ParseError where the answer is empty, does not parse or is outside the limits."""
        value = PARSERS[self.parser](answer)
        if not value:
            raise ParseError("empty")
        self.limits.check(value)
        return value


class Flow(_Part):
    """How a candidate is written: steps in order, of which the outputs `instruction` and `response` are the candidate."""

    name: Identifier
    description: str = Field(min_length=1)
    source: str = Field(min_length=1, description="The paper or practice that the flow follows.")
    steps: tuple[Step, ...] = Field(min_length=1)

    @property
    def reads_context(self) -> bool:
        """Whether a prompt of the flow uses the drawn context."""
        return any("context" in _names(template) for step in self.steps for template in (step.prompt, step.system or ""))


def load_flow(name_or_path: str) -> Flow:
    """The bundled flow of that name, or the flow in a file.

    Raises InputFaults with every fault of the file, and FactoryError where there is neither such a flow nor such a file.
    """
    if (FLOWS / f"{name_or_path}.yaml").is_file() and "/" not in name_or_path:
        return _load_bundled(name_or_path)
    file = Path(name_or_path)
    if file.is_file():
        return _read_flow(file)
    bundled = sorted(path.stem for path in FLOWS.glob("*.yaml"))
    near = difflib.get_close_matches(name_or_path, bundled, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise FactoryError(f"No flow {name_or_path!r}: give a bundled flow ({', '.join(bundled)}) or the path of a flow's YAML file.{hint}")


def render_prompt(flow: Flow, step_name: str, **variables: Any) -> str:
    """The user's message of one step. Raises FactoryError where the prompt uses what `variables` does not hold."""
    step = next((step for step in flow.steps if step.name == step_name), None)
    if step is None:
        raise FactoryError(f"flow {flow.name!r} has no step {step_name!r}; its steps: {', '.join(step.name for step in flow.steps)}")
    return render(step.prompt, variables, f"flow {flow.name!r}, step {step_name!r}")


def render(template: str, variables: Mapping[str, Any], subject: str) -> str:
    """`template` filled with `variables`; `subject` names it in the FactoryError that a failing template becomes."""
    try:
        return str(_compile(template).render(variables))
    except (TemplateError, TypeError, ValueError) as error:
        raise FactoryError(f"{subject}: the prompt cannot be written: {error}. Mend the template in the flow's file.") from error


@functools.cache
def _compile(template: str) -> Any:
    return _ENVIRONMENT.from_string(template)


@functools.cache
def _names(template: str) -> frozenset[str]:
    return frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(template)))


@functools.cache
def _load_bundled(name: str) -> Flow:
    return _read_flow(FLOWS / f"{name}.yaml")


def _read_flow(file: Path) -> Flow:
    source = read_yaml(file)
    if isinstance(source, Fault):
        raise InputFaults(f"flow {file}", [source])
    if not isinstance(source.data, dict):
        raise InputFaults(f"flow {file}", [Fault(source.name, 1, 1, "", "expected keys and values: name, description, source, steps")])
    try:
        flow = Flow.model_validate(source.data)
    except ValidationError as error:
        raise InputFaults(f"flow {file}", [_explain(source, dict(item)) for item in error.errors()]) from None
    if faults := [*_check_names(source, flow), *_check_templates(source, flow)]:
        raise InputFaults(f"flow {file}", faults)
    return flow


def _explain(source: YamlSource, error: dict[str, Any]) -> Fault:
    path = list(error["loc"])
    if error["type"] == "extra_forbidden":
        model: type[_Part] = Limits if "limits" in path[:-1] else Step if "steps" in path[:-1] else Flow
        known = list(model.model_fields)
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return source.fault(path, f"unknown key; {hint}", at_key=True)
    if error["type"] == "missing":
        return source.fault(path, "is missing")
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    return source.fault(path, message if isinstance(given, (dict, list)) else f"{message} (given: {given!r})")


def _check_names(source: YamlSource, flow: Flow) -> list[Fault]:
    """Faults of names given twice and of results that no step gives."""
    faults = []
    for i, step in enumerate(flow.steps):
        if step.name in {earlier.name for earlier in flow.steps[:i]}:
            faults.append(source.fault(["steps", i, "name"], f"another step is called {step.name!r}"))
        if step.variable in {*GIVEN, *(earlier.variable for earlier in flow.steps[:i])}:
            faults.append(source.fault(["steps", i, "output"], f"{step.variable!r} is already given before this step"))
    outputs = {step.variable for step in flow.steps}
    faults += [source.fault(["steps"], f"no step gives the output {result!r}") for result in RESULTS if result not in outputs]
    return faults


def _check_templates(source: YamlSource, flow: Flow) -> list[Fault]:
    """Faults of templates that do not parse, use what is not given before their step, or fail on made-up values."""
    faults = []
    lines = re.split(r"\r\n|\n|\r", source.text)
    given = dict(_TRIAL)
    for i, step in enumerate(flow.steps):
        for key, template in (("prompt", step.prompt), ("system", step.system)):
            if template is not None and (problem := _try_template(template, given)):
                fault = source.fault(["steps", i, key], problem[1])
                # Only in a literal block does a line of the template stand on a line of its own in the file.
                in_block = lines[fault.line - 1][fault.column - 1 :].startswith("|")
                faults.append(dataclasses.replace(fault, line=fault.line + problem[0], column=1) if in_block and problem[0] else fault)
        given[step.variable] = "x"
    return faults


def _try_template(template: str, given: Mapping[str, Any]) -> tuple[int, str] | None:
    """The line in the template (0 where unknown) and what is wrong with it; None where it renders."""
    try:
        unknown = sorted(_names(template) - given.keys())
        if unknown:
            near = difflib.get_close_matches(unknown[0], list(given), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"given here: {', '.join(given)}"
            line = next(n for n, text in enumerate(template.splitlines(), start=1) if unknown[0] in text)
            return line, f"the prompt uses {unknown[0]!r}, which nothing gives; {hint}"
        _compile(template).render(given)
    except TemplateSyntaxError as error:
        return error.lineno, f"not a template: {error.message}"
    except (TemplateError, TypeError, ValueError) as error:
        return 0, f"the prompt cannot be written: {error}"
    return None
