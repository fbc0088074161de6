"""Python functions against tests, run in the sandbox: those that the instruction holds, and those that the leaf gives."""

from __future__ import annotations

import ast
import sys
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from factory.reward.sandbox import Limits, Other, Ran, SandboxUnavailableError, Step, run_python
from factory.reward.verifiers.check import Check, Task, cannot_tell, expect
from factory.reward.verifiers.python_examples import Test, UnreadableTestError, read_tests
from factory.seeds_spec import Text
from factory.spec import Spec

_PYTHON: Final = ("", "python", "py", "python3")
_REFUSED: Final = ("PermissionError", "BlockingIOError")
_NO_FOLDER: Final = "No usable temporary directory"
_NO_THREAD: Final = "can't start new thread"


def _check_name(name: str) -> str:
    if not name.isidentifier():
        raise ValueError("expected the name of a function")
    return name


def _check_test(text: str) -> str:
    try:
        tests = read_tests(text)
    except UnreadableTestError as error:
        raise ValueError(str(error)) from None
    if not tests:
        raise ValueError("holds no test: write 'assert f(2) == 4', or '>>> f(2)' and under it what it gives")
    return text


class Settings(Spec):
    """`entry`: the function that a response must define. `tests`: such as `assert f(2) == 4`, run after those of the instruction.

    `seconds` of processor time and `memory_mb` are what one response may use, with Python's own.
    """

    entry: Annotated[Text, AfterValidator(_check_name)] | None = None
    tests: tuple[Annotated[Text, AfterValidator(_check_test)], ...] = ()
    seconds: Annotated[int, Field(ge=1, le=60)] = Limits.cpu_seconds
    memory_mb: Annotated[int, Field(ge=64, le=8192)] = Limits.memory_mb


def verify(task: Task, response: str) -> Check:
    """Right: the program of the response (its one code block, or the whole) passes every test. It sees Python's standard library alone.

    Wrong: no Python, no `entry`, a test fails, or it uses more processor time, memory or output than it may. Cannot tell: no tests; several
    programs; it needs a module, file, network, process or thread that the sandbox refuses; it waits; the machine cannot isolate it.
    """
    assert isinstance(task.settings, Settings)
    settings = task.settings
    try:
        tests = [*read_tests(task.instruction), *(test for text in settings.tests for test in read_tests(text))]
    except UnreadableTestError as error:
        return cannot_tell(str(error))
    if not tests:
        return cannot_tell("neither the instruction nor the leaf has a test ('assert f(2) == 4', or '>>> f(2)' and what it gives)")
    program = _find_program(response)
    if isinstance(program, Check):
        return program
    if settings.entry is not None and settings.entry not in _list_names(program):
        return expect(False, f"a function {settings.entry}")
    steps = [step for test in tests for step in test.steps]
    limits = Limits(cpu_seconds=settings.seconds, seconds=3.0 * settings.seconds, memory_mb=settings.memory_mb)
    try:
        ran = run_python(program, steps, limits)
    except SandboxUnavailableError as error:
        return cannot_tell(f"nothing was run: {error}")
    return _judge(ran, tests)


def _find_program(response: str) -> str | Check:
    blocks = _list_blocks(response)
    if len(blocks) > 1:
        blocks = [block for block in blocks if _list_names(block)]
        if len(blocks) != 1:
            return cannot_tell(f"{len(blocks)} of its code blocks define something; it is open which is the answer")
    program = blocks[0] if blocks else response
    try:
        compile(program, "<response>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError) as error:
        return expect(False, f"a Python program: {error}")
    except (RecursionError, MemoryError):
        return cannot_tell("the program is nested too deep to be read")
    return program


def _list_blocks(response: str) -> list[str]:
    """The fenced code blocks of Markdown (CommonMark 0.31, section 4.5) that are Python or do not say what they are."""
    from markdown_it import MarkdownIt

    fences = [token for token in MarkdownIt("commonmark").disable("inline").parse(response) if token.type == "fence"]
    return [fence.content for fence in fences if "".join(fence.info.split()[:1]).lower() in _PYTHON]


def _list_names(program: str) -> set[str]:
    """What a program defines at its top."""
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return set()
    named = {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    return named | {target.id for node in body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)}


def _judge(ran: Ran, tests: list[Test]) -> Check:
    for step in ran.steps:
        if step.missing and step.missing.split(".")[0] not in sys.stdlib_module_names:
            return cannot_tell(f"it needs the module {step.missing}, and the sandbox holds Python's standard library alone")
        if step.errors[:1] and (step.errors[0] in _REFUSED or step.message == _NO_THREAD or _NO_FOLDER in step.message):
            return cannot_tell(f"it wants what the sandbox refuses (files, network, processes, threads): {_say(step)}")
    if ran.steps and ran.steps[0].errors:
        return expect(False, f"a program that runs; it ends in {_say(ran.steps[0])}")
    come = list(ran.steps[1:])
    for test in tests:
        mine, come = come[: len(test.steps)], come[len(test.steps) :]
        if len(mine) < len(test.steps):
            break
        try:
            passed = test.decide(mine)
        except UnreadableTestError as error:
            return cannot_tell(f"{test.text}: {error}")
        except Exception as error:
            passed, mine = False, [Step(errors=(type(error).__name__,), message=str(error))]
        if not passed:
            return expect(False, f"{test.text}; {_tell(mine)}")
    if ran.stopped == "time":
        return cannot_tell(f"it {ran.note}, and had not used its processor time")
    return Check(True) if ran.stopped is None else Check(False, f"it {ran.note}")


def _tell(steps: list[Step]) -> str:
    failed = next((step for step in steps if step.errors), None)
    if failed:
        return f"it ends in {_say(failed)}"
    return f"it gives {', '.join((step.printed + _show(step.value))[:100] for step in steps)}"


def _show(value: Any) -> str:
    if isinstance(value, Other):
        return f"a value of type {value.kind}"
    try:
        return "" if value is None else repr(value)
    except ValueError:
        return "a number of more digits than Python writes"


def _say(step: Step) -> str:
    return f"{step.errors[0]}: {step.message[:200]}".rstrip(": ")
