"""Programs that do what they should not: each is stopped within its limits, is reported, and leaves nothing behind."""
# ruff: noqa: E501 - programs are read by rows

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.reward.sandbox import Limits, Other, run_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="code is run on Linux alone")

SHORT = Limits(cpu_seconds=1, seconds=20.0, memory_mb=200, output_bytes=100_000)
BRIEF = Limits(cpu_seconds=1, seconds=1.5, memory_mb=200, output_bytes=100_000)
SPARE = 3.0
"""Seconds beside the limits: for a start of Python, and a machine with other work."""


def processes(asked_by: int | None = None) -> set[str]:
    """Every process that runs Python with the sandbox's own file for this one, or for `asked_by`: others may test beside it."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            *_, program, _, parent, _, _, _ = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if program.endswith(b"sandbox/inside.py") and parent == str(asked_by or os.getpid()).encode():
                found.add(folder.name)
        except (OSError, ValueError):
            continue
    return found


def count_files() -> int:
    """Files that this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process, no open file of our own, and no thread more than before."""
    opened, threads = count_files(), threading.active_count()
    yield
    assert processes() == set()
    assert count_files() == opened and threading.active_count() == threads


def refused(program: str, kind: str = "PermissionError") -> None:
    """The program gets as far as its forbidden step, which raises."""
    ran = run_python(program, ["1 + 1"], SHORT)
    assert [step.errors[:1] for step in ran.steps] == [(kind,), ()], ran
    assert ran.steps[1].value == 2


FORBIDDEN = {
    "fork": "import os\nos.fork()",
    "fork bomb": "import os\nwhile True:\n    os.fork()",
    "double fork": "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: pass",
    "subprocess": "import subprocess\nsubprocess.run(['/bin/true'])",
    "exec": "import os\nos.execv('/bin/true', ['true'])",
    "shell": "import os\nif os.system('true') != 0:\n    raise PermissionError",
    "socket": "import socket\nsocket.socket()",
    "unix socket": "import socket\nsocket.socketpair()",
    "name lookup": "import urllib.request\ntry:\n    urllib.request.urlopen('http://example.org', timeout=1)\nexcept OSError:\n    raise PermissionError",
    "password file": "open('/etc/passwd').read()",
    "listing": "import os\nos.listdir('/')",
    "own environment": "open('/proc/self/environ').read()",
    "parent's environment": "import os\nopen(f'/proc/{os.getppid()}/environ').read()",
    "parent's memory": "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "installed packages": f"open({str(Path(pytest.__file__))!r}).read()",
    "temporary file": "open('/tmp/left_behind', 'w')",
    "shared memory": "open('/dev/shm/left_behind', 'w')",
    "device": "open('/dev/null', 'w')",
    "new folder": "import os\nos.mkdir('/tmp/left_behind')",
    "link": "import os\nos.symlink('/', '/tmp/left_behind')",
    "memory file": "import os\nos.memfd_create('x')",
    "kill parent": "import os\nos.kill(os.getppid(), 9)",
    "signal by a pipe": "import fcntl, os\nreader, writer = os.pipe()\nfcntl.fcntl(reader, 8, os.getppid())",
    "kind of signal by a pipe": "import fcntl, os\nreader, writer = os.pipe()\nfcntl.fcntl(reader, 10, 9)",
    "kill all": "import os\nos.kill(-1, 9)",
    "priority": "import os\nos.setpriority(os.PRIO_PROCESS, 0, -5)",
    "change root": "import os\nos.chroot('/tmp')",
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden_is_refused_by_the_kernel(name: str) -> None:
    refused(FORBIDDEN[name])
    assert not Path("/tmp/left_behind").exists() and not Path("/dev/shm/left_behind").exists()


def test_a_thread_is_refused() -> None:
    refused("import threading\nthreading.Thread(target=print).start()", "RuntimeError")


def test_limits_cannot_be_raised() -> None:
    refused("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (100, 100))", "ValueError")


def test_files_can_neither_be_deleted_nor_changed_nor_read(tmp_path: Path) -> None:
    file = tmp_path / "precious.txt"
    file.write_text("secret")
    before = file.stat()
    for deed in (
        "os.remove(path)", "os.unlink(path)", "open(path, 'w')", "open(path, 'a')", "open(path).read()", "os.truncate(path, 0)",
        "os.rename(path, path + 'x')", "os.chmod(path, 0)", "os.chown(path, 1, 1)", "os.utime(path, (0, 0))", "os.link(path, path + 'x')",
        "os.setxattr(path, 'user.x', b'x')", "shutil.rmtree(os.path.dirname(path))", "os.open(path, os.O_RDWR)",
    ):  # fmt: skip
        refused(f"import os, shutil\npath = {str(file)!r}\n{deed}")
    after = file.stat()
    assert file.read_text() == "secret" and (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert [entry.name for entry in tmp_path.iterdir()] == ["precious.txt"]


def test_a_network_call_reaches_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        refused(f"import socket\nsocket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 1)")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


def test_ctypes_opens_no_door(tmp_path: Path) -> None:
    file = tmp_path / "precious.txt"
    file.write_text("secret")
    calls = {"unlink": f"libc.unlink({str(file).encode()!r})", "open": f"libc.open({str(file).encode()!r}, 0)", "fork": "libc.fork()",
             "socket": "libc.socket(2, 1, 0)", "raw fork": "libc.syscall(57)", "raw kill": "libc.syscall(62, -1, 9)", "prctl": "libc.prctl(1, 0, 0, 0, 0)",
             "execve": "libc.execv(b'/bin/true', None)", "ptrace": "libc.ptrace(16, 1, 0, 0)", "unshare": "libc.unshare(0x10000000)"}  # fmt: skip
    ran = run_python("import ctypes\nlibc = ctypes.CDLL(None)", list(calls.values()), SHORT)
    assert dict(zip(calls, [step.value for step in ran.steps[1:]], strict=True)) == dict.fromkeys(calls, -1)
    assert file.read_text() == "secret"


def test_the_environment_is_empty_and_secrets_do_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "hunter2")
    ran = run_python("import os, sys", ["dict(os.environ)", "os.getenv('API_KEY')", "sys.argv", "sys.stdin.read()"], SHORT)
    assert [step.value for step in ran.steps[1:]] == [{}, None, [""], ""]


def test_no_open_file_is_inherited(tmp_path: Path) -> None:
    with (tmp_path / "secret.txt").open("w+") as secret:
        secret.write("secret")
        secret.flush()
        os.set_inheritable(secret.fileno(), True)
        number = secret.fileno() if secret.fileno() > 4 else 99
        ran = run_python("import os", [f"os.pread({number}, 9, 0)"], SHORT)
    assert ran.steps[1].errors[:1] == ("OSError",)


STOPPED = {
    "infinite loop": ("while True: pass", "processor time"),
    "loop that catches all": ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "processor time"),
    "deaf to signals": (
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
        "processor time",
    ),
    "sleep": ("import time\ntime.sleep(1000)", "time"),
    "sleep with closed pipes": ("import os, time\nos.closerange(0, 64)\ntime.sleep(1000)", "time"),
    "flood of print": ("while True: print('x' * 1000)", "output"),
    "flood of errors": ("import sys\nwhile True: sys.stderr.write('x' * 1000)", "output"),
    "flood below Python": ("import os\nwhile True: os.write(1, b'x' * 1000)", "output"),
    "flood of the reply": ("import os\nfor pipe in range(3, 1024):\n    try:\n        while True: os.write(pipe, b'x' * 1000)\n    except OSError: pass", "output"),
    "exit": ("import os\nos._exit(0)", "ended"),
    "crash": ("import ctypes\nctypes.string_at(0)", "ended"),
    "abort": ("import os\nos.abort()", "ended"),
    "machine recursion": ("import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nA().x", None),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPPED)
def test_what_does_not_end_is_ended_in_time_and_told(name: str) -> None:
    program, why = STOPPED[name]
    limits = BRIEF if why == "time" else SHORT
    started = time.monotonic()
    ran = run_python(program, ["1"], limits)
    assert time.monotonic() - started < limits.seconds + SPARE
    if why is None:
        assert ran.stopped in ("ended", "processor time") or ran.steps[0].errors
    else:
        assert (ran.stopped, bool(ran.note)) == (why, True)


def test_a_loop_on_a_machine_that_gives_it_little_is_a_loop_still() -> None:
    """So little time on the clock that the processor time can be used up in more of it alone, as on a machine with other work."""
    ran = run_python("while True: pass", [], Limits(cpu_seconds=1, seconds=0.5))
    assert ran.stopped == "processor time"


def test_what_mostly_waits_gets_no_more_time() -> None:
    ran = run_python("import time\nwhile True: time.sleep(0.01)", [], Limits(cpu_seconds=10, seconds=1.5))
    assert (ran.stopped, ran.note) == ("time", "was not done after 1.5 s")


@pytest.mark.parametrize(
    "hog",
    ["x = [0] * 10**10", "x = bytearray(10**9)", "x = []\nwhile True: x.append(bytearray(10**7))", "import mmap\nmmap.mmap(-1, 10**9)"],
)
def test_a_memory_hog_gets_no_more_than_its_limit(hog: str) -> None:
    ran = run_python(hog, ["1"], SHORT)
    assert ran.steps[0].errors[0] in ("MemoryError", "OSError", "PermissionError") and ran.steps[1].value == 1


def test_deep_recursion_is_an_error_like_another() -> None:
    ran = run_python("def f(x): return f(x)", ["f(1)", "2"], SHORT)
    assert ran.steps[1].errors[0] == "RecursionError" and ran.steps[2].value == 2


@pytest.mark.parametrize("value", ["'x' * 10**6", "list(range(10**5))", "10**10**5", "[[0] * 100] * 10**4"])
def test_a_huge_value_is_refused(value: str) -> None:
    ran = run_python("", [value], SHORT)
    assert ran.stopped in ("output", "processor time") or isinstance(ran.steps[1].value, int)


@pytest.mark.parametrize(("value", "kind"), [("lambda: 1", "function"), ("(x for x in [])", "generator"), ("object()", "object"), ("open", "builtin_function_or_method")])  # fmt: skip
def test_what_is_no_plain_data_is_told_by_the_name_of_its_type(value: str, kind: str) -> None:
    found = run_python("", [value], SHORT).steps[1].value
    assert isinstance(found, Other) and found.kind == kind


def test_a_value_that_holds_itself_is_told_as_too_deep() -> None:
    ran = run_python("x = []\nx.append(x)", ["x", "1"], SHORT)
    assert ran.steps[2].value == 1 and "too deep" in repr(ran.steps[1].value)


def test_what_a_program_writes_into_the_reply_is_no_danger() -> None:
    for text in ('{"value": {"dict": [[[1], 2]]}, "printed": ""}', "[1]", '{"value": {"int": "zz"}}', "\\xff", '{"error": 5}', "[" * 9999):
        program = f"import os\nfor pipe in range(3, 64):\n    try: os.write(pipe, ({text!r} + chr(10)).encode())\n    except OSError: pass"
        run_python(program, ["1"], SHORT)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
        | st.frozensets(st.text(max_size=3), max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(plain, min_size=5, max_size=20))
def test_plain_data_comes_out_as_it_is(values: list[object]) -> None:
    ran = run_python("", [repr(value) for value in values], SHORT)
    assert [step.value for step in ran.steps[1:]] == values
    assert [type(step.value) for step in ran.steps[1:]] == [type(value) for value in values]


def test_numbers_that_are_none_come_out_too() -> None:
    ran = run_python("", ["float('inf')", "-float('inf')", "float('nan')"], SHORT)
    assert list(map(repr, (step.value for step in ran.steps[1:]))) == ["inf", "-inf", "nan"]


def test_steps_share_names_and_what_each_prints_is_its_own() -> None:
    ran = run_python("print('first')\nx = 1", ["x += 1", "print(x)", "x", "1 / 0", "import no_such_module"], SHORT)
    assert [step.printed for step in ran.steps] == ["first\n", "", "2\n", "", "", ""]
    assert ran.steps[3].value == 2 and ran.steps[4].errors[0] == "ZeroDivisionError" and ran.steps[5].missing == "no_such_module"


def test_the_standard_library_is_there() -> None:
    names = "ast asyncio collections ctypes dataclasses datetime decimal fractions hashlib heapq itertools json math random re sqlite3 ssl statistics string typing zoneinfo"
    ran = run_python(f"import {', '.join(names.split())}", ["str(zoneinfo.ZoneInfo('Asia/Jakarta'))", "random.random() < 1"], Limits())
    assert [step.errors for step in ran.steps] == [(), (), ()] and ran.steps[1].value == "Asia/Jakarta"


WITHOUT_LANDLOCK = """
import ctypes
code = b"".join(
    kind.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")
    for kind, yes, no, value in ((0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050026), (0x06, 0, 0, 0x7FFF0000))
)
text = ctypes.create_string_buffer(code, len(code))
class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(text))), 0, 0) == 0
from pathlib import Path
from factory.reward.verifiers import verify
print(verify("python_tests", "assert f(2) == 4", "open('ran', 'w').close()\\ndef f(x): return 2 * x"))
"""


def test_nothing_is_run_where_the_machine_cannot_isolate_it(tmp_path: Path) -> None:
    """A kernel that answers Landlock's first call with ENOSYS, as one before Linux 5.13 does."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "right=None" in said.stdout and "nothing was run: this kernel has no Landlock" in said.stdout
    assert not (tmp_path / "ran").exists()


def test_the_program_ends_with_the_one_that_asked(tmp_path: Path) -> None:
    asking = "from factory.reward.sandbox import Limits, run_python\nrun_python('while True: pass', [], Limits(cpu_seconds=60, seconds=60))"
    process = subprocess.Popen([sys.executable, "-c", asking])
    try:
        deadline = time.monotonic() + 20
        while not processes(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert processes(process.pid)
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 10
    while processes(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes(process.pid) == set()
