"""One of the processes that tune a phase together: `python -m factory.training.worker JOB`, launched by accelerate."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from factory.faults import FactoryError
from factory.pico.hub_commits import keep_commit
from factory.training.preference import tune_preference
from factory.training.processes import read_job
from factory.training.sft import tune_phase
from factory.tuning.ranks import is_first, join_ranks
from factory.tuning.workers import follow_parent, open_channel


def main(folder: Path) -> None:
    """Tunes the phase whose job lies in `folder`; the first process tells its steps, and each the error that ends it."""
    follow_parent()
    tell = open_channel()
    try:
        with join_ranks():
            job, records, holdout = read_job(folder)
            if job.commit is not None:
                keep_commit(job.base, job.commit)
            tune = tune_phase if job.phase.method == "sft" else tune_preference

            def report(step: int, steps: int, loss: float) -> None:
                tell({"step": step, "steps": steps, "loss": loss})

            def measured(done: int, checkpoints: int) -> None:
                tell({"measured": done, "checkpoints": checkpoints})

            tune(job, records, holdout, report if is_first() else None, measured)
    except BaseException as error:
        traceback.print_exc()
        tell({"error": str(error)} if isinstance(error, FactoryError) else {"crash": repr(error)})
        sys.stderr.flush()
        # Past the destructors of a process group in which others still wait.
        os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
