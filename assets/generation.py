"""Generation: what the teacher writes for each leaf, resumable through the ledger."""

from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.layout import Outcome, Remake, asset_key, leaves_name, line_asset, read_assets
from assets.leaves import make_leaves
from assets.pages import show_table
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.plan import choose_flow, describe_settings, list_teachers, needs_line_pool
from factory.generation.units import select_material
from factory.line import Line
from factory.records import CANDIDATE
from resources.home import find_home
from resources.keeper import Keeper, take_fingerprint
from resources.models import Models

TEACHER_POOL = "teacher"
"""Concurrency pool of the steps that ask a teacher."""
RETRIES = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For a teacher that fails for a while. What is wrong with the input is not tried again."""


class RemakeCandidates(Remake):
    """How candidates are run."""

    ask_failed_again: bool = False
    """Ask again for what was given up while a server failed; everything else comes from the ledger."""


def build_generation(line: Line) -> list[dg.AssetsDefinition]:
    """The asset `candidates`."""
    key = asset_key(line, "candidates")
    spec = line.generation

    @line_asset(
        line,
        "candidates",
        "generation",
        CANDIDATE,
        "New instructions and responses written by the teacher from the leaf's seed examples and documents, those that did not parse "
        "included. The ledger keeps every answer, so a rerun asks only for what is new.",
        by_leaf=True,
        ins=read_assets(line, "seed_examples", "seed_documents"),
        check_specs=specify_checks(key),
        retry_policy=RETRIES,
        pool=TEACHER_POOL,
    )
    def candidates(
        context: dg.AssetExecutionContext,
        config: RemakeCandidates,
        keeper: Keeper,
        models: Models,
        seed_examples: pl.DataFrame,
        seed_documents: pl.DataFrame,
    ) -> Outcome:
        teachers = [models.teacher(section) for section in list_teachers(spec)]
        judge = models.teacher(spec.judge) if spec.judge else None
        if needs_line_pool(spec):
            leaves = context.instance.get_dynamic_partitions(leaves_name(line))
            whole = keeper.store.read_leaves(asset_key(line, "seed_examples"), leaves)
            seed_examples = seed_examples if whole is None else whole
        shown = seed_examples.filter(split="seed").drop("source")
        ledger_file = find_home().ledger(line.name)
        if config.ask_failed_again:
            with Ledger(ledger_file) as ledger:
                context.log.info(f"{ledger.forget_failed()} requests that were given up are asked again")

        def fingerprint(leaf: str) -> str:
            flow = choose_flow(select_material(leaf, seed_examples, seed_documents), spec)
            settings = [describe_settings(flow, spec, teachers, judge), line.seed]
            examples = shown if flow.pool == "line" else shown.filter(leaf=leaf)
            return take_fingerprint(["generation"], settings, [examples, seed_documents.filter(leaf=leaf)])

        def make(leaf: str) -> pl.DataFrame:
            report = partial(keeper.progress.advance, "candidates", leaf)
            with Ledger(ledger_file) as ledger:
                return generate_candidates(leaf, seed_examples, seed_documents, spec, teachers, ledger, line.seed, report, judge)

        refresh = config.refresh or config.ask_failed_again
        frame = make_leaves(context, keeper, fingerprint, make, _show_candidates, refresh=refresh)
        return Outcome(check_results=check_frame(key, frame))

    return [candidates]


def _show_candidates(frame: pl.DataFrame) -> dict[str, Any]:
    parsed = frame.filter(pl.col("parse_fault").is_null())
    return {
        "teacher": ", ".join(frame["teacher"].unique().sort()),
        "flow": ", ".join(frame["flow"].unique().sort()),
        "faults": show_table(_count_faults(frame), ["step", "what", "candidates"]),
        "sample": show_table(parsed, ["instruction", "response", "context"]),
        "parsed_share": parsed.height / max(frame.height, 1),
        **{name: float(frame[name].sum()) for name in ("prompt_tokens", "completion_tokens", "cost")},
    }


def _count_faults(frame: pl.DataFrame) -> pl.DataFrame:
    """How many candidates each step lost, to a fault or to a refusal."""
    lost = pl.concat(
        frame.select(pl.col(column).str.split_exact(": ", 1).struct.field("field_0").alias("step"), pl.lit(column).alias("what"))
        for column in ("parse_fault", "refusal")
    )
    return lost.drop_nulls("step").group_by("step", "what").agg(pl.len().alias("candidates")).sort("candidates", "step", "what")
