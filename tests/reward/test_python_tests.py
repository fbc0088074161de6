"""Python functions against tests: what counts as a test, and that no program has the word on its own rightness."""
# ruff: noqa: E501 - programs are read by rows

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from factory.reward.verifiers import Check, verify
from factory.reward.verifiers.python_examples import UnreadableTestError, read_tests

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="code is run on Linux alone")

DOUBLE = """Write a function f that doubles what it is given.

>>> f(2)
4
>>> f('ab')
'abab'

It must pass:
```python
assert f(3) == 6
assert f([1]) == [1, 1], "lists too"
```
- `assert abs(f(0.1) - 0.2) < 1e-9`
"""
GOOD = "def f(x):\n    return x * 2"


def check(response: str, instruction: str = DOUBLE, **set_: Any) -> Check:
    return verify("python_tests", instruction, response, settings=json.dumps({"seconds": 1, **set_}))


def test_the_tests_of_an_instruction_are_found() -> None:
    assert [test.text for test in read_tests(DOUBLE)] == [
        "assert f(3) == 6",
        "assert f([1]) == [1, 1], 'lists too'",
        "assert abs(f(0.1) - 0.2) < 1e-09",
        ">>> f(2)",
        ">>> f('ab')",
    ]


@pytest.mark.parametrize(
    "response", [GOOD, f"Here it is.\n\n```python\n{GOOD}\n```\n\nIt doubles.", f"```\n{GOOD}\n```\nTry it:\n```python\nprint(f(2))\n```"]
)
def test_a_program_that_passes_every_test_is_right(response: str) -> None:
    assert check(response, entry="f") == Check(True)


@pytest.mark.parametrize(
    ("response", "told"),
    [
        ("def f(x):\n    return x", "assert f(3) == 6; it gives 3"),
        ("def f(x):\n    return 2 * x if x != 0.1 else 0.3", "assert abs(f(0.1) - 0.2) < 1e-09"),
        ("def f(x):\n    return 2 * x if isinstance(x, (int, float, list)) else x", ">>> f('ab'); it gives 'ab'"),
        ("def f(x):\n    raise KeyError(x)", "it ends in KeyError: 3"),
        ("def g(x):\n    return x * 2", "it ends in NameError"),
        ("print(1 / 0)", "a program that runs; it ends in ZeroDivisionError"),
        ("You double it.", "a Python program"),
        ("def f(x):\nreturn x", "a Python program"),
        ("", "it ends in NameError"),
        ("def f(x):\n    while True: pass", "it used its 1 s of processor time"),
        ("import os\nos._exit(0)", "ended itself with status 0"),
        ("def f(x):\n    return f(x)", "RecursionError"),
        ("def f(x):\n    while True: print(x)", "printed or returned more"),
        ("def f(x):\n    return [0] * 10**10", "MemoryError"),
        ("def f(x):\n    return lambda: x", "assert f(3) == 6"),
        ("def f(x):\n    return 10 ** 5000", "it gives a number of more digits"),
    ],
)
def test_a_program_that_fails_is_wrong_and_is_told_why(response: str, told: str) -> None:
    said = check(response)
    assert said.right is False and told in said.note


@pytest.mark.parametrize(
    "text",
    [
        "(" * 99_999,
        "-" * 99_999 + "1",
        "a." * 99_999 + "b",
        "1+" * 99_999 + "1",
        "x = " + "9" * 99_999,
        "f" + "(f" * 3000,
        "\x00",
        "\ud800",
        "```python\n" * 9999,
        "```\n" * 9999,
        "[" * 99_999,
        "> " * 9999,
        "assert " * 9999,
    ],
)
def test_hostile_text_as_response_or_instruction_never_raises(text: str) -> None:
    assert check(text).right is not True
    assert check(GOOD, text).right is None
    assert check(GOOD, f"assert f(2) == {text}").right is not True


def test_the_function_asked_for_must_be_there() -> None:
    assert check(GOOD, entry="double") == Check(False, "expected a function double")


CHEATS = {
    "equal to all": "class Any(int):\n    def __eq__(self, other): return True\n    def __lt__(self, other): return True\n    __hash__ = int.__hash__\ndef f(x): return Any(1)",
    "number that gives what is liked": "class Any(float):\n    def __sub__(self, other): return 0.0\n    def __abs__(self): return 0.0\ndef f(x): return 2 * x if type(x) is not float else Any(7)",
    "tampers with builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.AssertionError = None\ndef f(x): return 2 * x if type(x) is not float else 7.0",
    "reads the tests": "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n        for value in frame.f_locals.values():\n            if isinstance(value, (list, tuple)) and 6 in value: return 6\n        frame = frame.f_back\n    return 0",
    "writes its own report": "import os\nfor pipe in range(3, 20):\n    try: os.write(pipe, b'{\"value\": true}\\n' * 20)\n    except OSError: pass\nos._exit(0)",
    "passes by exit": "import sys\ndef f(x): sys.exit(0)",
}  # fmt: skip


