"""Forgetting: how much worse a tuned model predicts real text than the model that it was tuned from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.faults import FactoryError
from factory.training.data import TokenRow
from factory.training.losses import measure_losses
from factory.training.statistics import RESAMPLES
from factory.training.student import open_student
from factory.tuning.libraries import keep_quiet
from factory.validation.intervals import CONFIDENCE, seeded

WINDOWS: Final[dict[str, Any]] = {
    "text_id": pl.String,
    "window": pl.Int64,  # counts from 0 within the text
    "tokens": pl.Int64,  # that this window predicts
    "nats": pl.Float64,  # sum of their -ln p
    "bytes": pl.Int64,  # of the whole text in UTF-8
}
"""What a model makes of one window of a text."""

MOST_TOKENS: Final = 2048
"""Of a window, where the model's context is longer: enough for all but the longest pieces, and memory stays bounded."""
DRAWS_AT_ONCE: Final = 500

Interval = tuple[float, float] | tuple[None, None]


@dataclass(frozen=True)
class Forgetting:
    """A model before and after it was tuned, on the same texts, with intervals of the two differences (after less before).

    `nats` is per token, and so is not given where the two cut the texts into different tokens; bits per byte compare any two models.
    Intervals are not given for a single text.
    """

    texts: int
    tokens: int
    perplexity_before: float
    perplexity_after: float
    nats: float | None
    nats_low: float | None
    nats_high: float | None
    bits_before: float
    bits_after: float
    bits: float
    bits_low: float | None
    bits_high: float | None
    confidence: float


def measure_texts(model: str | Path, texts: pl.DataFrame, most_tokens: int = MOST_TOKENS) -> pl.DataFrame:
    """How well `model` (a bundled name, a folder or a hub id) predicts `texts` (columns text_id and text), as WINDOWS rows in their order.

    Every token of a text is predicted once, from the tokens before it; the first from the token that begins a text (BOS), or of a model
    without one from EOS, as in EleutherAI's lm-eval. A text longer than the context (or `most_tokens`) is read in windows that overlap by
    half: each later token has at least half a window before it. Raises FactoryError where the model cannot be opened.
    """
    with keep_quiet():
        opened, tokenizer = open_student(str(model))
        encoded = tokenizer(texts["text"].to_list(), add_special_tokens=False)["input_ids"] if texts.height else []
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    most = min(most_tokens, getattr(opened.config.get_text_config(), "max_position_embeddings", None) or most_tokens)
    found: list[dict[str, Any]] = []
    rows: list[TokenRow] = []
    for (text_id, text), tokens in zip(texts.select("text_id", "text").iter_rows(), encoded, strict=True):
        windows = list(cut_windows((start, *tokens), most))
        rows += windows
        found += ({"text_id": text_id, "window": at, "bytes": len(text.encode())} for at in range(len(windows)))
    for row, losses in zip(found, measure_losses(opened, rows), strict=True):
        row |= {"tokens": losses.size, "nats": float(losses.sum())}
    return pl.DataFrame(found, schema=WINDOWS)


def cut_windows(tokens: Sequence[int], most: int) -> Iterator[TokenRow]:
    """Windows of at most `most` tokens, as rows whose trained tokens are those that the window predicts: all but the first of `tokens`,
    each in one window."""
    done = 1
    while done < len(tokens):
        end = min(len(tokens), most if done == 1 else done + most // 2)
        begin = max(0, end - most)
        yield TokenRow(tuple(tokens[begin:end]), tuple(at >= done for at in range(begin, end)))
        done = end


def measure_perplexity(windows: pl.DataFrame) -> float:
    """exp of the mean -ln p of a token of WINDOWS rows. Raises FactoryError where there is none."""
    tokens = int(windows["tokens"].sum())
    if not tokens:
        raise FactoryError("There is no text to measure perplexity on: give files as training.evaluation.texts.")
    return math.exp(float(windows["nats"].sum()) / tokens)


def compare_texts(before: pl.DataFrame, after: pl.DataFrame, seed: int = 0) -> Forgetting:
    """What a model has forgotten between two measurements of the same texts (WINDOWS rows).

    Intervals are the percentile bootstrap (Efron & Tibshirani 1993, ch. 13) over whole texts, each with both its measurements: tokens of
    one text are no independent draws. Raises FactoryError where there are no texts, or not the same ones.
    """
    pairs = _gather(before).join(_gather(after), on="text_id", how="full", suffix="_after", coalesce=True).sort("text_id")
    unpaired = sum(pairs.select("tokens", "tokens_after").null_count().row(0))
    if unpaired or pairs.is_empty():
        raise FactoryError(
            f"Forgetting cannot be told: {unpaired} of {pairs.height} texts were read by one of the two models alone. "
            "Let both read the same texts, at least one."
        )
    sums = {name: pairs[name].to_numpy().astype(np.float64) for name in pairs.columns if name != "text_id"}
    gained, sizes = sums["nats_after"] - sums["nats"], np.stack([sums["tokens"], math.log(2) * sums["bytes"]], axis=1)
    nats, bits = gained.sum() / sizes.sum(axis=0)
    (nats_low, nats_high), (bits_low, bits_high) = _bootstrap(gained, sizes, seed)
    alike = bool((pairs["tokens"] == pairs["tokens_after"]).all())
    return Forgetting(
        texts=pairs.height,
        tokens=int(sums["tokens_after"].sum()),
        perplexity_before=measure_perplexity(before),
        perplexity_after=measure_perplexity(after),
        nats=float(nats) if alike else None,
        nats_low=nats_low if alike else None,
        nats_high=nats_high if alike else None,
        bits_before=float(sums["nats"].sum() / sizes[:, 1].sum()),
        bits_after=float(sums["nats_after"].sum() / sizes[:, 1].sum()),
        bits=float(bits),
        bits_low=bits_low,
        bits_high=bits_high,
        confidence=CONFIDENCE,
    )


def _gather(windows: pl.DataFrame) -> pl.DataFrame:
    return windows.group_by("text_id").agg(pl.col("tokens").sum(), pl.col("nats").sum(), pl.col("bytes").first())


def _bootstrap(gained: NDArray[np.float64], sizes: NDArray[np.float64], seed: int) -> list[Interval]:
    """For each column of `sizes` the interval of sum(gained) / sum(size) over texts drawn with replacement; none for a single text."""
    count = len(gained)
    if count < 2:
        return [(None, None)] * sizes.shape[1]
    rng, ratios = seeded(f"forgetting/{seed}"), []
    for _ in range(RESAMPLES // DRAWS_AT_ONCE):
        drawn = rng.multinomial(count, np.full(count, 1 / count), DRAWS_AT_ONCE)
        ratios.append((drawn @ gained)[:, None] / (drawn @ sizes))
    ends = np.quantile(np.concatenate(ratios), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return [(float(low), float(high)) for low, high in ends.T]
