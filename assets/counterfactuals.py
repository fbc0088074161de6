"""Counterfactuals: records of a line that names group terms, scored once more with the words of two groups in each other's place."""

from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.generation import TEACHER_POOL
from assets.judges import Bench
from assets.layout import FIRST_RUN_TAG, Outcome, Remake, asset_key, line_asset, read_assets
from assets.pages import show_floats, show_kept, show_table
from factory.line import Line
from factory.records import COUNTERFACTUAL
from factory.reward.models import name_reward_model
from factory.reward.settings import describe_verdict
from factory.validation.counterfactuals import compare_counterfactuals
from resources.keeper import Keeper, Made, take_fingerprint
from resources.models import Models


def build_counterfactuals(line: Line) -> dg.AssetsDefinition:
    """The asset `counterfactuals`, which the fairness report reads."""
    spec, terms, key = line.reward, line.validation.group_terms, asset_key(line, "counterfactuals")

    @line_asset(
        line,
        "counterfactuals",
        "validation",
        COUNTERFACTUAL,
        "Records that name a group, and what reward model, judges and verifiers say of them when the words of two groups change places.",
        ins=read_assets(line, "accepted", "rejected"),
        check_specs=specify_checks(key),
        pool=TEACHER_POOL if spec.judges else None,
    )
    def counterfactuals(
        context: dg.AssetExecutionContext, config: Remake, keeper: Keeper, models: Models, accepted: pl.DataFrame, rejected: pl.DataFrame
    ) -> Outcome:
        bench = Bench(line, models, context.run.tags.get(FIRST_RUN_TAG, context.run_id))
        asked = [name_reward_model(spec), bench.describe(), describe_verdict(spec), [entry.model_dump() for entry in terms]]
        rooms = ["validation", "group_terms_spec", "reward", *(["generation"] if spec.judges else [])]
        fingerprint = take_fingerprint(rooms, asked, [accepted, rejected])
        keeper.progress.start("counterfactuals", 1)
        make = partial(compare_counterfactuals, pl.concat([accepted, rejected]), terms, spec, bench.open_reward_model, bench.vote)
        kept = keeper.keep(key, None, fingerprint, lambda: Made(make()), refresh=config.refresh)
        return Outcome(metadata=show_kept(kept) | _show_pairs(kept.frame), check_results=check_frame(key, kept.frame))

    return counterfactuals


def _show_pairs(frame: pl.DataFrame) -> dict[str, Any]:
    """Counts and means of each two values; no text of a record."""
    told = (
        frame.group_by("group", "first", "second")
        .agg(
            pl.len().alias("records"),
            pl.col("score").count().alias("scored"),
            pl.mean("score", "score_swapped"),
            (pl.col("good") != pl.col("good_swapped")).sum().alias("flips"),
        )
        .sort("group", "first", "second")
    )
    costs = [request["cost"] for requests in frame["scoring"] for request in requests]
    return {"pairs": show_table(told, told.columns, rows=told.height)} | show_floats({"requests": len(costs), "cost": sum(costs)})