@pytest.mark.parametrize("name", CHEATS)
def test_a_program_that_cheats_is_not_right(name: str) -> None:
    assert check(CHEATS[name]).right is not True


@pytest.mark.parametrize(
    ("response", "told"),
    [
        ("import numpy\n" + GOOD, "needs the module numpy"),
        ("def f(x):\n    return open('/etc/hostname').read()", "what the sandbox refuses"),
        ("import threading\ndef f(x):\n    threading.Thread(target=print).start()\n    return 2 * x", "what the sandbox refuses"),
        ("import time\ndef f(x):\n    time.sleep(100)", "had not used its processor time"),
        (f"```python\n{GOOD}\n```\nor\n```python\ndef f(x):\n    return x + x\n```", "2 of its code blocks"),
    ],
)
def test_what_cannot_be_judged_here_is_no_wrong_answer(response: str, told: str) -> None:
    said = check(response)
    assert said.right is None and told in said.note


@pytest.mark.parametrize(
    "instruction",
    [
        "Write a function that doubles a number, such as f(2) -> 4.",
        "assert f(2) ==",
        "assert f(2) == expected",
        "assert all(f(x) == 2 * x for x in range(3))",
        "assert 1 + 1 == 2",
        ">>>f(2)\n4",
        "Write f.\n>>> f(2)\n<object object at 0x7f>\n>>> object()\n<object>",
    ],
)
def test_an_instruction_without_clear_tests_decides_nothing(instruction: str) -> None:
    said = check(GOOD, instruction)
    assert said.right is None or (said.right is False and "0x7f" in instruction)


@pytest.mark.parametrize(
    ("test", "right"),
    [
        ("assert f(2) == 2 ** 2", True),
        ("assert f(2) != 5 and f(2) >= 4 and not f(0)", True),
        ("assert f(2) in (4, 5) and 3 not in f([1])", True),
        ("assert len(f('ab')) == 4 and sorted(f([2, 1])) == [1, 1, 2, 2]", True),
        ("assert math.isclose(f(0.1), 0.2, abs_tol=1e-9)", True),
        ("assert f((1,)) == (1, 1) and f(2) is not None", True),
        ("assert f(2) == (\n    4\n)", True),
        ("assert f(2) == {'a': 1}", False),
        ("assert f(2) < 'a'", False),
        ("assert f(2) == 4.5 or f(2) == 5", False),
        (">>> x = f(2)\n>>> x + 1\n5", True),
        (">>> print(f('a'), f(1))\naa 2", True),
        (">>> {'b': f(1), 'a': 1}\n{'a': 1, 'b': 2}", True),
        (">>> f(None)\nTraceback (most recent call last):\nTypeError: unsupported operand", True),
        (">>> f(2)\nTraceback (most recent call last):\nTypeError: no", False),
        (">>> f(2)\n4.0", False),
        (">>> f(2.0)\n4", False),
        ("    >>> f(2)\n    4\n", True),
    ],
)
def test_forms_of_tests(test: str, right: bool) -> None:
    assert check(GOOD, test).right is right
    assert check(GOOD, "Write f.", tests=[test]).right is right


@pytest.mark.parametrize(
    ("body", "test", "right"),
    [
        ("return range(n)", "assert list(f(3)) == [0, 1, 2] and f(3) == range(3) and len(f(3)) == 3", True),
        ("return range(n)", "assert f(3) == [0, 1, 2]", False),
        ("yield from 'abc'", "assert list(f(3)) == ['a', 'b', 'c'] and sorted(f(3)) == ['a', 'b', 'c']", True),
        ("return map(abs, [-n, n])", "assert sum(f(3)) == 6 and set(f(3)) == {3}", True),
        ("return {n: 1}.keys()", "assert list(f(3)) == [3]", True),
        ("yield n", "assert list(f(3)) == [4]", False),
        ("yield n", "assert f(3) == [3]", False),
        ("yield n", "assert len(f(3)) == 1", None),
        ("while True: yield n", "assert list(f(3)) == [3]", None),
    ],
)
def test_what_gives_its_items_in_turn_is_read(body: str, test: str, right: bool | None) -> None:
    assert check(f"def f(n):\n    {body}", test).right is right


@pytest.mark.parametrize("code", ["os._exit(1)", '[os.write(pipe, b\'{"refused": "x"}\\n\') for pipe in range(3, 64)]'])
def test_no_program_passes_for_a_machine_that_isolates_nothing(code: str) -> None:
    said = check(f"import os\ntry:\n    {code}\nexcept OSError:\n    os._exit(1)")
    assert said.right is False and "nothing was run" not in said.note


def test_the_leafs_tests_come_beside_those_of_the_instruction() -> None:
    assert check("def f(x):\n    return x * 2 if x != 9 else 0", tests=["assert f(9) == 18"]) == Check(
        False, "expected assert f(9) == 18; it gives 0"
    )


def test_a_garbled_test_is_named() -> None:
    with pytest.raises(UnreadableTestError, match="assert f"):
        read_tests("assert f(2 == 4")
