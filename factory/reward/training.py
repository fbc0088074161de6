"""Trains a reward model: a Bradley-Terry head on preference pairs, or five attributes on rated responses; resumable after a kill."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from factory.faults import FactoryError
from factory.pico.models import identify_model
from factory.records import digest
from factory.reward.encoding import Features, count_positions, encode_dialogues
from factory.reward.held_out import (
    Accuracy,
    learn_length_rule,
    measure_accuracy,
    measure_length_rule,
    measure_ratings,
    pair_up,
    split_rows,
)
from factory.reward.local_model import LocalRewardModel
from factory.reward.preferences import Pair, Rated
from factory.reward.trainers import Rows, open_base, train_on_pairs, train_on_ratings
from factory.reward_spec import ATTRIBUTES
from factory.spec import Spec
from factory.tuning.libraries import explain_writes, keep_quiet, reproduce
from factory.tuning.work_folder import WorkFolder

Kind = Literal["pairs", "attributes"]
Report = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean loss since the last call."""
WHAT = "the reward model"


class RewardTraining(Spec):
    """How a reward model is trained."""

    epochs: float = Field(default=1.0, gt=0, description="More than one or two overfit a reward model on preferences.")
    batch_size: int = Field(default=16, ge=1, description="Pairs, or rated responses, of one step.")
    learning_rate: float = Field(default=2e-5, gt=0)
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1)
    max_length: int = Field(default=1024, ge=8, description="Tokens of a dialogue; what is longer is left out.")
    holdout: float = Field(default=0.1, gt=0, lt=1, description="Share of the prompts that is held out.")
    seed: int = 0
    save_steps: int = Field(default=200, ge=1, description="Steps between checkpoints.")


@dataclass(frozen=True)
class TrainedRewardModel:
    """What was made. `folder` holds a model that LocalRewardModel opens; `left_out` counts rows by reason; `metrics` are of held-out rows.

    `accuracy` and `length` are shares of held-out pairs: that of the model, and that of choosing the longer or the shorter response,
    whichever (`longer`) was right more often in training; null where rated responses make no pairs.
    """

    folder: Path
    fingerprint: str
    kind: Kind
    steps: int
    rows: int
    held_out: int
    left_out: dict[str, int]
    losses: tuple[tuple[int, float], ...]
    metrics: dict[str, float]
    longer: bool
    accuracy: Accuracy | None
    length: Accuracy | None


def train_reward_model(
    data: Sequence[Pair] | Sequence[Rated], base: str, folder: Path, settings: RewardTraining, report: Report | None = None
) -> TrainedRewardModel:
    """A reward model from `base` (a bundled name, a folder or a hub id: a language model or an encoder); all it writes lies in `folder`.

    On pairs TRL's RewardTrainer trains one score by -log sigmoid(chosen - rejected) (Bradley & Terry 1952; Ouyang et al. 2022, arXiv
    2203.02155); on rated responses five heads are trained by the mean squared error of what was rated (HelpSteer2, arXiv 2406.08673).
    Killed at any moment, the next call goes on from the last whole checkpoint and on a CPU ends at the same bytes; a finished one is
    returned at once. Raises FactoryError where the base cannot be opened, too little can be trained on or held out, the loss is no number,
    TRL is not installed, or the disk refuses a write.
    """
    kind: Kind = "pairs" if isinstance(data[0], Pair) else "attributes"
    work = WorkFolder(folder, _fingerprint(data, base, settings))
    if finished := work.read_summary():
        return _read_summary(work, finished)
    with keep_quiet(), reproduce():
        model, tokenizer = open_base(base, ATTRIBUTES if kind == "attributes" else (), settings.seed)
        fit = _fit(data, tokenizer, min(settings.max_length, count_positions(tokenizer, model.config)))
        rows, held = split_rows(fit.rows, settings.holdout, settings.seed)
        _check(rows, held, fit.left_out)
        with explain_writes(WHAT, folder):
            checkpoint = work.open()
        train = train_on_pairs if kind == "pairs" else train_on_ratings
        state = train(model, tokenizer, Rows(rows, [fit.features[id(row)] for row in rows]), work, checkpoint, settings, report)

        summary: dict[str, Any] = {
            "kind": kind,
            "steps": state.global_step,
            "rows": len(rows),
            "held_out": len(held),
            "left_out": dict(sorted(fit.left_out.items())),
            "losses": [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry],
        }

        def save(target: Path) -> None:
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)
            summary.update(_measure(rows, held, LocalRewardModel(str(target), settings.batch_size)))

        with explain_writes(WHAT, folder):
            return _read_summary(work, work.keep(save, summary))


