"""Reward: scores for every candidate, and one verdict over the whole line."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.generation import TEACHER_POOL
from assets.judges import Bench
from assets.layout import FIRST_RUN_TAG, Outcome, Remake, asset_key, line_asset, read_assets, specify_asset
from assets.leaves import make_leaves
from assets.pages import show_floats, show_kept, show_plot, show_sample, show_table
from factory.line import Line
from factory.personal_data.settings import describe_policy
from factory.records import PREFERENCE, SCORED, VERDICT
from factory.reward.funnel import count_funnel, hints
from factory.reward.judges import count_unparsed
from factory.reward.models import name_reward_model
from factory.reward.pairs import make_pairs
from factory.reward.score import score_candidates
from factory.reward.settings import describe_verdict
from factory.reward.verdict import decide_verdicts
from factory.reward_spec import ATTRIBUTES
from resources.keeper import Keeper, Made, take_fingerprint
from resources.models import Models

DECIDED = {
    "accepted": "Candidates that are right, good enough and no copy of anything: what a release holds.",
    "rejected": "Candidates that were refused, each with the first reason why; nothing is lost.",
}


def build_reward(line: Line) -> list[dg.AssetsDefinition]:
    """The assets `scored`, `accepted`, `rejected` and `preference_pairs`."""
    return [_build_scored(line), _build_verdicts(line), _build_pairs(line)]


def _build_scored(line: Line) -> dg.AssetsDefinition:
    spec, key = line.reward, asset_key(line, "scored")

    @line_asset(
        line,
        "scored",
        "reward",
        SCORED,
        "Candidates with what judges them: the leaf's verifier where it names one, the reward model and the judges where it does not.",
        by_leaf=True,
        ins=read_assets(line, "candidates"),
        check_specs=specify_checks(key),
        pool=TEACHER_POOL if spec.judges else None,
    )
    def scored(context: dg.AssetExecutionContext, config: Remake, keeper: Keeper, models: Models, candidates: pl.DataFrame) -> Outcome:
        bench = Bench(line, models, context.run.tags.get(FIRST_RUN_TAG, context.run_id))
        asked = [name_reward_model(spec), spec.model_dump(include={"scope"}), bench.describe()]
        rooms = ["reward", "generation"] if spec.judges else ["reward"]
        frame = make_leaves(
            context,
            keeper,
            lambda leaf: take_fingerprint(rooms, asked, [candidates.filter(leaf=leaf)]),
            lambda leaf: Made(score_candidates(candidates.filter(leaf=leaf), spec, bench.open_reward_model, bench.vote)),
            _show_scores,
            refresh=config.refresh,
        )
        return Outcome(check_results=check_frame(key, frame))

    return scored


def _build_verdicts(line: Line) -> dg.AssetsDefinition:
    spec, personal_data, greatest_depth = line.reward, line.validation.personal_data, line.mixing.greatest_depth
    accepted_key, rejected_key = asset_key(line, "accepted"), asset_key(line, "rejected")

    @dg.multi_asset(
        name=f"{line.name}__verdicts",
        specs=[
            specify_asset(line, name, "reward", VERDICT, description, ("scored", "seed_examples")) for name, description in DECIDED.items()
        ],
        check_specs=[*specify_checks(accepted_key), *specify_checks(rejected_key)],
        ins=read_assets(line, "scored", "seed_examples"),
    )
    def verdicts(
        context: dg.AssetExecutionContext, config: Remake, keeper: Keeper, scored: pl.DataFrame, seed_examples: pl.DataFrame
    ) -> Iterator[Outcome]:
        seeds = seed_examples.drop("source")
        refused = describe_policy(personal_data, "refuse")
        rooms = ["reward", *(["personal_data"] if refused else [])]
        fingerprint = take_fingerprint(rooms, [describe_verdict(spec), refused, greatest_depth], [scored, seeds])
        keeper.progress.start("verdicts", 2)
        decided: list[pl.DataFrame] = []

        def decide(verdict: str) -> Made:
            if not decided:
                decided.append(decide_verdicts(scored, seed_examples, spec, personal_data, greatest_depth))
            return Made(decided[0].filter(verdict=verdict))

        accepted = keeper.keep(accepted_key, None, fingerprint, lambda: decide("accepted"), refresh=config.refresh)
        rejected = keeper.keep(rejected_key, None, fingerprint, lambda: decide("rejected"), refresh=config.refresh)
        funnel = count_funnel(pl.concat([accepted.frame, rejected.frame]))
        yield Outcome(
            asset_key=accepted_key,
            metadata=show_kept(accepted) | _show_funnel(funnel) | {"sample": show_sample(accepted.frame)},
            check_results=check_frame(accepted_key, accepted.frame),
        )
        yield Outcome(
            asset_key=rejected_key,
            metadata=show_kept(rejected) | _show_refusals(rejected.frame),
            check_results=check_frame(rejected_key, rejected.frame),
        )

    return verdicts


def _build_pairs(line: Line) -> dg.AssetsDefinition:
    spec, key = line.reward, asset_key(line, "preference_pairs")

    @line_asset(
        line,
        "preference_pairs",
        "reward",
        PREFERENCE,
        "Of several responses to one instruction an accepted one and a worse one, in the form that TRL reads; none where a line asks for "
        "one response each.",
        ins=read_assets(line, "accepted", "rejected"),
        check_specs=specify_checks(key),
        pool=TEACHER_POOL if spec.pairs.judge else None,
    )
    def preference_pairs(
        context: dg.AssetExecutionContext,
        config: Remake,
        keeper: Keeper,
        models: Models,
        accepted: pl.DataFrame,
        rejected: pl.DataFrame,
    ) -> Outcome:
        bench = Bench(line, models, context.run.tags.get(FIRST_RUN_TAG, context.run_id))
        asked = [spec.pairs.model_dump(exclude={"judge"}), bench.comparer and bench.comparer.describe()]
        fingerprint = take_fingerprint(["reward"], asked, [accepted, rejected])
        make = partial(make_pairs, pl.concat([accepted, rejected]), spec.pairs, bench.compare)
        kept = keeper.keep(key, None, fingerprint, lambda: Made(make()), refresh=config.refresh)
        return Outcome(metadata=show_kept(kept) | _show_pairs(kept.frame), check_results=check_frame(key, kept.frame))

    return preference_pairs


def _show_scores(frame: pl.DataFrame) -> dict[str, Any]:
    means = frame.select(
        right_share=pl.col("verified").cast(pl.Float64).mean(),
        mean_reward=pl.mean("reward"),
        **{f"mean_{name}": pl.col("attributes").struct.field(name).mean() for name in ATTRIBUTES},
    )
    sample = show_table(frame, ["instruction", "response", "verified", "verifier_note", "reward"])
    shown = {"sample": sample, **show_floats({name: mean for name, mean in means.row(0, named=True).items() if mean is not None})}
    return shown | _show_votes(frame)


def _show_votes(frame: pl.DataFrame) -> dict[str, Any]:
    """How often each judge's answer did not parse."""
    counted = count_unparsed(frame["votes"])
    if counted.is_empty():
        return {}
    shares = {f"unparsed by {row['judge']}, {row['rubric']}": row["unparsed_share"] for row in counted.iter_rows(named=True)}
    return {"votes": show_table(counted, counted.columns, rows=counted.height), **show_floats(shares)}


