"""Constraints on a response that a program can verify, as data: name, arguments, and how they are said in each language."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.faults import FactoryError, Fault
from factory.generation.templates import render
from factory.records import digest, write_canonical
from factory.yaml_source import read_yaml

FILE = Path(__file__).parent / "constraints.yaml"


@dataclass(frozen=True)
class Constraint:
    """One constraint as it is asked for. `text` says it in the leaf's language."""

    name: str
    arguments: dict[str, Any]
    text: str

    @property
    def canonical(self) -> str:
        """Name and arguments as canonical JSON: what a verifier needs."""
        return write_canonical({"name": self.name, "arguments": self.arguments})


def draw_constraint(place: list[Any], language: str) -> Constraint:
    """The constraint that follows from `place` alone, among those that can be said in `language` (BCP 47).

    Raises FactoryError where none can.
    """
    base = language.split("-")[0].lower()
    spoken = {name: constraint for name, constraint in read_constraints().items() if base in constraint["texts"]}
    if not spoken:
        known = sorted({key for constraint in read_constraints().values() for key in constraint["texts"]})
        raise FactoryError(
            f"no verifiable constraint is written in the language {language!r}; there are texts in {', '.join(known)}. "
            f"Add one in {FILE.name}, or give the leaf a flow without constraints in generation.flows."
        )
    name = _draw([*place, "name"], sorted(spoken))
    constraint = spoken[name]
    choices = {key: values[base] if isinstance(values, dict) else values for key, values in constraint["arguments"].items()}
    arguments = {key: _draw([*place, name, key], values) for key, values in sorted(choices.items())}
    return Constraint(name, arguments, render(constraint["texts"][base], arguments, f"constraint {name!r}"))


@functools.cache
def read_constraints() -> dict[str, dict[str, Any]]:
    """Every known constraint by name: the `arguments` that are drawn from, and its `texts` by language."""
    source = read_yaml(FILE)
    if isinstance(source, Fault):
        raise FactoryError(str(source))
    return dict(source.data)


def _draw(place: list[Any], values: list[Any]) -> Any:
    """One of `values`: the one of least hash with `place`."""
    return min(values, key=lambda value: digest([*place, value]))
