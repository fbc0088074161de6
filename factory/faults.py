"""What is wrong with an input, said so that the person who wrote it can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong in one file. `line` and `column` count from 1, and are 0 where a file has no lines; `where` is the YAML path or the
    row, empty for the whole file."""

    file: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


class FactoryError(Exception):
    """An error whose text is one paragraph for the person who reads it: what is wrong, where, and what to do."""


class InputFaults(FactoryError):  # noqa: N818 - it carries faults; "Error" would say it twice
    """Bad input, with every fault found in it."""

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        count = f"{len(self.faults)} fault{'' if len(self.faults) == 1 else 's'}"
        super().__init__("\n".join([f"{subject}: {count}", *(f"  {fault}" for fault in self.faults)]))
