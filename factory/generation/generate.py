"""Writes the candidates of one leaf: a plan of units, a writer for each draft, a driver for the models that are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import polars as pl

from factory.generation.drafts import Draft, Recipe, write_rows
from factory.generation.drivers import WRITERS_OF_A_SLOT, Source, drive_concurrent, drive_windows
from factory.generation.ledger import Ledger
from factory.generation.loop import run_in_loop
from factory.generation.models import Served, Teacher
from factory.generation.plan import make_recipe, plan_drafts
from factory.generation.spending import BudgetSpentError, Spending
from factory.generation.units import select_material
from factory.generation.writers import Writing, write
from factory.line import GenerationSpec
from factory.personal_data.spec import PersonalDataSpec
from factory.records import CANDIDATE

CHUNK = 1000
"""Rows that are turned into columns at once: ten thousand candidates as Python objects would be most of a run's memory."""

Progress = Callable[[int, int], None]
"""`progress(done, total)` counts steps of candidates."""
Watch = Callable[[Mapping[str, int]], None]
"""Told how many candidates have come through each filter so far, as columns of records.FUNNEL."""


def generate_candidates(
    leaf: str,
    seeds: pl.DataFrame,
    documents: pl.DataFrame,
    spec: GenerationSpec,
    teachers: Sequence[Teacher],
    ledger: Ledger,
    seed: int,
    progress: Progress | None = None,
    judge: Teacher | None = None,
    spending: Spending | None = None,
    personal_data: PersonalDataSpec | None = None,
) -> pl.DataFrame:
    """`spec.candidates_per_leaf` candidates of `leaf` (records.CANDIDATE), in the order of the plan, those refused or not parsed included.

    `seeds` (records.SEED) and `documents` (records.DOCUMENT) may hold other leaves as well, and must where the flow's pool is the line.
    `teachers` are those of `list_teachers(spec)`, in its order; `judge` is the model of `spec.judge`. `seed` is the line's seed number.
    What `personal_data` redacts is in no row.
    Of what the ledger holds nothing is asked again. `spending` counts what is newly asked, over all leaves that it is given with.
    Raises FactoryError where the leaf has nothing to show, or a model, a flow or the ledger fails; ParkedError where a server is not asked
    for now; BudgetSpentError where the budget of `spending` is reached. What was answered stays stored.
    """
    writer = LeafWriter(
        leaf, seeds, documents, spec, teachers, ledger, seed, judge=judge, spending=spending, progress=progress, personal_data=personal_data
    )
    return writer.write(spec.candidates_per_leaf)


class LeafWriter:
    """Writes the candidates of one leaf in rounds, which are pieces of one plan: so many small rounds give the rows of one large one.

    Parameters are those of `generate_candidates`; the plan is of at most `most` candidates.
    """

    def __init__(
        self,
        leaf: str,
        seeds: pl.DataFrame,
        documents: pl.DataFrame,
        spec: GenerationSpec,
        teachers: Sequence[Teacher],
        ledger: Ledger,
        seed: int,
        *,
        judge: Teacher | None = None,
        spending: Spending | None = None,
        progress: Progress | None = None,
        watch: Watch | None = None,
        most: int | None = None,
        personal_data: PersonalDataSpec | None = None,
    ) -> None:
        material = select_material(leaf, seeds, documents)
        self.recipe = make_recipe(material, spec, teachers, judge, seed)
        self.most = spec.candidates_per_leaf if most is None else most
        self._source = Source(ledger, Spending() if spending is None else spending)
        self._drafts = plan_drafts(material, self.recipe, self.most)
        self._sink = _Sink(self.recipe, personal_data or PersonalDataSpec(), progress, watch)
        models = [*self.recipe.teachers, *([self.recipe.judge] if self.recipe.judge else [])]
        self._served = {model.served for model in models if model.served is not None}
        self._writers = WRITERS_OF_A_SLOT * sum(teacher.in_flight for teacher in {*teachers} if isinstance(teacher, Served))
        windows = [model.teacher.window for model in models if not isinstance(model.teacher, Served)]
        self._window = max(windows, default=None)
        self._width = self.recipe.count_slots()

    def round_up(self, candidates: int) -> int:
        """The first whole round from `candidates` on: whole units, and, for a model in this process, whole windows.

        A window that is cut short would be batched otherwise, and another batch may change the last digit of an answer.
        """
        whole = self._width * (self._window or 1)
        return min(-(-candidates // whole) * whole, self.most)

    def write(self, candidates: int) -> pl.DataFrame:
        """The first `candidates` candidates of the plan, a whole round or all; those of earlier rounds are not written again."""
        units = -(-candidates // self._width) - -(-self._sink.planned // self._width)
        self._sink.planned = candidates
        try:
            run_in_loop(self._drive(islice(self._drafts, units)))
        except BudgetSpentError:
            # Told anew, as what was in flight has been answered and counted since.
            raise BudgetSpentError(self._source.spending.describe(), f"leaf {self.recipe.leaf}: {self._sink.describe()}") from None
        return self._sink.frame()

    async def _drive(self, drafts: islice[Draft]) -> None:
        sink = self._sink
        try:
            if self._window is None:
                await drive_concurrent(drafts, sink.write, self._source, self._writers, sink.finish)
            else:
                await drive_windows(drafts, sink.write, self._source, self._window, sink.finish)
        finally:
            for teacher in self._served:
                await teacher.close()


class _Sink:
    """Takes finished drafts as rows, and counts the steps that are done."""

    def __init__(self, recipe: Recipe, personal_data: PersonalDataSpec, progress: Progress | None, watch: Watch | None) -> None:
        self.planned = 0
        self._recipe = recipe
        self._personal_data = personal_data
        self._steps = len(recipe.steps)
        self._done = 0
        self._progress = progress
        self._watch = watch
        self._through = {"asked": 0, "parsed": 0, "judged": 0}
        self._rows: list[dict[str, Any]] = []
        self._chunks: list[pl.DataFrame] = []

    def write(self, draft: Draft) -> Writing:
        """The draft's writer."""
        return write(draft, self._recipe, self._tell)

    def finish(self, draft: Draft) -> None:
        """Takes a finished draft."""
        for name, came in (("asked", True), ("parsed", draft.fault is None), ("judged", draft.fault is None and draft.refusal is None)):
            self._through[name] += len(draft.slots) * came
        if self._watch is not None:
            self._watch(self._through)
        self._tell(len(draft.slots) * (self._steps - draft.step))
        self._rows += [{"slot": slot, **row} for slot, row in write_rows(draft, self._recipe, self._personal_data)]
        if len(self._rows) >= CHUNK:
            self._pack()

    def frame(self) -> pl.DataFrame:
        """All rows, in the order of their slots."""
        self._pack()
        return pl.concat(self._chunks).sort("slot").select(*CANDIDATE)

    def describe(self) -> str:
        """How far the candidates that were planned are."""
        share = self._done / max(self.planned * self._steps, 1)
        return f"{self._through['asked']:,} of {self.planned:,} candidates written, {share:.0%} of their steps"

    def _pack(self) -> None:
        self._chunks.append(pl.DataFrame(self._rows, schema={"slot": pl.Int64, **CANDIDATE}))
        self._rows = []

    def _tell(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None and steps:
            self._progress(self._done, self.planned * self._steps)
