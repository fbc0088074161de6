"""How far the records have drifted from those of the line's previous release."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from factory.validation.evidence import Evidence, balance
from factory.validation.intervals import normal_interval, seeded
from factory.validation.metric import LINE, Row, metric
from factory.validation.ngram_model import NgramModel

DRAWS = 20


@metric(
    "collapse",
    "info",
    "how strange the records are to a model of the line's previous release; 1 as strange as that is to itself, less where texts narrow",
    "perplexity of interpolated word bigrams (Witten & Bell 1991), digits made alike, over that of the previous release's one half under "
    "the other; of leaves that both have, as many texts of each, and no record is read by a model that learnt it",
    "normal, standard deviation over 20 draws of the halves",
)
def perplexity_drift(evidence: Evidence) -> Iterator[Row]:
    before, now = balance(evidence.previous_texts, evidence.synthetic)
    ids = sorted({*before["record_id"], *now["record_id"]})
    ratios = []
    for draw in range(DRAWS):
        # By record, not by side: what both releases hold is learnt in both or read in both.
        order = seeded(f"collapse:drift:{draw}").permutation(len(ids))[: len(ids) // 2]
        learnt = pl.Series([ids[at] for at in order], dtype=pl.String).implode()
        first = before.filter(pl.col("record_id").is_in(learnt))["shapes"].to_list()
        second, asked = (side.filter(~pl.col("record_id").is_in(learnt))["shapes"].to_list() for side in (before, now))
        if any(first) and second and asked:  # of a few records a draw may leave a side empty
            model = NgramModel(first)
            ratios.append(model.perplexity(asked) / model.perplexity(second))
    if len(ratios) < 2:
        yield Row(LINE, None)
        return
    value = float(np.mean(ratios))
    yield Row(LINE, value, *normal_interval(value, np.array(ratios)), now.height)