@dataclass(frozen=True)
class _Fit:
    """Rows that can be trained on, with their features by the id of the row, and how many others there are by reason."""

    rows: list[Any]
    features: dict[int, tuple[Features, ...]]
    left_out: Counter[str]


def _fit(data: Sequence[Any], tokenizer: Any, most: int) -> _Fit:
    dialogues = [(row.chosen, row.rejected) if isinstance(row, Pair) else (row.dialogue,) for row in data]
    encoded = iter(encode_dialogues(tokenizer, [dialogue for each in dialogues for dialogue in each]))
    fit = _Fit([], {}, Counter())
    for row, each in zip(data, dialogues, strict=True):
        features = tuple(next(encoded) for _ in each)
        if any(dialogue[:-1] != each[0][:-1] for dialogue in each):
            fit.left_out["different_prompts"] += 1
        elif len(each) == 2 and each[0] == each[1]:
            fit.left_out["same_response"] += 1
        elif any(len(each["input_ids"]) > most for each in features):
            fit.left_out["too_long"] += 1
        else:
            fit.rows.append(row)
            fit.features[id(row)] = features
    return fit


def _check(rows: Sequence[Any], held: Sequence[Any], left_out: Counter[str]) -> None:
    if not rows or not held:
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none left out"
        raise FactoryError(
            f"{len(rows)} rows to train on and {len(held)} held out ({why}): both need some. Give more prompts, another holdout, or a "
            "greater max_length."
        )
    if isinstance(rows[0], Rated):
        untaught = [name for name in ATTRIBUTES if all(row.attributes[name] is None for row in rows)]
        if untaught:
            raise FactoryError(f"no row that is trained on rates {', '.join(untaught)}: its head would say nothing. Rate it in some rows.")


def _measure(rows: Sequence[Any], held: Sequence[Any], model: LocalRewardModel) -> dict[str, Any]:
    metrics: dict[str, float] = {}
    taught, met = rows, held
    if isinstance(held[0], Rated):
        given = {name: [row.attributes[name] for row in rows if row.attributes[name] is not None] for name in ATTRIBUTES}
        metrics = measure_ratings(held, model, {name: math.fsum(values) / len(values) for name, values in given.items()})
        taught, met = pair_up(rows), pair_up(held)
    longer = learn_length_rule(taught)
    measured: dict[str, Any] = {"metrics": metrics, "longer": longer, "accuracy": None, "length": None}
    if met:
        of_model, of_length = measure_accuracy(met, model), measure_length_rule(met, longer)
        measured |= {"accuracy": (of_model.right, of_model.size), "length": (of_length.right, of_length.size)}
    return measured


def _read_summary(work: WorkFolder, summary: dict[str, Any]) -> TrainedRewardModel:
    read: dict[str, Any] = summary | {name: Accuracy(*summary[name]) if summary[name] else None for name in ("accuracy", "length")}
    read["losses"] = tuple((int(step), float(loss)) for step, loss in summary["losses"])
    return TrainedRewardModel(folder=work.model, fingerprint=work.fingerprint, **read)


def _fingerprint(data: Sequence[Any], base: str, settings: RewardTraining) -> str:
    def write(dialogue: Any) -> Any:
        return [[message.role, message.content] for message in dialogue]

    rows = [
        [write(row.chosen), write(row.rejected)] if isinstance(row, Pair) else [write(row.dialogue), dict(row.attributes)] for row in data
    ]
    return digest(["reward model", settings.model_dump(exclude={"save_steps"}), rows, base, identify_model(base)])
