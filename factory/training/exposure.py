"""Exposure: how far a student gives planted canaries away, of all the secrets that could have been planted."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.faults import FactoryError
from factory.records import TURNS
from factory.seeds.canaries import SPACE, Canary, draw_secret, read_canaries
from factory.training.data import encode_records
from factory.training.losses import measure_losses
from factory.training.student import open_student
from factory.tuning.libraries import keep_quiet

EXPOSURE: dict[str, Any] = {
    "canary": pl.String,  # record_id of the seed
    "loss": pl.Float64,  # of the whole answer, in nats
    "rank": pl.Int64,  # 1: no drawn secret is as likely
    "drawn": pl.Int64,  # secrets that it was ranked among, itself not counted
    "exposure": pl.Float64,  # bits by rank: at most log2(drawn + 1)
    "fitted": pl.Float64,  # bits by a skew-normal fitted to the losses of the drawn secrets: at most log2 |R|
}
"""Columns of what is measured of a canary."""

DRAWN = 255
"""Secrets that a canary is ranked among, so that rank alone shows up to 8 bits, in a second or so for a small student."""


def measure_exposure(model: str | Path, seeds: pl.DataFrame, seed: int, drawn: int = DRAWN) -> pl.DataFrame:
    """Exposure of the canaries in `seeds` (records.SEED) in `model` (a folder or a bundled name), as EXPOSURE rows.

    exposure = log2 |R| - log2 rank (Carlini et al. 2019, "The Secret Sharer", arXiv:1802.08232), its rank estimated among `drawn` secrets
    of the canary's own form, and by their method of a skew-normal distribution of losses, which sees further than a sample. A model that
    never met the canary has an exposure of 1/ln 2 = 1.44 bits in the mean.
    Raises FactoryError where the model cannot be opened or has no room for a canary.
    """
    canaries = read_canaries(seeds)
    if not canaries:
        return pl.DataFrame(schema=EXPOSURE)
    with keep_quiet():
        opened, tokenizer = open_student(str(model))
    rows = []
    for record_id, canary in canaries.items():
        rng = random.Random(f"exposure/{seed}/{canary.name}")
        others = [Canary(canary.name, draw_secret(rng)) for _ in range(drawn)]
        loss, *losses = _measure_losses(opened, tokenizer, [canary, *others])
        rank, exposure = rank_loss(loss, np.array(losses))
        told = {"rank": rank, "drawn": drawn, "exposure": exposure, "fitted": fit_exposure(loss, np.array(losses))}
        rows.append({"canary": record_id, "loss": loss, **told})
    return pl.DataFrame(rows, schema=EXPOSURE)


def _measure_losses(model: Any, tokenizer: Any, canaries: list[Canary]) -> list[float]:
    asked = [(f"{at:06}", canary.question, None, canary.answer, None) for at, canary in enumerate(canaries)]
    columns: dict[str, Any] = {
        "record_id": pl.String,
        "instruction": pl.String,
        "context": pl.String,
        "response": pl.String,
        "turns": TURNS,
    }
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31
    encoded = encode_records(tokenizer, pl.DataFrame(asked, schema=columns, orient="row"), most)
    if encoded.left_out:
        raise FactoryError(f"canaries cannot be put to the student ({encoded.left_out}); take a student of longer context.")
    return [float(losses.sum()) for losses in measure_losses(model, encoded.rows)]


def rank_loss(loss: float, drawn: NDArray[np.float64]) -> tuple[int, float]:
    """The rank of a canary of `loss` among drawn secrets, and the exposure that it shows: |R| is then the canary and what was drawn."""
    rank = 1 + int((drawn <= loss).sum())
    return rank, math.log2((drawn.size + 1) / rank)


def fit_exposure(loss: float, drawn: NDArray[np.float64]) -> float:
    """-log2 of the share of secrets whose loss is at most `loss`, by a skew-normal fitted to `drawn`: 0 to log2 |R|."""
    from scipy.stats import skewnorm

    if np.ptp(drawn) == 0:
        return rank_loss(loss, drawn)[1]
    return float(np.clip(-skewnorm.logcdf(loss, *skewnorm.fit(drawn)) / math.log(2), 0.0, math.log2(SPACE)))
