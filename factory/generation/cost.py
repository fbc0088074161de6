"""What candidates cost: requests, tokens and money by leaf, step and model, those of refused and unparsed candidates counted too."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

COST_DIGITS = 9
"""Decimals of a sum: the order in which floats are added up must not show in a release."""


def count_cost(candidates: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """A row for each value of `by` ("leaf", "step", "model", "flow"), sorted: `by`, requests, prompt_tokens, completion_tokens, cost.

    `candidates` are CANDIDATE rows, or those of a later stage; of these what judges and reward models were asked counts too. Each request
    is counted once, with the first of the candidates that share it. `cost` is in the currency of the line's price tables; a request that
    was given up has no tokens and no cost.
    """
    lists = [name for name in ("usage", "scoring") if name in candidates.columns]
    requests = (
        pl.concat(candidates.select("leaf", "flow", usage=name) for name in lists).explode("usage").drop_nulls("usage").unnest("usage")
    )
    counted = requests.group_by(*by).agg(
        pl.len().cast(pl.Int64).alias("requests"),
        pl.col("prompt_tokens", "completion_tokens").cast(pl.Int64).sum(),
        pl.col("cost").sum().round(COST_DIGITS),
    )
    return counted.sort(*by)