def _show_funnel(funnel: pl.DataFrame) -> dict[str, Any]:
    from factory.release.plots import plot_funnel

    advice = "\n".join(f"- {hint}" for hint in hints(funnel)) or "Every leaf comes through."
    return {
        "acceptance": int(funnel["accepted"].sum()) / max(int(funnel["asked"].sum()), 1),
        "funnel": show_table(funnel, funnel.columns, rows=funnel.height),
        "plot": show_plot(plot_funnel(funnel), "funnel"),
        "hints": dg.MetadataValue.md(advice),
    }


def _show_pairs(frame: pl.DataFrame) -> dict[str, Any]:
    told = frame.group_by("leaf", "by").agg(pl.len().alias("pairs"), pl.mean("margin").round(3).alias("mean_margin")).sort("leaf", "by")
    sides = ("prompt", "chosen", "rejected")
    texts = frame.select("leaf", "by", "margin", *(pl.col(side).list.last().struct.field("content").alias(side) for side in sides))
    return {"pairs": show_table(told, told.columns, rows=told.height), "sample": show_table(texts, texts.columns)}


def _show_refusals(frame: pl.DataFrame) -> dict[str, Any]:
    from factory.release.plots import plot_reasons

    reasons = frame.group_by("reason").len("records").sort("records", "reason", descending=[True, False])
    # No page shows what was refused for holding personal data.
    sample = frame.filter(pl.col("reason") != "personal_data").sort("record_id").group_by("reason", maintain_order=True).head(2)
    return {
        "reasons": show_table(reasons, ["reason", "records"], rows=reasons.height),
        "plot": show_plot(plot_reasons(frame), "reasons"),
        "sample": show_table(sample, ["reason", "leaf", "instruction", "response", "verifier_note", "reward_note"], rows=20),
    }
