"""The last asset of training: which students were judged, which of them is champion, and what MLflow is told of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.layout import Outcome, asset_key, line_asset, name_work, read_assets
from assets.pages import show_floats, show_table
from assets.standing import examine_standing
from factory.line import Line
from factory.records import digest, digest_frame, empty
from factory.training import Standing, decide_promotion
from factory.training_spec import PhaseSpec
from resources.keeper import Keeper
from resources.store import Stamp
from resources.tracking import Decision, Tracking

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
    "obstacles": pl.String,  # what kept it from becoming champion whatever it scored; null where nothing did
}
"""One judged student a row, in the order in which they were judged; the last promoted one is champion."""


FIGURES = ("difference", "low", "high")
"""Of the comparison that decided."""


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
        "on the evaluation problems: the whole interval of the difference must lie above 0, and every gate and check of what it was "
        "trained on must have passed.",
        ins=read_assets(line, "evaluation", "training_mix")
        | {"student": dg.AssetIn(asset_key(line, student_name(line.training.plan[-1])))},
    )
    def champion(
        context: dg.AssetExecutionContext,
        keeper: Keeper,
        tracking: Tracking,
        student: pl.DataFrame,
        evaluation: pl.DataFrame,
        training_mix: pl.DataFrame,
    ) -> Outcome:
        keeper.progress.start("champion", 1)
        before = read_champions(keeper, line)
        tuned = student.row(0, named=True)
        # A home that was moved holds the same students in other folders.
        here = pl.when(pl.col("student") == tuned["revision"]).then(pl.lit(tuned["model"])).otherwise(pl.col("model"))
        history = _judge(before.with_columns(model=here), tuned, evaluation, examine_standing(line, tuned, training_mix))
        row = history.filter(student=tuned["revision"]).row(-1, named=True)
        told = _tell_mlflow(tracking, line, context.run_id, keeper, history, row)
        keeper.store.write(key, None, history, Stamp("", digest_frame(history), told))
        keeper.progress.finish("champion", "", history.height, 0.0, reused=history.height == before.height)
        return Outcome(
            metadata={
                "dagster/row_count": history.height,
                "champion": find_champion(history) or "none",
                "decision": row["reason"],
                "registered_version": told["crowned"] or "none",
                "mlflow": dg.MetadataValue.url(told["url"]) if told["url"] else "not told (see the run's log)",
                "history": show_table(history.reverse(), ["student", "rival", "promoted", "difference", "low", "high", "release"], rows=20),
                **show_floats({name: row[name] for name in FIGURES}),
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


def find_settled(history: pl.DataFrame, student: str, problems: str) -> pl.DataFrame:
    """The decisions on a student by those problems that its scores alone made: such a one stands, and is not made again."""
    return history.filter(pl.col("obstacles").is_null(), student=student, problems=problems)


def _judge(history: pl.DataFrame, tuned: dict[str, Any], evaluation: pl.DataFrame, standing: Standing) -> pl.DataFrame:
    """The history with the decision on the student, where it is new: one that met obstacles is judged again once they are others."""
    problems, rival = digest_ids(evaluation.filter(model="tuned")["problem_id"]), find_champion(history)
    obstacles = "; ".join(standing.obstacles) or None
    last = history.filter(student=tuned["revision"], problems=problems)["obstacles"].to_list()[-1:]
    if tuned["revision"] == rival or last in ([None], [obstacles]):
        return history
    decision = decide_promotion(evaluation, rival is not None, standing + _note_lost(history, rival))
    row = {
        "student": tuned["revision"],
        "rival": rival,
        "problems": problems,
        "promoted": decision.promote,
        "reason": decision.reason,
        **{name: getattr(decision.comparison, name) for name in FIGURES},
        **{name: tuned[name] for name in ("model", "release", "mix")},
        "obstacles": obstacles,
    }
    return pl.concat([history, pl.DataFrame([row], schema=CHAMPION)])


def _note_lost(history: pl.DataFrame, rival: str | None) -> Standing:
    """Says that the last champion's model is gone, so that the one before it, or the base, was the rival."""
    last = history.filter("promoted").row(-1, named=True) if history["promoted"].any() else None
    if last is None or last["student"] == rival:
        return Standing()
    instead = f"champion {rival}" if rival else "base"
    gone = f"the last champion, {last['student']} of release {last['release']}, is no longer in {last['model']}"
    return Standing(notes=(f"{gone}, so it was compared with the {instead}",))


def _tell_mlflow(
    tracking: Tracking, line: Line, run_id: str, keeper: Keeper, history: pl.DataFrame, row: dict[str, Any]
) -> dict[str, str | None]:
    """What MLflow knows by now: the decision that it was `told` of, the `url` of that, who is `crowned` there and as which version.

    It is told what it does not know yet, so that what failed is told by the next run. The alias goes to the last student that was
    promoted, and moves for nothing else.
    """
    facts = keeper.facts(asset_key(line, "champion"))
    told = {name: facts.get(name) for name in ("told", "url", "crowned", "crowned_student")}
    registered = "mlflow_version" in keeper.facts(asset_key(line, student_name(line.training.plan[-1])))
    mark = digest([row["student"], row["problems"], row["reason"]])
    if told["told"] != mark:
        decision = Decision(row["student"], row["promoted"], row["reason"], show_floats({name: row[name] for name in FIGURES}))
        if logged := tracking.log_decision(name_work(line, "champion", run_id), decision):
            told |= {"told": mark if registered else None, "url": logged["mlflow_url"]}
    promoted = history.filter("promoted")["student"].to_list()
    if promoted and told["crowned_student"] != promoted[-1] and (version := tracking.crown(line.name, promoted[-1])):
        told |= {"crowned": version, "crowned_student": promoted[-1]}
    return told


def digest_ids(ids: Iterable[str]) -> str:
    """Names a set of problems."""
    return digest(sorted(ids))


def find_folder(history: pl.DataFrame, student: str | None) -> str | None:
    """Where a judged student lies; None for no student."""
    rows = history.filter(student=student) if student else history.clear()
    return None if rows.is_empty() else str(rows["model"][-1])
