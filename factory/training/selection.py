"""Which checkpoint of a phase is its student: each is measured on held-out examples, by their loss or by the answers to them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.records import digest_frame
from factory.training.answer import Problem, answer_problems
from factory.training.data import TokenRow, TokenRows, encode_records, in_order
from factory.training.evaluate import is_correct
from factory.training_spec import EvaluationSpec, PhaseSpec
from factory.tuning.work_folder import write_atomically

Measures = tuple[tuple[int, float], ...]
"""Pairs of step and what its checkpoint measures, in the order of steps."""
Collate = Callable[[Sequence[TokenRow]], dict[str, Any]]
OnMeasured = Callable[[int, int], None]
"""Called with how many checkpoints are measured, and how many there are."""
MEASURED = "measured.json"
JUDGED = ("record_id", "verifier", "verifier_settings")
"""Columns of held-out examples that decide, beside those that are read, which answers are right."""


@dataclass(frozen=True)
class Holdout:
    """Held-out `examples` (choose_holdout) that a phase selects by. Where it does so by answers, they end at `max_new_tokens` and are
    written `batch_size` at once."""

    examples: pl.DataFrame
    max_new_tokens: int = EvaluationSpec().max_new_tokens
    batch_size: int = EvaluationSpec().batch_size


@dataclass(frozen=True)
class Yardstick:
    """What each checkpoint is measured on: `rows` for the loss, and where the phase selects by answers the same examples as `problems`,
    asked as `holdout` says."""

    rows: TokenRows
    problems: tuple[Problem, ...]
    holdout: Holdout


@dataclass(frozen=True)
class Selection:
    """The measures of each checkpoint, and the step of the one that is chosen. Losses are in nats per trained token; accuracies are shares
    of right answers, none where nobody was asked."""

    losses: Measures
    accuracies: Measures

    @property
    def step(self) -> int:
        """That of the most right answers, or, where nobody was asked, of the least loss; of equal ones the earliest."""
        if self.accuracies:
            return min(self.accuracies, key=lambda pair: (-pair[1], pair[0]))[0]
        return min(self.losses, key=lambda pair: (pair[1], pair[0]))[0]


def identify_holdout(phase: PhaseSpec, holdout: Holdout | None) -> Any:
    """What of `holdout` the student of the phase depends on, as a JSON value; None where it is the last checkpoint."""
    if holdout is None or phase.select == "last":
        return None
    read = digest_frame(in_order(holdout.examples))
    if phase.select == "holdout_loss":
        return read
    return [read, digest_frame(holdout.examples.select(JUDGED).sort(JUDGED)), holdout.max_new_tokens, holdout.batch_size]


def encode_holdout(phase: PhaseSpec, tokenizer: Any, holdout: Holdout | None, most_tokens: int) -> Yardstick | None:
    """What the phase selects by; None where it takes its last checkpoint. Raises FactoryError where no example can be read."""
    if phase.select == "last":
        return None
    rows = TokenRows((), {}) if holdout is None else encode_records(tokenizer, in_order(holdout.examples), most_tokens)
    if holdout is None or not rows.rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in rows.left_out.items()) or "none was given"
        raise FactoryError(
            f"phase {phase.name!r}: select is {phase.select}, but no held-out example can be read ({reasons}). "
            "Raise `seeds.holdout` or the phase's max_length, or take select: last."
        )
    asked = holdout.examples.filter(pl.col("record_id").is_in(rows.record_ids)).sort("record_id")
    problems = tuple(map(_read_problem, asked.iter_rows(named=True))) if phase.select == "holdout_accuracy" else ()
    return Yardstick(rows, problems, holdout)


def _read_problem(example: Mapping[str, Any]) -> Problem:
    return Problem(
        problem_id=example["record_id"],
        leaf=example["leaf"],
        language=example["language"],
        origin="holdout",
        instruction=example["instruction"],
        context=example["context"],
        reference=example["response"],
        verifier=example["verifier"],
        verifier_settings=example["verifier_settings"],
    )


def measure_checkpoints(
    checkpoints: Mapping[int, Path],
    yardstick: Yardstick,
    open_checkpoint: Callable[[Path], Any],
    tokenizer: Any,
    collate: Collate,
    batch_size: int,
    scratch: Path,
    on_measured: OnMeasured | None = None,
) -> Selection:
    """Measures each checkpoint by step, as the model that `open_checkpoint` makes of it; losses by `batch_size` examples at once.

    In the existing folder `scratch` stands what was measured, so that a killed selection goes on, and the model that answers once more.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    known, asked = _read_measured(scratch / MEASURED), scratch / "asked"
    for done, (step, checkpoint) in enumerate(checkpoints.items(), start=1):
        if str(step) not in known:
            model = open_checkpoint(checkpoint).to(device).eval()
            measured = [measure_loss(model, yardstick.rows.rows, collate, batch_size)]
            if yardstick.problems:
                shutil.rmtree(asked, ignore_errors=True)
                model.to("cpu").save_pretrained(asked)
                tokenizer.save_pretrained(asked)
                del model
                measured.append(measure_accuracy(asked, yardstick))
                shutil.rmtree(asked)
            known[str(step)] = measured
            write_atomically(scratch / MEASURED, json.dumps(known))
        if on_measured is not None:
            on_measured(done, len(checkpoints))
    losses = tuple((step, known[str(step)][0]) for step in checkpoints)
    return Selection(losses, tuple((step, known[str(step)][1]) for step in checkpoints) if yardstick.problems else ())


def _read_measured(file: Path) -> dict[str, list[float]]:
    """What of the checkpoints was measured before a kill: by step the loss and, where it was asked, the accuracy."""
    measured: dict[str, list[float]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return measured


def measure_loss(model: Any, rows: Sequence[TokenRow], collate: Collate, batch_size: int) -> float:
    """Mean negative log-likelihood of the trained tokens of `rows`, in nats per token."""
    import torch
    from torch.nn.functional import cross_entropy

    ordered = sorted(rows, key=lambda row: len(row.ids))
    total, count = 0.0, 0
    for start in range(0, len(ordered), batch_size):
        batch = {name: tensor.to(model.device) for name, tensor in collate(ordered[start : start + batch_size]).items()}
        labels = batch.pop("labels")[:, 1:]
        with torch.inference_mode():
            logits = model(**batch).logits[:, :-1].float()
        total += float(cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum"))
        count += int((labels >= 0).sum())
    return total / count


def measure_accuracy(model: Path, yardstick: Yardstick) -> float:
    """Share of the problems that `model` answers rightly, asked and judged as in the evaluation."""
    answers = answer_problems(model, yardstick.problems, yardstick.holdout.max_new_tokens, yardstick.holdout.batch_size)
    right = [is_correct(problem, answer) for problem, answer in zip(yardstick.problems, answers, strict=True)]
    return sum(right) / len(right)
