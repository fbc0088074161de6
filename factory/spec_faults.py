"""Turns what pydantic finds wrong with a YAML document into faults that name the place and the nearest right key."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from factory.faults import Fault, InputFaults
from factory.yaml_source import YamlSource, examine_yaml

Model = TypeVar("Model", bound=BaseModel)


def read_spec(
    file: Path, what: str, model: type[Model], expected: str, find_faults: Callable[[YamlSource, Model], Iterable[Fault]]
) -> Model:
    """The document in `file` as `model`; `what` is what errors call it, and `expected` the keys that it has.

    Raises InputFaults with every fault: of YAML, of the model, and, where it holds, those of `find_faults`.
    """
    source, faults = examine_yaml(file)
    if source is None:
        raise InputFaults(f"{what} {file}", faults)
    if not isinstance(source.data, dict):
        raise InputFaults(f"{what} {file}", [Fault(source.name, 1, 1, "", f"expected keys and values: {expected}")])
    try:
        read = model.model_validate(source.data)
    except ValidationError as error:
        raise InputFaults(f"{what} {file}", [*faults, *list_faults(source, model, error)]) from None
    if faults := (*faults, *find_faults(source, read)):
        raise InputFaults(f"{what} {file}", faults)
    return read


def list_faults(source: YamlSource, model: type[BaseModel], error: ValidationError, within: Sequence[str | int] = ()) -> list[Fault]:
    """A fault for each error that `model` found in `source.data`, or in what lies there at `within`."""
    return [_explain(source, model, item, within) for item in error.errors(include_url=False, include_context=False)]


def suggest(name: str, known: Collection[str]) -> str:
    """What to write instead of `name`: the nearest of `known`, or all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"


def name_kind(value: Any) -> str:
    """What a YAML value is, in words: `the number 5`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes or no (true, false, yes, no, on and off mean that)"
        case int() | float():
            return f"the number {value}"
        case datetime.date():
            return f"the date {value}"
        case list():
            return "a list"
        case dict():
            return "keys and values"
    return repr(value)


def _explain(source: YamlSource, model: type[BaseModel], error: Any, within: Sequence[str | int]) -> Fault:
    path, given = _find_path(source.data, (*within, *error["loc"])), error["input"]
    match error["type"]:
        case "extra_forbidden":
            return source.fault(path, f"unknown key; {suggest(str(path[-1]), _known_keys(model, error['loc'][:-1]))}", at_key=True)
        case "missing":
            return source.fault(path, "is missing")
        case "string_too_short":
            return source.fault(path, "is empty")
        case "string_type":
            return source.fault(path, "is empty" if given is None else _expect_text(given))
        case "list_type" | "tuple_type":
            return source.fault(path, f"expected a list, found {name_kind(given)}")
        case "dict_type" | "model_type" | "model_attributes_type":
            return source.fault(path, f"expected keys and values, found {name_kind(given)}")
    message = error["msg"].removeprefix("Value error, ")
    return source.fault(path, message if given is None or isinstance(given, (dict, list)) else f"{message} (given: {given!r})")


def _find_path(data: Any, place: Sequence[Any]) -> list[Any]:
    """The path in the document of pydantic's `place`, which also holds the tag of a union's member, by its field `kind`."""
    path: list[Any] = []
    if not place:  # of the whole document
        return path
    for step in place[:-1]:
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int)):
            data = data[step]
        else:
            continue
        path.append(step)
    is_tag = isinstance(data, dict) and place[-1] not in data and data.get("kind") == place[-1]
    return path if is_tag else [*path, place[-1]]


def _expect_text(given: Any) -> str:
    quotes = "" if given is None or isinstance(given, (dict, list)) else "; put it in quotes"
    return f"expected text, found {name_kind(given)}{quotes}"


def _known_keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    annotation: Any = model
    for step in path:
        annotation = _descend(annotation, step)
    return _fields(annotation)


def _descend(annotation: Any, step: str | int) -> Any:
    """The annotation of what lies at `step` inside a value of `annotation`; null where nothing can."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(step))
        return field.annotation if field else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (dict, Mapping):
        return arguments[1]
    if origin in (list, tuple):
        return arguments[0]
    if step in (tagged := {tag: inner for inner in arguments for tag in _tags(inner)}):
        return tagged[str(step)]
    return next((found for inner in arguments if (found := _descend(inner, step)) is not None), None)


def _tags(annotation: Any) -> list[str]:
    """The values by which a model of a discriminated union is told, which its field `kind` holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and "kind" in annotation.model_fields:
        return list(get_args(annotation.model_fields["kind"].annotation))
    return []


def _fields(annotation: Any) -> list[str]:
    """The keys of the model in an annotation such as `ScheduleSpec | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return next((fields for inner in get_args(annotation) if (fields := _fields(inner))), [])
