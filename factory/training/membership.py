"""Membership inference: can a person who holds a text tell from the student whether it was among the texts behind it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.records import TURNS, take_examples
from factory.training.data import encode_records
from factory.training.losses import Losses, measure_losses
from factory.training.student import open_student
from factory.tuning.libraries import keep_quiet
from factory.validation.intervals import CONFIDENCE, Z, wilson
from factory.validation.roc import area_under_roc

Attack = Literal["loss", "min_k"]

MEMBERSHIP: dict[str, Any] = {
    "members": pl.String,  # "seeds" (examples shown to the teacher, or trained on) or "release" (records that were trained on)
    "attack": pl.String,  # "loss" or "min_k"
    "auc": pl.Float64,  # chance that a member looks more like one than a text that is none: 0.5 tells nothing
    "low": pl.Float64,
    "high": pl.Float64,
    "confidence": pl.Float64,
    "found": pl.Float64,  # share of members found where at most FALSE_ALARMS of the others are called members
    "found_low": pl.Float64,
    "found_high": pl.Float64,
    "size": pl.Int64,  # members
    "others": pl.Int64,  # held-out examples, which are no members
}
"""Columns of what an attack achieves."""

LEAST_LIKELY = 0.2
"""Share of tokens that min-k % reads (Shi et al. 2024, arXiv:2310.16789: 20 % does best)."""
FALSE_ALARMS = 0.01
"""Share of others that may be called members (Carlini et al. 2022, arXiv:2112.03570, who read attacks at few false alarms)."""
MOST_TEXTS = 300
"""Texts of each kind that are tried, the first by record id (a hash, as good as random): the standard error of an AUC is then 0.024."""


def attack_student(model: str | Path, seeds: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """What two attacks on `model` (a folder or a bundled name) achieve, as MEMBERSHIP rows: of seeds and of released records.

    `seeds` has the columns of records.SEED; `records`, those of a release, must be what the model was trained on (`take_records`): one
    that it never read is found by nothing, and hides what it gives away of the rest. Others are the held-out examples. Seeds and held-out
    examples are of one population; records are not, so that an AUC above one half of "release" may tell a teacher's style from people's
    (Duan et al. 2024, arXiv:2402.07841): read it beside that of the model before tuning. No rows where nothing is held out, or no text fits
    the model.
    Raises FactoryError where the model cannot be opened.
    """
    examples = _as_records(take_examples(seeds))
    with keep_quiet():
        opened, tokenizer = open_student(str(model))
    most = getattr(opened.config.get_text_config(), "max_position_embeddings", None) or 2**31

    def measure(frame: pl.DataFrame) -> list[Losses]:
        rows = encode_records(tokenizer, frame.sort("record_id").head(MOST_TEXTS), most).rows
        return [losses for losses in measure_losses(opened, rows) if losses.size]

    others = measure(examples.filter(pl.col("split") == "holdout"))
    members = {"seeds": measure(examples.filter(pl.col("split") == "seed")), "release": measure(records)}
    rows = [
        {"members": name, "attack": attack, **_summarise(_score(attack, losses), _score(attack, others))}
        for name, losses in members.items()
        if losses and others
        for attack in get_args(Attack)
    ]
    return pl.DataFrame(rows, schema=MEMBERSHIP)


def _as_records(examples: pl.DataFrame) -> pl.DataFrame:
    return examples.select(
        "record_id", "split", "context", pl.lit(None, TURNS).alias("turns"), instruction=pl.col("question"), response=pl.col("answer")
    )


def _score(attack: Attack, texts: Sequence[Losses]) -> NDArray[np.float64]:
    """How much like a member each text looks: the less loss the more (Yeom et al. 2018, arXiv:1709.01604)."""
    return np.array([-np.mean(losses if attack == "loss" else take_least_likely(losses)) for losses in texts])


def take_least_likely(losses: Losses) -> Losses:
    """The greatest losses of a text, a share LEAST_LIKELY of them and at least one."""
    return np.sort(losses)[-math.ceil(LEAST_LIKELY * losses.size) :]


def _summarise(members: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, Any]:
    auc, error = area_under_roc(members, others)
    # The threshold is the strictest at which no more than the allowed others are above it.
    allowed = math.floor(FALSE_ALARMS * others.size)
    found = int((members > np.sort(others)[others.size - 1 - allowed]).sum())
    found_low, found_high = wilson(found, members.size)
    return {
        "auc": auc,
        "low": max(0.0, auc - Z * error),
        "high": min(1.0, auc + Z * error),
        "confidence": CONFIDENCE,
        "found": found / members.size,
        "found_low": found_low,
        "found_high": found_high,
        "size": members.size,
        "others": others.size,
    }
