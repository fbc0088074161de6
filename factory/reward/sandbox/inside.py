"""Runs inside the sandbox: reads a program and its steps, shuts itself in, runs them, and writes what came of each as a line of JSON.

Started as `python -I -S -B inside.py <reply descriptor> <parent's id> <seconds> <bytes> <bytes of output>`, the work on standard input.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = __file__.rpartition("/")[0]
DEEPEST = 50
"""Deepest nesting of a value that is told."""
MOST_ITEMS = 100_000
"""Items of an iterator that are told; one may have no end."""
ONE_BY_ONE: tuple[type, ...] = (
    type(item for item in ""),
    map,
    filter,
    zip,
    enumerate,
    reversed,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
"""What gives its items in turn and is no plain data itself."""


class Paper:
    """Standard output and error of the program, up to `room` characters; more ends the process."""

    encoding = "utf-8"

    def __init__(self, room: int, reply: int) -> None:
        self._room, self._reply = room, reply
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        """Keeps it; returns its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._room -= len(text)
        if self._room < 0:
            os.write(self._reply, b'{"stopped": "output"}\n')
            os._exit(0)
        self._parts.append(text)
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        """It is none."""
        return False

    def take(self) -> str:
        """What was written since the last call."""
        text, self._parts = "".join(self._parts), []
        return text


def main() -> None:
    """One process, one program."""
    reply, parent, seconds, memory, room = map(int, sys.argv[1:])
    program, steps = marshal.loads(sys.stdin.buffer.read())
    sys.path.insert(0, FOLDER)
    from _json import encode_basestring_ascii as quote

    import isolate

    sys.path.remove(FOLDER)
    try:
        isolate.shut_in(parent, seconds, memory)
    except (isolate.NoIsolationError, OSError, ValueError) as error:
        os.write(reply, f'{{"refused": {quote(str(error))}}}\n'.encode())
        return
    send(reply, b'{"isolated": true}\n')
    os.environ.clear()
    sys.argv = [""]
    paper = Paper(room, reply)
    sys.stdout = sys.stderr = paper  # type: ignore[assignment]
    names: dict[str, object] = {"__name__": "solution", "__builtins__": __builtins__}
    for source in (program, *steps):
        said = run(source, names, quote)
        text = f'{{{said}, "printed": {quote(paper.take())}}}\n'
        if len(text) > room:
            text = '{"stopped": "output"}\n'
        send(reply, text.encode())


def send(reply: int, text: bytes) -> None:
    """All of `text`; a pipe may take a part at a time."""
    while text:
        text = text[os.write(reply, text) :]


def run(source: str, names: dict[str, object], quote: Callable[[str], str]) -> str:
    """What came of one step, as the inside of a JSON object: its value where it is an expression, or the error it raised."""
    try:
        try:
            code = compile(source, "<program>", "eval")
        except SyntaxError:
            exec(compile(source, "<program>", "exec"), names)
            return '"value": null'
        return f'"value": {write(eval(code, names), quote, 0)}'
    except BaseException as error:
        kind = type(error)
        told = [kind.__name__, *(base.__name__ for base in kind.__mro__[1:-1])]
        missing = error.name if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str) else None
        try:
            message = str(error)[:500]
        except BaseException:
            message = ""
        lacks = f', "missing": {quote(missing)}' if missing else ""
        return f'"error": [{", ".join(map(quote, told))}], "message": {quote(message)}{lacks}'


def write(value: object, quote: Callable[[str], str], depth: int) -> str:
    """Plain data as JSON that keeps its types apart; anything else by the name of its type."""
    if depth > DEEPEST:
        return '{"other": "a value nested too deep"}'
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return f'{{"int": "{int.__index__(value):x}"}}'
        case float():
            return f'{{"float": "{float.hex(value)}"}}'
        case str():
            return quote(str.__str__(value))
        case bytes():
            return f'{{"bytes": "{bytes.hex(value)}"}}'
        case list():
            return f"[{', '.join([write(item, quote, depth + 1) for item in list.__iter__(value)])}]"
        case tuple() | set() | frozenset():
            kind: type = next(kind for kind in (tuple, set, frozenset) if isinstance(value, kind))
            items: list[object] = [*kind.__iter__(value)]  # type: ignore[attr-defined]
            return f'{{"{kind.__name__}": [{", ".join([write(item, quote, depth + 1) for item in items])}]}}'
        case dict():
            pairs = [f"[{write(key, quote, depth + 1)}, {write(item, quote, depth + 1)}]" for key, item in dict.items(value)]
            return f'{{"dict": [{", ".join(pairs)}]}}'
        case range():
            return f'{{"range": [{", ".join([write(bound, quote, depth) for bound in (value.start, value.stop, value.step)])}]}}'
        case _ if isinstance(value, ONE_BY_ONE):
            parts: list[str] = []
            for item in value:  # type: ignore[attr-defined]
                if len(parts) == MOST_ITEMS:
                    return '{"other": "an iterator of too many items"}'
                parts.append(write(item, quote, depth + 1))
            return f'{{"other": {quote(type(value).__name__)}, "items": [{", ".join(parts)}]}}'
    return f'{{"other": {quote(type(value).__name__)}}}'


main()
