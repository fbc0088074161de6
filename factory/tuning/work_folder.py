"""The work folder of a tuning: which checkpoint is whole, when the tuning is finished, and what it made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "model"
CHECKPOINTS = "checkpoints"
WHOLE = "whole"
"""An empty file written into a checkpoint after everything else: without it, writing was cut off."""
STEPS = "steps"
"""Folder of the models of a finished tuning's checkpoints, by step, where they are kept."""
KEPT_CHECKPOINTS = 2
"""Checkpoints that a tuning can go on from: the newest may be cut off while it is written, so the one before is needed."""
LARGE_STATE = ("optimizer*", "pytorch_model_fsdp*")
"""Files of a checkpoint as large as its model, or larger, that only going on needs; the second is of a model that is sharded."""
NO_WEIGHTS = (*LARGE_STATE, "scheduler*", "scaler*", "rng_state*", "trainer_state.json", "training_args.bin", WHOLE, "README.md")
"""Files of a checkpoint that only going on needs."""
FINGERPRINT = "fingerprint"
FINISHED = "finished.json"


@dataclass(frozen=True)
class WorkFolder:
    """The folder `path` of the tuning whose work `fingerprint` names. Work of another fingerprint that lies there is thrown away."""

    path: Path
    fingerprint: str

    @property
    def model(self) -> Path:
        """Where the finished model lies."""
        return self.path / MODEL

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie while the phase is not finished."""
        return self.path / CHECKPOINTS

    def read_summary(self) -> dict[str, Any] | None:
        """What `keep` was told, if the tuning is finished and its model is still there."""
        file = self.path / FINISHED
        if self._held_fingerprint() != self.fingerprint or not file.is_file() or not (self.model / "config.json").is_file():
            return None
        # A kill right after the marker was written leaves checkpoints behind.
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return summary

    def open(self) -> Path | None:
        """Makes the folder ready for work; the last whole checkpoint to go on from, or None to begin anew."""
        if self._held_fingerprint() != self.fingerprint:
            for name in (CHECKPOINTS, MODEL, STEPS):
                shutil.rmtree(self.path / name, ignore_errors=True)
            for name in (FINISHED, FINGERPRINT):
                (self.path / name).unlink(missing_ok=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / FINGERPRINT, self.fingerprint)
        whole = self.list_whole()
        for checkpoint in self.checkpoints.glob("checkpoint-*"):
            if checkpoint not in whole.values():
                shutil.rmtree(checkpoint)
        return whole[max(whole)] if whole else None

    def list_whole(self) -> dict[int, Path]:
        """The complete checkpoints by step, the earliest first."""
        checkpoints = {int(path.name.removeprefix("checkpoint-")): path for path in self.checkpoints.glob("checkpoint-*")}
        return {step: path for step, path in sorted(checkpoints.items()) if (path / WHOLE).is_file()}

    def mark_whole(self, step: int) -> None:
        """Says that the checkpoint of `step` is complete. Of older ones that nothing will go on from, the weights alone stay."""
        (self.checkpoints / f"checkpoint-{step}" / WHOLE).touch()
        for older in [*self.list_whole().values()][:-KEPT_CHECKPOINTS]:
            for file in (file for pattern in LARGE_STATE for file in older.glob(pattern)):
                file.unlink()

    def keep_steps(self, complete: Callable[[Path], None]) -> None:
        """Keeps the model of each checkpoint in a folder of its step, to which `complete` adds what a checkpoint lacks of a model."""
        unfinished = self.path / f"{STEPS}.unfinished"
        for folder in (unfinished, self.path / STEPS):
            shutil.rmtree(folder, ignore_errors=True)
        for step, checkpoint in self.list_whole().items():
            shutil.copytree(checkpoint, unfinished / str(step), ignore=shutil.ignore_patterns(*NO_WEIGHTS))
            complete(unfinished / str(step))
        unfinished.replace(self.path / STEPS)

    def keep(self, save: Callable[[Path], None], summary: dict[str, Any]) -> dict[str, Any]:
        """Keeps the model that `save` writes, then the marker with the `summary`; gives the summary as read. Checkpoints are removed."""
        unfinished = self.path / f"{MODEL}.unfinished"
        for folder in (unfinished, self.model):
            shutil.rmtree(folder, ignore_errors=True)
        save(unfinished)
        unfinished.replace(self.model)
        text = json.dumps(summary, sort_keys=True, indent=1)
        write_atomically(self.path / FINISHED, text)
        shutil.rmtree(self.checkpoints)
        read: dict[str, Any] = json.loads(text)
        return read

    def _held_fingerprint(self) -> str | None:
        file = self.path / FINGERPRINT
        return file.read_text(encoding="utf-8") if file.is_file() else None


def write_atomically(file: Path, text: str) -> None:
    """Writes the file whole or not at all, whenever the process is killed."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    with unfinished.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
