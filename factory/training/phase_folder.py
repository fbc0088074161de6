"""The work folder of a phase, and what the phase made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.training.trained_on import write_trained_on
from factory.tuning.work_folder import WorkFolder


@dataclass(frozen=True)
class TrainedPhase:
    """What a phase made. `folder` holds the model in Hugging Face form.

    `records` and `tokens` (prompt and response; of a pair both sides) count what was trained on, once; `left_out` counts records by reason;
    `losses` are pairs of step and mean loss per trained token since the pair before. The student is the checkpoint of `step`; where it was
    selected on `held_out` examples, `held_out_losses` has the loss of each checkpoint by step, and `held_out_accuracies`, where it was
    selected by answers, the share of right ones.
    `margins`, of a preference phase, is the mean log-likelihood of the chosen response less the rejected's, in nats, before and after.
    `trained_weights` is how many weights were tuned: all of the model's, or those of an adapter; None of a phase that did not count them.
    `epsilon`, `delta` and `noise_multiplier` are of a private phase. `tokens_read` counts each time that a token was read, but
    for rows that fill up the last batch of several processes; None where it is left to chance how often.
    """

    folder: Path
    fingerprint: str
    steps: int
    records: int
    tokens: int
    left_out: dict[str, int]
    losses: tuple[tuple[int, float], ...]
    step: int
    held_out: int
    held_out_left_out: dict[str, int]
    held_out_losses: tuple[tuple[int, float], ...]
    held_out_accuracies: tuple[tuple[int, float], ...] = ()
    margins: tuple[float, float] | None = None
    trained_weights: int | None = None
    epsilon: float | None = None
    delta: float | None = None
    noise_multiplier: float | None = None
    tokens_read: int | None = None


class PhaseFolder(WorkFolder):
    """The folder of the phase whose work `fingerprint` names."""

    def read_finished(self) -> TrainedPhase | None:
        """What this phase made, if it is finished and its model is still there."""
        summary = self.read_summary()
        return None if summary is None else self._read(summary)

    def finish(self, save: Callable[[Path], None], summary: dict[str, Any]) -> TrainedPhase:
        """Keeps what was `trained_on` of the `summary`, the model that `save` writes, then the marker with the rest, and removes the
        checkpoints."""
        summary = dict(summary)
        write_trained_on(self.path, summary.pop("trained_on"))
        return self._read(self.keep(save, summary))

    def _read(self, summary: dict[str, Any]) -> TrainedPhase:
        for name in ("losses", "held_out_losses", "held_out_accuracies"):
            summary[name] = tuple((int(step), float(value)) for step, value in summary.get(name, ()))
        if margins := summary.get("margins"):
            summary["margins"] = tuple(margins)
        return TrainedPhase(folder=self.model, fingerprint=self.fingerprint, **summary)
