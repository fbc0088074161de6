"""Generation: what the teacher writes for each leaf, resumable through the ledger."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.judges import Bench
from assets.layout import FIRST_RUN_TAG, Outcome, Remake, asset_key, line_asset, read_assets
from assets.leaves import make_leaves
from assets.pages import show_table
from assets.seeds import collect_leaf, read_seeds
from factory.generation.cost import count_cost
from factory.generation.generate import LeafWriter
from factory.generation.ledger import Ledger
from factory.generation.models import Teacher
from factory.generation.plan import choose_flow, describe_settings, find_patience, list_teachers, needs_line_pool
from factory.generation.quota import count_most, is_reviewed, write_in_rounds
from factory.generation.spending import Spending
from factory.generation.units import select_material
from factory.line import Line
from factory.personal_data.settings import describe_policy
from factory.records import CANDIDATE, SEED, empty
from factory.reward.models import name_reward_model
from factory.reward.review import LeafReviewer
from factory.reward.settings import describe_verdict
from resources.home import find_home
from resources.keeper import Keeper, Made, take_fingerprint
from resources.models import Models
from resources.progress import Progress

TEACHER_POOL = "teacher"
"""Concurrency pool of the steps that ask a teacher."""
RETRIES = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For a teacher that fails for a while. What is wrong with the input is not tried again."""


def collect_pool(line: Line) -> pl.DataFrame:
    """The seed examples of all leaves of the line as its sources are now (SEED columns), whichever of them are stored yet."""
    return pl.concat([empty(SEED), *(collect_leaf(line, leaf) for leaf in read_seeds(line).leaves.values())])


STOPPED_EARLY = "stopped"
"""Fact of a leaf's frame: why it has fewer accepted candidates than were asked for."""


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
        if needs_line_pool(spec):
            seed_examples = collect_pool(line)
        desk = _Desk(line, models, keeper.progress, seed_examples, seed_documents, context.run.tags.get(FIRST_RUN_TAG, context.run_id))
        if config.ask_failed_again:
            with desk.open_ledger() as ledger:
                context.log.info(f"{ledger.forget_failed()} requests that were given up are asked again")
        refresh = config.refresh or config.ask_failed_again
        frame = make_leaves(
            context, keeper, desk.take_fingerprint, desk.write, _show_candidates, refresh=refresh, patience=find_patience(spec)
        )
        context.log.info(f"newly asked in this run: {desk.spending.describe()}")
        return Outcome(check_results=check_frame(key, frame))

    return [candidates]


@dataclass(frozen=True)
class _Desk:
    """Where the leaves of one run are written. `run`: the id by which its spending is counted."""

    line: Line
    models: Models
    progress: Progress
    examples: pl.DataFrame
    documents: pl.DataFrame
    run: str

    @cached_property
    def teachers(self) -> list[Teacher]:
        return [self.models.teacher(section) for section in list_teachers(self.line.generation)]

    @cached_property
    def judge(self) -> Teacher | None:
        return self.models.teacher(self.line.generation.judge) if self.line.generation.judge else None

    @cached_property
    def bench(self) -> Bench:
        return Bench(self.line, self.models, self.run)

    @property
    def spending(self) -> Spending:
        return self.models.spending(self.line.generation, self.run)

    def open_ledger(self) -> Ledger:
        return Ledger(find_home().ledger(self.line.name))

    def take_fingerprint(self, leaf: str) -> str:
        """What the leaf's candidates follow from; where they may be reviewed while they are written, that is the reward section too."""
        spec, reward = self.line.generation, self.line.reward
        flow = choose_flow(select_material(leaf, self.examples, self.documents), spec)
        settings = [describe_settings(flow, spec, self.teachers, self.judge), self.line.seed]
        shown = self.examples.filter(split="seed").drop("source")
        frames = [shown if flow.pool == "line" else shown.filter(leaf=leaf), self.documents.filter(leaf=leaf)]
        personal_data = self.line.validation.personal_data
        redacted, refused = (describe_policy(personal_data, policy) for policy in ("redact", "refuse"))
        rooms = ["generation", *(["personal_data"] if redacted else [])]
        if not is_reviewed(spec, self.teachers):
            return take_fingerprint(rooms, [*settings, redacted], frames)
        held_out = self.examples.filter(leaf=leaf, split="holdout").drop("source")
        judged_by = [describe_verdict(reward), name_reward_model(reward), *self.bench.describe()]
        rooms += ["reward", *(["personal_data"] if refused else [])]
        return take_fingerprint(rooms, [*settings, redacted, *judged_by, refused, self.line.mixing.greatest_depth], [*frames, held_out])

    def write(self, leaf: str) -> Made:
        """The leaf's candidates, topped up until enough are accepted where the line asks for that."""
        spec, reward = self.line.generation, self.line.reward
        with self.open_ledger() as ledger:
            writer = LeafWriter(
                leaf,
                self.examples,
                self.documents,
                spec,
                self.teachers,
                ledger,
                self.line.seed,
                judge=self.judge,
                spending=self.spending,
                progress=partial(self.progress.advance, "candidates", leaf),
                watch=partial(self.progress.count, leaf),
                most=count_most(spec),
                personal_data=self.line.validation.personal_data,
            )
            review = LeafReviewer(
                self.examples.filter(leaf=leaf),
                reward,
                self.bench.open_reward_model,
                self.bench.vote,
                self.line.validation.personal_data,
                self.line.mixing.greatest_depth,
            )
            written = write_in_rounds(writer, spec, review, partial(self.progress.count, leaf))
        if written.stopped is None:
            return Made(written.frame)
        self.progress.stop(leaf, written.stopped)
        return Made(written.frame, {STOPPED_EARLY: written.stopped})


def _show_candidates(frame: pl.DataFrame) -> dict[str, Any]:
    parsed = frame.filter(pl.col("parse_fault").is_null())
    return {
        "teacher": ", ".join(frame["teacher"].unique().sort()),
        "flow": ", ".join(frame["flow"].unique().sort()),
        "faults": show_table(_count_faults(frame), ["step", "what", "candidates"]),
        "cost_by_step": show_table(cost := count_cost(frame, ("step", "model")), cost.columns, rows=cost.height),
        "sample": show_table(parsed, ["instruction", "response", "context"]),
        "parsed_share": parsed.height / max(frame.height, 1),
        "requests": float(cost["requests"].sum()),
        **{name: float(frame[name].sum()) for name in ("prompt_tokens", "completion_tokens", "cost")},
    }


def _count_faults(frame: pl.DataFrame) -> pl.DataFrame:
    """How many candidates each step lost, to a fault or to a refusal."""
    lost = pl.concat(
        frame.select(pl.col(column).str.split_exact(": ", 1).struct.field("field_0").alias("step"), pl.lit(column).alias("what"))
        for column in ("parse_fault", "refusal")
    )
    return lost.drop_nulls("step").group_by("step", "what").agg(pl.len().alias("candidates")).sort("candidates", "step", "what")
