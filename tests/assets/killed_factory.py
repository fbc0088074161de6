"""The command line in a process that kills itself with SIGKILL when the teacher has answered so many batches."""

from __future__ import annotations

import os
import signal
from typing import Any

from assets.cli import main
from factory.generation.chat import Completion
from factory.generation.local_teacher import LocalTeacher

ANSWERED = {"batches": 0}
_complete = LocalTeacher.complete


def complete(self: LocalTeacher, *arguments: Any, **more: Any) -> list[Completion]:
    answers = _complete(self, *arguments, **more)
    ANSWERED["batches"] += 1
    if ANSWERED["batches"] == int(os.environ["FATAL_BATCH"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return answers


if __name__ == "__main__":
    LocalTeacher.complete = complete  # type: ignore[method-assign]
    main()
