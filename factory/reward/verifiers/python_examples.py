"""Reads the tests that an instruction holds: `assert f(2) == 4` lines and `>>> f(2)` examples; and decides them from a program's values.

What a test expects stays out of the sandbox: only the calls go in, their values come out as plain data and are compared here. So a
program that tampers with `assert`, `==` or its own test gains nothing.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import math
import operator
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from factory.reward.sandbox import Other, Step

_MARKS: Final = re.compile(r"^(?:[-*>]|[0-9]+[.)])?\s*`*(?=assert\b)|`*$")
_FENCE: Final = re.compile(r"^[^\S\n]*```.*$", re.MULTILINE)
MOST_LINES: Final = 20
"""Lines of one assert statement."""

_COMPARE: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda one, other: one in other, ast.NotIn: lambda one, other: one not in other,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_COUNT: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_SAFE: Final[dict[str, Callable[..., Any]]] = {
    kind.__name__: kind for kind in (abs, round, len, sorted, sum, min, max, set, list, tuple, frozenset, bool, str, all, any)
}
"""What a test may wrap around a call and is reckoned here, where nobody has tampered with it."""
_TAKES_ITEMS: Final = tuple(_SAFE[name] for name in "sorted sum min max set list tuple frozenset all any".split())

_NEVER_EQUAL: Final = frozenset("function method builtin_function_or_method type module generator coroutine map filter zip".split())
"""Kinds of values that equal no plain data."""
_MATH: Final = {name: getattr(math, name) for name in ("isclose", "isnan", "isinf", "sqrt", "floor", "ceil")}


class UnreadableTestError(Exception):
    """A test that cannot be decided; the text says why."""


@dataclass(frozen=True)
class Test:
    """`steps` are what the program is to run; `decide` says of what came of them whether they are as they should be."""

    text: str
    steps: tuple[str, ...]
    decide: Callable[[Sequence[Step]], bool]


def read_tests(text: str) -> list[Test]:
    """The tests in a text, asserts and examples in turn. Raises UnreadableTestError where one is garbled."""
    asserts = [_read_assert(statement) for statement in _find_asserts(text)]
    try:
        examples = doctest.DocTestParser().get_examples(_FENCE.sub("", text))
    except ValueError as error:
        raise UnreadableTestError(f"an example of the instruction is garbled: {error}") from None
    return [*asserts, *map(_read_example, examples)]


def _find_asserts(text: str) -> Iterator[ast.Assert]:
    lines = [_MARKS.sub("", line.strip()) for line in text.splitlines()]
    for number, line in enumerate(lines):
        if not re.match(r"assert\b", line):
            continue
        for end in range(number + 1, min(number + MOST_LINES, len(lines)) + 1):
            statement = _parse("\n".join(lines[number:end]))
            if isinstance(statement, ast.Assert):
                yield statement
                break
        else:
            raise UnreadableTestError(f"not Python: {line[:80]!r}")


def _parse(source: str) -> ast.stmt | None:
    try:
        body = ast.parse(source.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return body[0] if len(body) == 1 else None


def _read_assert(statement: ast.Assert) -> Test:
    calls: list[str] = []
    condition = _take_calls(statement.test, calls)
    if not calls:
        raise UnreadableTestError(f"it calls nothing: {ast.unparse(statement)[:80]}")

    def decide(steps: Sequence[Step]) -> bool:
        return not any(step.errors for step in steps) and bool(_reckon(condition, [step.value for step in steps]))

    return Test(ast.unparse(statement), tuple(calls), decide)


def _take_calls(node: ast.expr, calls: list[str]) -> ast.expr:
    """The expression with every part that only the program can give replaced by a place in `calls`, whose value is looked up later."""
    match node:
        case ast.Constant():
            return node
        case ast.Compare():
            return ast.Compare(_take_calls(node.left, calls), node.ops, [_take_calls(part, calls) for part in node.comparators])
        case ast.BoolOp():
            return ast.BoolOp(node.op, [_take_calls(part, calls) for part in node.values])
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd()):
            return ast.UnaryOp(node.op, _take_calls(node.operand, calls))
        case ast.BinOp() if type(node.op) in _COUNT:
            return ast.BinOp(_take_calls(node.left, calls), node.op, _take_calls(node.right, calls))
        case ast.List() | ast.Tuple() | ast.Set() if not any(isinstance(item, ast.Starred) for item in node.elts):
            return type(node)([_take_calls(item, calls) for item in node.elts])
        case ast.Dict() if None not in node.keys:
            return ast.Dict([key and _take_calls(key, calls) for key in node.keys], [_take_calls(value, calls) for value in node.values])
        case ast.Call() if _name_safe(node.func) and not any(isinstance(part, ast.Starred) for part in node.args):
            keywords = [ast.keyword(part.arg, _take_calls(part.value, calls)) for part in node.keywords if part.arg]
            return ast.Call(node.func, [_take_calls(part, calls) for part in node.args], keywords)
    _refuse_hidden(node)
    calls.append(ast.unparse(node))
    return ast.Name(str(len(calls) - 1))


def _name_safe(function: ast.expr) -> Callable[..., Any] | None:
    match function:
        case ast.Name(id=name):
            return _SAFE.get(name)
        case ast.Attribute(value=ast.Name(id="math"), attr=name):
            return _MATH.get(name)
    return None


def _refuse_hidden(node: ast.expr) -> None:
    """Raises where the program would have the word on the comparison, or where a name means nothing."""
    inside = [*ast.walk(node)]
    if any(isinstance(part, (ast.Compare, ast.BoolOp)) for part in inside):
        raise UnreadableTestError(f"it compares inside of something else: {ast.unparse(node)[:80]}")
    called = {id(part.func) for part in inside if isinstance(part, ast.Call)}
    bound = {part.id for part in inside if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    bound |= {part.arg for part in inside if isinstance(part, ast.arg)} | {*dir(builtins), *sys.stdlib_module_names}
    for part in inside:
        if isinstance(part, ast.Name) and id(part) not in called and part.id not in bound:
            raise UnreadableTestError(f"it needs {part.id!r}, which it does not say: {ast.unparse(node)[:80]}")


def _reckon(node: ast.expr, values: Sequence[Any]) -> Any:
    """The value of what `_take_calls` gave. Raises UnreadableTestError where it needs a value that is no plain data."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            value = values[int(node.id)]
            if isinstance(value, Other) and value.kind not in _NEVER_EQUAL:
                raise UnreadableTestError(f"a value is no plain data but {value.kind}")
            return object() if isinstance(value, Other) else value
        case ast.Compare():
            parts = [_reckon(part, values) for part in (node.left, *node.comparators)]
            return all(_COMPARE[type(sign)](*parts[place : place + 2]) for place, sign in enumerate(node.ops))
        case ast.BoolOp():
            held = [bool(_reckon(part, values)) for part in node.values]
            return all(held) if isinstance(node.op, ast.And) else any(held)
        case ast.UnaryOp():
            value = _reckon(node.operand, values)
            return not value if isinstance(node.op, ast.Not) else -value if isinstance(node.op, ast.USub) else +value
        case ast.BinOp():
            pair = [_reckon(part, values) for part in (node.left, node.right)]
            if not all(isinstance(part, (int, float)) for part in pair):
                raise TypeError("only numbers are reckoned with")
            return _COUNT[type(node.op)](*pair)
        case ast.List() | ast.Tuple() | ast.Set():
            items = [_reckon(item, values) for item in node.elts]
            return items if isinstance(node, ast.List) else tuple(items) if isinstance(node, ast.Tuple) else set(items)
        case ast.Dict():
            return {_reckon(key, values): _reckon(value, values) for key, value in zip(node.keys, node.values, strict=True) if key}
        case ast.Call() if (function := _name_safe(node.func)) is not None:
            options = {str(part.arg): _reckon(part.value, values) for part in node.keywords}
            return function(*(_reckon_argument(part, values, function) for part in node.args), **options)
    raise UnreadableTestError(f"not reckoned here: {ast.unparse(node)[:80]}")


