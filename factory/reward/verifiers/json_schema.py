"""JSON against a schema that the leaf gives (JSON Schema, draft 2020-12 where it names no other)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, Final

import jsonschema
import regex
from jsonschema.validators import extend, validator_for
from pydantic import AfterValidator, Field
from referencing import Registry
from referencing.exceptions import Unresolvable

from factory.reward.verifiers.check import Check, Task, cannot_tell, expect
from factory.reward.verifiers.pattern import SECONDS, compile_pattern
from factory.reward.verifiers.reading import BEYOND_JSON, NO_JSON, read_json
from factory.spec import Spec

LONGEST_NOTE: Final = 300


def _check_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema; ValueError where it is none, or refers to something outside itself."""
    try:
        validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(schema)
    except jsonschema.SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        raise ValueError(f"no JSON Schema{f' at {place}' if place else ''}: {error.message}") from None
    for key, value in _walk(schema):
        if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
            raise ValueError(f"refers to {value!r}; nothing is fetched, so write what it means under $defs and refer to '#/$defs/…'")
        for pattern in [value] if key == "pattern" else value if key == "patternProperties" else ():
            if isinstance(pattern, str):
                compile_pattern(pattern)
    return schema


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield str(key), inner
        yield from _walk(inner)


class Settings(Spec):
    """`schema` of the response."""

    schema_: Annotated[dict[str, Any], AfterValidator(_check_schema)] = Field(alias="schema")


def verify(task: Task, response: str) -> Check:
    """Right: the response is one JSON value (RFC 8259; no name twice in an object, no NaN) and valid by the schema.

    `format` is a remark, as the standard has it, and checks nothing. Cannot tell where a pattern of the schema takes too long.
    """
    assert isinstance(task.settings, Settings)
    value = read_json(response)
    if value is NO_JSON:
        return expect(False, "one JSON value and nothing else")
    if value is BEYOND_JSON:
        return cannot_tell("nested too deep, or a number of too many digits, to be read")
    schema = task.settings.schema_
    kind = extend(validator_for(schema, default=jsonschema.Draft202012Validator), _OWN_KEYWORDS)
    try:
        # An empty registry: by default jsonschema fetches what a $ref names.
        fault = next(kind(schema, registry=Registry()).iter_errors(value), None)
    except TimeoutError:
        return cannot_tell(f"a pattern of the schema was not done after {SECONDS:g} s")
    except (Unresolvable, jsonschema.exceptions._WrappedReferencingError) as error:
        return cannot_tell(f"the schema refers to what it does not hold: {error}")
    except RecursionError:
        return cannot_tell("nested too deep to be checked against the schema")
    except OverflowError:
        return cannot_tell("holds a number beyond what can be reckoned with")
    if fault is None:
        return Check(True)
    place = "/".join(map(str, fault.absolute_path)) or "the whole"
    return Check(False, f"not valid at {place}: {fault.message}"[:LONGEST_NOTE])


def _match(_: Any, pattern: str, value: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(value, str) and not regex.search(pattern, value, timeout=SECONDS):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def _match_names(validator: Any, patterns: dict[str, Any], value: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    for pattern, schema in patterns.items():
        for name, inner in value.items() if isinstance(value, dict) else ():
            if regex.search(pattern, name, timeout=SECONDS):
                yield from validator.descend(inner, schema, path=name, schema_path=pattern)


def _divide(_: Any, step: float, value: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    """By decimals, as they are written: by floats 19.99 is no multiple of 0.01."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError
    if Fraction(str(value)) % Fraction(str(step)):
        yield jsonschema.ValidationError(f"{value!r} is not a multiple of {step!r}")


_OWN_KEYWORDS: Final = {"pattern": _match, "patternProperties": _match_names, "multipleOf": _divide}
