"""Generation: what the teacher writes for each leaf, resumable through the ledger."""

from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.layout import Outcome, Remake, asset_key, line_asset, read_assets
from assets.leaves import make_leaves
from assets.pages import show_table
from factory.generation.flows import load_flow
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.line import Line
from factory.records import CANDIDATE
from resources.home import find_home
from resources.keeper import Keeper, take_fingerprint
from resources.models import Models

TEACHER_POOL = "teacher"
"""Concurrency pool of the steps that ask a teacher."""
RETRIES = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For a teacher that fails for a while. What is wrong with the input is not tried again."""


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
        config: Remake,
        keeper: Keeper,
        models: Models,
        seed_examples: pl.DataFrame,
        seed_documents: pl.DataFrame,
    ) -> Outcome:
        teacher = models.teacher(spec.teacher)
        settings = [
            spec.model_dump(exclude={"teacher": {"model", "batch_size", "server"}}),
            *(load_flow(flow).model_dump() for flow in (spec.freeform_flow, spec.grounded_flow)),
            teacher.identity,
            line.seed,
        ]
        shown = seed_examples.filter(split="seed").drop("source")

        def make(leaf: str) -> pl.DataFrame:
            report = partial(keeper.progress.advance, "candidates", leaf)
            with Ledger(find_home().ledger(line.name)) as ledger:
                return generate_candidates(leaf, seed_examples, seed_documents, spec, teacher, ledger, line.seed, report)

        frame = make_leaves(
            context,
            keeper,
            lambda leaf: take_fingerprint(["generation"], settings, [shown.filter(leaf=leaf), seed_documents.filter(leaf=leaf)]),
            make,
            _show_candidates,
            refresh=config.refresh,
        )
        return Outcome(check_results=check_frame(key, frame))

    return [candidates]


def _show_candidates(frame: pl.DataFrame) -> dict[str, Any]:
    parsed = frame.filter(pl.col("parse_fault").is_null())
    return {
        "teacher": ", ".join(frame["teacher"].unique().sort()),
        "sample": show_table(parsed, ["instruction", "response", "context"]),
        "parsed_share": parsed.height / max(frame.height, 1),
        **{name: float(frame[name].sum()) for name in ("prompt_tokens", "completion_tokens", "cost")},
    }
