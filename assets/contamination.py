"""Which evaluation problems are left out because training read them: looked for before any model is asked."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from assets.layout import asset_key
from assets.pages import show_floats, show_table
from factory.line import Line
from factory.pico.models import model_revision
from factory.records import digest
from factory.training import Problem, find_contaminated, find_emptied, leave_out, list_trained
from resources.keeper import Keeper, Kept, Made, take_fingerprint

SHOWN = 20
"""Contaminated problems that the page lists."""


def reads_pairs(line: Line) -> bool:
    """Whether a phase of the line reads preference pairs."""
    return any(phase.method != "sft" for phase in line.training.plan)


def keep_contaminated(
    line: Line, keeper: Keeper, problems: Sequence[Problem], mix: pl.DataFrame, pairs: pl.DataFrame | None, *, refresh: bool
) -> Kept:
    """The problems that stand in the mix, or in the pairs where a phase reads them (CONTAMINATED rows), kept as long as these stay.

    Facts: `leaves_lost`, which have no other problem. Raises FactoryError where none is left of all.
    """
    trained, spec = list_trained(mix, pairs), line.reward
    semantic = spec.semantic and [model_revision(spec.semantic.embedder), spec.semantic.similarity]

    def find() -> Made:
        contaminated = find_contaminated(problems, trained, spec)
        return Made(contaminated, {"leaves_lost": find_emptied(problems, leave_out(problems, contaminated))})

    fingerprint = take_fingerprint(
        ["training/contamination", "reward"],
        [digest([asdict(problem) for problem in problems]), spec.near_duplicate, spec.contamination.ngram, semantic],
        [trained],
    )
    return keeper.keep(asset_key(line, "evaluation"), "contaminated", fingerprint, find, refresh=refresh)


def name_contaminated(kept: Kept) -> dict[str, float]:
    """How many are left out: of all, by origin, and '<leaf>/contaminated' of each leaf that has some."""
    rows = kept.frame
    figures = {"contaminated": rows.height} | {f"contaminated_{name}": rows.filter(origin=name).height for name in ("holdout", "fresh")}
    return show_floats(figures | {f"{leaf}/contaminated": count for leaf, count in rows.group_by("leaf").len().sort("leaf").iter_rows()})


def show_contaminated(kept: Kept) -> dict[str, Any]:
    """The tables of the evaluation's page, and the leaves that have no problem left; nothing where none is left out."""
    if kept.frame.is_empty():
        return {}
    by = ["leaf", "origin", "reason"]
    counted = kept.frame.group_by(by).len(name="problems").sort(by)
    return {
        "contamination": show_table(counted, counted.columns, rows=counted.height),
        "contaminated_problems": show_table(kept.frame, kept.frame.columns[1:], rows=SHOWN),
        "leaves_lost": ", ".join(kept.facts["leaves_lost"]) or "none",
    }
