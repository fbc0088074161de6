"""A process that generates and kills itself with SIGKILL in the middle of a batch: `killed_run.py MODEL SEEDS SPEC LEDGER BATCH`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import polars as pl

from factory.generation.chat import Completion
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.line import GenerationSpec
from factory.records import DOCUMENT, empty


class FatalTeacher(LocalTeacher):
    """Dies when batch number `fatal` is answered but not yet stored."""

    fatal = 0
    batches = 0

    def complete(self, *arguments: Any) -> list[Completion]:
        answers = super().complete(*arguments)
        self.batches += 1
        if self.batches == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return answers


if __name__ == "__main__":
    model, seeds, spec, ledger, fatal = sys.argv[1:]
    teacher = FatalTeacher(model, batch_size=8)
    teacher.fatal = int(fatal)
    frame = pl.read_parquet(seeds)
    generate_candidates(
        frame["leaf"][0], frame, empty(DOCUMENT), GenerationSpec.model_validate_json(spec), [teacher], Ledger(Path(ledger)), 7
    )