def _reckon_argument(node: ast.expr, values: Sequence[Any], function: Callable[..., Any]) -> Any:
    """The value of an argument; of an iterator its items. Raises UnreadableTestError where `function` is not known to take it."""
    held = values[int(node.id)] if isinstance(node, ast.Name) else None
    if not isinstance(held, Other):
        return _reckon(node, values)
    if held.items is None or function not in _TAKES_ITEMS:
        raise UnreadableTestError(f"a value is no plain data but {held.kind}")
    return held.items


def _read_example(example: doctest.Example) -> Test:
    statement = _parse(example.source)
    if isinstance(statement, ast.Assert):
        return _read_assert(statement)

    def decide(steps: Sequence[Step]) -> bool:
        (step,) = steps
        if example.exc_msg is not None:
            kind = example.exc_msg.split(":")[0].strip().rpartition(".")[2]
            return step.errors[:1] == (kind,)
        if step.errors:
            return False
        if isinstance(step.value, Other) and not example.want:
            return True
        if isinstance(step.value, Other):
            raise UnreadableTestError(f"a value is no plain data but {step.value.kind}")
        shown = step.printed + ("" if step.value is None else f"{step.value!r}\n")
        return doctest.OutputChecker().check_output(example.want, shown, _options(example)) or _same_literal(example.want, step)

    return Test(f">>> {example.source.strip()}", (example.source,), decide)


def _options(example: doctest.Example) -> int:
    return sum(flag for flag, on in example.options.items() if on)


def _same_literal(want: str, step: Step) -> bool:
    """Whether the example shows the value in another order of a set or dict, or in other quotes."""
    try:
        wanted = ast.literal_eval(want.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return False
    return not step.printed and type(wanted) is type(step.value) and _alike(wanted, step.value)


def _alike(one: Any, other: Any) -> bool:
    """Equal in value and in type throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(value, other[key]) for key, value in one.items())
    return bool(one == other)
