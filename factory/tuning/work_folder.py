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
            for name in (CHECKPOINTS, MODEL):
                shutil.rmtree(self.path / name, ignore_errors=True)
            for name in (FINISHED, FINGERPRINT):
                (self.path / name).unlink(missing_ok=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        _write_atomically(self.path / FINGERPRINT, self.fingerprint)
        whole: dict[int, Path] = {}
        for checkpoint in sorted(self.checkpoints.glob("checkpoint-*")):
            if (checkpoint / WHOLE).is_file():
                whole[int(checkpoint.name.removeprefix("checkpoint-"))] = checkpoint
            else:
                shutil.rmtree(checkpoint)
        return whole[max(whole)] if whole else None

    def mark_whole(self, step: int) -> None:
        """Says that the checkpoint of `step` is complete."""
        (self.checkpoints / f"checkpoint-{step}" / WHOLE).touch()

    def keep(self, save: Callable[[Path], None], summary: dict[str, Any]) -> dict[str, Any]:
        """Keeps the model that `save` writes, then the marker with the `summary`; gives the summary as read. Checkpoints are removed."""
        unfinished = self.path / f"{MODEL}.unfinished"
        for folder in (unfinished, self.model):
            shutil.rmtree(folder, ignore_errors=True)
        save(unfinished)
        unfinished.replace(self.model)
        text = json.dumps(summary, sort_keys=True, indent=1)
        _write_atomically(self.path / FINISHED, text)
        shutil.rmtree(self.checkpoints)
        read: dict[str, Any] = json.loads(text)
        return read

    def _held_fingerprint(self) -> str | None:
        file = self.path / FINGERPRINT
        return file.read_text(encoding="utf-8") if file.is_file() else None


def _write_atomically(file: Path, text: str) -> None:
    unfinished = file.with_name(f"{file.name}.unfinished")
    with unfinished.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
