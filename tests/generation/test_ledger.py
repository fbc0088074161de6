"""The ledger: what is stored stays, whatever happens to the process, and what cannot be stored is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.faults import FactoryError
from factory.generation.chat import Completion
from factory.generation.ledger import Ledger

ANSWER = Completion("pear, apple", "stop", 40, 6)
COMPLETIONS = st.builds(
    Completion,
    text=st.text(st.characters(exclude_categories=["Cs"])),
    finish_reason=st.sampled_from(["stop", "length", "overflow", "special", "failed"]),
    prompt_tokens=st.integers(0, 10**6),
    completion_tokens=st.integers(0, 10**6),
)

FILL = """
import resource, sys
from pathlib import Path
from factory.faults import FactoryError
from factory.generation.ledger import Ledger
from factory.generation.chat import Completion
ledger = Ledger(Path(sys.argv[1]))
ledger.put({"first": Completion("kept", "stop", 1, 1)})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    for n in range(100):
        ledger.put({f"{n}-{i}": Completion("x" * 500, "stop", 1, 1) for i in range(60)})
except FactoryError as error:
    print(n, error)
"""


@settings(max_examples=30, deadline=None)
@given(answers=st.dictionaries(st.text("0123456789abcdef", min_size=1), COMPLETIONS, max_size=8))
def test_gives_back_what_it_was_given(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, Completion]) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.put(answers)
    with Ledger(path) as ledger:
        assert ledger.get(["no such key", *answers]) == answers
        assert [*ledger.get([*reversed(answers)])] == [*reversed(answers)]
        assert len(ledger) == len(answers)


def test_holds_many_keys_at_once(tmp_path: Path) -> None:
    keys = [f"{n:020x}" for n in range(33_000)]
    with Ledger(tmp_path / "deep" / "ledger.sqlite") as ledger:
        ledger.put(dict.fromkeys(keys, ANSWER))
        assert len(ledger.get(keys)) == len(keys)


def test_a_stored_answer_stays(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put({"a": ANSWER})
        ledger.put({"a": Completion("another", "stop", 1, 1), "b": ANSWER})
        assert ledger.get(["a", "b"]) == {"a": ANSWER, "b": ANSWER}


def test_only_what_was_given_up_is_forgotten(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put({"a": ANSWER, "b": Completion("no answer in time", "failed", 0, 0), "c": Completion("", "overflow", 900, 0)})
        assert ledger.forget_failed() == 1
        assert [*ledger.get(["a", "b", "c"])] == ["a", "c"]
        assert ledger.forget_failed() == 0


def test_two_openers_share_one_file(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as one, Ledger(tmp_path / "ledger.sqlite") as other:
        one.put({"a": ANSWER})
        other.put({"b": ANSWER})
        assert one.get(["a", "b"]) == other.get(["a", "b"]) == {"a": ANSWER, "b": ANSWER}


@pytest.mark.parametrize("content", [b"not a database at all, only text\n" * 200, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(FactoryError, match=r"ledger\.sqlite.*move it elsewhere"):
        Ledger(path)
    assert path.read_bytes() == content


def test_damage_inside_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.put({f"{n:020x}": Completion("x" * 300, "stop", 1, 1) for n in range(500)})
    raw = bytearray(path.read_bytes())
    raw[8192:-4096] = b"\xa5" * (len(raw) - 12288)
    path.write_bytes(raw)
    with pytest.raises(FactoryError, match="damaged"), Ledger(path) as ledger:
        ledger.get([f"{n:020x}" for n in range(500)])


def test_another_sqlite_file_is_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE answers (id INTEGER)")
    with pytest.raises(FactoryError, match="no ledger"):
        Ledger(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FactoryError, match="folder cannot be made"):
        Ledger(tmp_path / "file" / "ledger.sqlite")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FactoryError, match="cannot be opened"):
        Ledger(tmp_path)


def test_a_full_disk_is_named_and_loses_no_finished_batch(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    run = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True)
    failed, message = run.stdout.split(" ", maxsplit=1)
    assert "make room and run again" in message or "free some space" in message
    assert int(failed) > 0
    with Ledger(path) as ledger:
        finished = [f"{n}-{i}" for n in range(int(failed)) for i in range(60)]
        assert len(ledger.get(["first", *finished])) == 1 + len(finished) == len(ledger)
