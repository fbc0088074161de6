"""Writes the candidates of one leaf: a plan of units, a writer for each draft, a driver for the models that are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from factory.generation.drafts import Draft, Recipe, write_rows
from factory.generation.drivers import drive_concurrent, drive_windows
from factory.generation.ledger import Ledger
from factory.generation.loop import run_in_loop
from factory.generation.models import Served, Teacher
from factory.generation.plan import make_recipe, plan_drafts
from factory.generation.units import select_material
from factory.generation.writers import Writing, write
from factory.line import GenerationSpec
from factory.records import CANDIDATE

CHUNK = 1000
"""Rows that are turned into columns at once: ten thousand candidates as Python objects would be most of a run's memory."""

Progress = Callable[[int, int], None]


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
) -> pl.DataFrame:
    """`spec.candidates_per_leaf` candidates of `leaf` (records.CANDIDATE), in the order of the plan, those refused or not parsed included.

    `seeds` (records.SEED) and `documents` (records.DOCUMENT) may hold other leaves as well, and must where the flow's pool is the line.
    `teachers` are those of `list_teachers(spec)`, in its order; `judge` is the model of `spec.judge`. `seed` is the line's seed number.
    Of what the ledger holds nothing is asked again. `progress(done, total)` counts steps of candidates.
    Raises FactoryError where the leaf has nothing to show, or a model, a flow or the ledger fails; ParkedError where a server is not asked
    for now. What was answered stays stored.
    """
    material = select_material(leaf, seeds, documents)
    recipe = make_recipe(material, spec, teachers, judge, seed)
    sink = _Sink(recipe, spec.candidates_per_leaf, progress)
    drafts = plan_drafts(material, recipe)
    models = [*recipe.teachers, *([recipe.judge] if recipe.judge else [])]
    served = {model.served for model in models if model.served is not None}

    async def drive() -> None:
        try:
            if all(model.served is not None for model in models):
                in_flight = sum(teacher.in_flight for teacher in {*teachers} if isinstance(teacher, Served))
                await drive_concurrent(drafts, sink.write, ledger, in_flight, sink.finish)
            else:
                window = max(model.teacher.window for model in models if not isinstance(model.teacher, Served))
                await drive_windows(drafts, sink.write, ledger, window, sink.finish)
        finally:
            for teacher in served:
                await teacher.close()

    run_in_loop(drive())
    return sink.frame()


class _Sink:
    """Takes finished drafts as rows, and counts the steps that are done."""

    def __init__(self, recipe: Recipe, candidates: int, progress: Progress | None) -> None:
        self._recipe = recipe
        self._steps = len(recipe.steps)
        self._total = candidates * self._steps
        self._done = 0
        self._progress = progress
        self._rows: list[dict[str, Any]] = []
        self._chunks: list[pl.DataFrame] = []

    def write(self, draft: Draft) -> Writing:
        """The draft's writer."""
        return write(draft, self._recipe, self._tell)

    def finish(self, draft: Draft) -> None:
        """Takes a finished draft."""
        self._tell(len(draft.slots) * (self._steps - draft.step))
        self._rows += [{"slot": slot, **row} for slot, row in write_rows(draft, self._recipe)]
        if len(self._rows) >= CHUNK:
            self._pack()

    def frame(self) -> pl.DataFrame:
        """All rows, in the order of their slots."""
        self._pack()
        return pl.concat(self._chunks).sort("slot").select(*CANDIDATE)

    def _pack(self) -> None:
        self._chunks.append(pl.DataFrame(self._rows, schema={"slot": pl.Int64, **CANDIDATE}))
        self._rows = []

    def _tell(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None and steps:
            self._progress(self._done, self._total)
