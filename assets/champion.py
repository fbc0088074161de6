"""The last asset of training: which students were judged, and which of them is champion."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.layout import Outcome, asset_key, line_asset, read_assets
from assets.pages import show_floats, show_table
from factory.line import Line
from factory.records import digest, digest_frame, empty
from factory.training import decide_promotion
from factory.training_spec import PhaseSpec
from resources.keeper import Keeper
from resources.store import Stamp
from resources.tracking import Tracking

CHAMPION: dict[str, Any] = {
    "student": pl.String,  # revision of the student that was judged
    "rival": pl.String,  # revision of the champion that it was compared with; null where it was the base
    "problems": pl.String,  # digest of the evaluation problems
    "promoted": pl.Boolean,
    "reason": pl.String,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "model": pl.String,  # folder of the student
    "release": pl.String,
    "mix": pl.String,  # digest of what the student was trained on; null for one that was judged before there were mixes
}
"""One judged student a row, in the order in which they were judged; the last promoted one is champion."""


def student_name(phase: PhaseSpec) -> str:
    """Name of the asset of a phase."""
    return f"student_{phase.name}"


def build_champion(line: Line) -> dg.AssetsDefinition:
    """The asset `champion`."""
    key = asset_key(line, "champion")

    @line_asset(
        line,
        "champion",
        "training",
        CHAMPION,
        "Every judged student of the line, in order. A student becomes champion only by beating the champion (the first one, the base) "
        "on the evaluation problems: the whole interval of the difference must lie above 0.",
        ins=read_assets(line, "evaluation") | {"student": dg.AssetIn(asset_key(line, student_name(line.training.plan[-1])))},
    )
    def champion(keeper: Keeper, tracking: Tracking, student: pl.DataFrame, evaluation: pl.DataFrame) -> Outcome:
        keeper.progress.start("champion", 1)
        history = read_champions(keeper, line)
        tuned = student.row(0, named=True)
        # A home that was moved holds the same students in other folders.
        here = pl.when(pl.col("student") == tuned["revision"]).then(pl.lit(tuned["model"])).otherwise(pl.col("model"))
        history = history.with_columns(model=here)
        judged = history.filter(student=tuned["revision"], problems=digest_ids(evaluation.filter(model="tuned")["problem_id"]))
        if judged.is_empty() and tuned["revision"] != find_champion(history):
            history = pl.concat([history, _judge(tuned, find_champion(history), evaluation)])
        crowned = _crown(line, keeper, tracking, history)
        keeper.store.write(key, None, history, Stamp("", digest_frame(history), {"crowned": crowned}))
        keeper.progress.finish("champion", "", history.height, 0.0, reused=not judged.is_empty())
        row = history.filter(student=tuned["revision"]).row(-1, named=True)
        return Outcome(
            metadata={
                "dagster/row_count": history.height,
                "champion": find_champion(history) or "none",
                "decision": row["reason"],
                "registered_version": crowned or "none",
                "history": show_table(history.reverse(), ["student", "rival", "promoted", "difference", "low", "high", "release"], rows=20),
                **show_floats({name: row[name] for name in ("difference", "low", "high")}),
            }
        )

    return champion


def read_champions(keeper: Keeper, line: Line) -> pl.DataFrame:
    """Every judged student of the line so far (CHAMPION); a column that another version of this program added is null in older rows."""
    stored = keeper.store.read(asset_key(line, "champion"), None)
    return empty(CHAMPION) if stored is None else pl.concat([empty(CHAMPION), stored], how="diagonal")


def find_champion(history: pl.DataFrame) -> str | None:
    """Revision of the champion: the last promoted student whose model is still there."""
    promoted = history.filter("promoted")
    there = [row["student"] for row in promoted.iter_rows(named=True) if (Path(row["model"]) / "config.json").is_file()]
    return there[-1] if there else None


def _judge(tuned: dict[str, Any], rival: str | None, evaluation: pl.DataFrame) -> pl.DataFrame:
    decision = decide_promotion(evaluation, champion_present=rival is not None)
    row = {
        "student": tuned["revision"],
        "rival": rival,
        "problems": digest_ids(evaluation.filter(model="tuned")["problem_id"]),
        "promoted": decision.promote,
        "reason": decision.reason,
        "difference": decision.comparison.difference,
        "low": decision.comparison.low,
        "high": decision.comparison.high,
        "model": tuned["model"],
        "release": tuned["release"],
        "mix": tuned["mix"],
    }
    return pl.DataFrame([row], schema=CHAMPION)


def _crown(line: Line, keeper: Keeper, tracking: Tracking, history: pl.DataFrame) -> str | None:
    """Tells MLflow's registry who is champion, where it does not know yet; the version that it knows as champion."""
    stored = keeper.store.stamp(asset_key(line, "champion"), None)
    known = stored.facts.get("crowned") if stored else None
    facts = keeper.facts(asset_key(line, student_name(line.training.plan[-1])))
    newest = history.row(-1, named=True)
    version = facts.get("mlflow_version")
    if not newest["promoted"] or newest["student"] != find_champion(history) or version is None or version == known:
        return known
    return version if tracking.crown(facts["mlflow_model"], version) else known


def digest_ids(ids: Iterable[str]) -> str:
    """Names a set of problems."""
    return digest(sorted(ids))


def find_folder(history: pl.DataFrame, student: str | None) -> str | None:
    """Where a judged student lies; None for no student."""
    rows = history.filter(student=student) if student else history.clear()
    return None if rows.is_empty() else str(rows["model"][-1])
