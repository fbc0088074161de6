"""The ledger: every answer that a teacher ever gave, by the key of its unit of work, so that nothing is asked twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Self

from factory.faults import FactoryError
from factory.generation.chat import Completion

WAIT_SECONDS = 60.0
"""How long a write waits for another process that is writing."""

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = tuple(field.name for field in fields(Completion))
_ADVICE = {
    sqlite3.SQLITE_FULL: "The disk is full: free some space and run again; the answers already stored are kept.",
    sqlite3.SQLITE_IOERR: "The disk cannot be written or read (full, over a quota, or failing): make room and run again; "
    "the answers already stored are kept.",
    sqlite3.SQLITE_READONLY: "The file or its folder may not be written: give this user the right to write there.",
    sqlite3.SQLITE_CANTOPEN: "The file cannot be opened: see that its folder exists and that this user may write there.",
    sqlite3.SQLITE_BUSY: "Another process kept it locked: wait for the other run to end, then run again.",
    sqlite3.SQLITE_LOCKED: "Another process kept it locked: wait for the other run to end, then run again.",
}
_DAMAGED = (
    "The file is damaged or no ledger: move it elsewhere and run again, and the teacher is asked anew for what is missing. "
    "`sqlite3 FILE .recover` often saves the answers of a damaged ledger."
)


class Ledger:
    """A store of answers in one SQLite file. What is stored is never changed; a batch is stored whole or not at all.

    Write-ahead logging with synchronous=NORMAL loses no finished batch when the process is killed; a power cut may lose the last ones
    but never damages the file (https://www.sqlite.org/wal.html). Several processes may share one ledger on a local disk.
    """

    def __init__(self, path: Path) -> None:
        """Opens the ledger in `path`, made with its folder where it is missing. Raises FactoryError where it cannot be opened or read."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FactoryError(f"ledger {path}: its folder cannot be made: {error.strerror}. Give a folder that may be written.") from error
        with self._explained():
            # Opened by one thread and used by the one of the event loop, never by both at once.
            self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
        try:
            with self._explained():
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._connection.execute(_TABLE)
                self._connection.execute("SELECT key, text, finish_reason, prompt_tokens, completion_tokens FROM answers LIMIT 1")
        except FactoryError:
            self._connection.close()
            raise

    def get(self, keys: Sequence[str]) -> dict[str, Completion]:
        """The stored answers among `keys`, in the order of `keys`."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT key, text, finish_reason, prompt_tokens, completion_tokens FROM answers"
                " WHERE key IN (SELECT value FROM json_each(?))",
                [json.dumps(list(keys))],
            ).fetchall()
        found = {key: Completion(*answer) for key, *answer in rows}
        return {key: found[key] for key in keys if key in found}

    def put(self, answers: Mapping[str, Completion]) -> None:
        """Stores `answers` in one transaction; where a key is stored already, the stored answer stays."""
        rows = [(key, *(getattr(answer, column) for column in _COLUMNS)) for key, answer in answers.items()]
        with self._explained(), self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", rows)

    def forget_failed(self) -> int:
        """Forgets the requests that were given up ("failed"), so that they are asked again; gives their number."""
        with self._explained(), self._connection:
            return self._connection.execute("DELETE FROM answers WHERE finish_reason = 'failed'").rowcount

    def __len__(self) -> int:
        with self._explained():
            return int(self._connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Closes the file; the ledger cannot be used afterwards."""
        with self._explained():
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The low byte is the primary result code: https://www.sqlite.org/rescode.html
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            raise FactoryError(f"ledger {self.path}: {error}. {_ADVICE.get(code, _DAMAGED)}") from error
