"""Prompts as Jinja templates: sandboxed, strict about what they use, compiled once."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from factory.faults import FactoryError

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


def render(template: str, variables: Mapping[str, Any], subject: str) -> str:
    """`template` filled with `variables`; `subject` names it in the FactoryError that a failing template becomes."""
    try:
        return str(_compile(template).render(variables))
    except (TemplateError, TypeError, ValueError) as error:
        raise FactoryError(f"{subject}: the prompt cannot be written: {error}. Mend the template in the flow's file.") from error


@functools.cache
def find_names(template: str) -> frozenset[str]:
    """The variables that a template uses. Raises jinja2.TemplateSyntaxError where it is no template."""
    return frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(template)))


@functools.cache
def find_attributes(template: str) -> frozenset[str]:
    """The attributes that a template shows, as `b` of {{ a.b }}, but for those that it first asks for in a condition."""
    tree = _ENVIRONMENT.parse(template)
    conditions = [*(branch.test for branch in tree.find_all(nodes.If)), *(choice.test for choice in tree.find_all(nodes.CondExpr))]
    asked = {part.attr for test in conditions for part in (test, *test.find_all(nodes.Getattr)) if isinstance(part, nodes.Getattr)}
    return frozenset(part.attr for part in tree.find_all(nodes.Getattr)) - asked


def try_template(template: str, given: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Each line in the template (0 where unknown) with what is wrong there; none where it renders with the made-up values `given`."""
    try:
        unknown = sorted(find_names(template) - given.keys())
        if unknown:
            used = [*_ENVIRONMENT.parse(template).find_all(nodes.Name)]
            lines = {name: min(node.lineno for node in used if node.name == name) for name in unknown}
            return [(lines[name], f"the prompt uses {name!r}, which nothing gives; {_hint(name, given)}") for name in unknown]
        _compile(template).render(given)
    except TemplateSyntaxError as error:
        return [(error.lineno, f"not a template: {error.message}")]
    except (TemplateError, TypeError, ValueError) as error:
        return [(0, f"the prompt cannot be written: {error}")]
    return []


def _hint(name: str, given: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(given), n=1)
    return f"did you mean {near[0]!r}?" if near else f"given here: {', '.join(given)}"


@functools.cache
def _compile(template: str) -> Any:
    return _ENVIRONMENT.from_string(template)
