"""What a release is made of: checked, put in a fixed order, and named by a digest over all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.line import Line
from factory.line_flows import FLOW_KEYS
from factory.pico.models import name_model
from factory.records import FUNNEL, METRIC, SEED, VERDICT, digest, digest_frame, take_examples
from factory.release.gate_rows import part_history
from factory.reward.calibration import Calibration
from factory.validation.gates import failed_gates
from factory.validation.measured import list_stale


@dataclass(frozen=True)
class Judged:
    """A judge or reward model that the release was made with, and what is known of it from labelled examples: nothing, where it was not
    calibrated. `rubric` is null for a reward model."""

    role: str
    model: str
    rubric: str | None
    calibrations: tuple[Calibration, ...]


@dataclass(frozen=True)
class Contents:
    """Everything that the files of a release show. Frames are sorted, so that the same rows give the same bytes."""

    line: Line
    accepted: pl.DataFrame  # VERDICT
    refused: pl.DataFrame  # VERDICT
    seeds: pl.DataFrame  # SEED, examples alone
    funnel: pl.DataFrame  # FUNNEL
    gates: pl.DataFrame  # METRIC
    teacher: str
    reward_model: str | None
    settings: dict[str, Any]
    seeds_digest: str
    version: str
    topics: int  # given by hand, beside the examples
    judged: tuple[Judged, ...] = ()


def arrange_contents(
    line: Line,
    accepted: pl.DataFrame,
    seeds: pl.DataFrame,
    funnel: pl.DataFrame,
    gates: pl.DataFrame,
    verdicts: pl.DataFrame,
    models: Mapping[str, str],
    judged: Sequence[Judged] = (),
) -> Contents:
    """Checks that the frames may be released, sorts them and names the version.

    `models` gives "teacher" and, where a reward model was asked, "reward" as "<name>@<revision>"; `verdicts` may hold the
    accepted rows beside the refused ones. `judged` is shown on the card and has no part in the version: how well a judge agrees with
    people changes no record.

    Of metrics that compare with the previous release only those that are gates are kept, see `part_history`.

    Raises FactoryError for missing columns, no accepted record, a record that cannot be released, no gate, a failed gate, a report that
    measured other records.
    """
    _check_columns(line, ("accepted", accepted, VERDICT), ("verdicts", verdicts, VERDICT), ("seeds", seeds, SEED))
    _check_columns(line, ("funnel", funnel, FUNNEL), ("gates", gates, METRIC))
    _check_records(line, accepted)
    _check_gates(line, gates, accepted)
    gates, _ = part_history(gates)
    accepted = accepted.sort("leaf", "record_id")
    refused = verdicts.filter(pl.col("verdict") == "rejected").sort("leaf", "record_id")
    seeds = seeds.sort("leaf", "record_id")
    funnel = funnel.sort("leaf")
    gates = _finite(gates).sort("report", "metric", pl.col("subject") != "line", "subject")
    settings = _settings(line, models)
    examples = take_examples(seeds)
    # A comment added to a qna.yaml moves `source` by a line and changes nothing that is released.
    seeds_digest = digest_frame(seeds.drop("source"))
    frames = [digest_frame(frame) for frame in (accepted, refused, funnel, gates)]
    version = "v-" + digest([settings, dict(models), seeds_digest, frames])[:12]
    named = (models["teacher"], models.get("reward"))
    topics = seeds["answer"].null_count()
    return Contents(line, accepted, refused, examples, funnel, gates, *named, settings, seeds_digest, version, topics, tuple(judged))


def _check_columns(line: Line, *frames: tuple[str, pl.DataFrame, Mapping[str, Any]]) -> None:
    for name, frame, schema in frames:
        if missing := [column for column in schema if column not in frame.columns]:
            raise FactoryError(
                f"line {line.name}: the {name} frame lacks the columns {', '.join(missing)}; "
                "give the frame as its stage returns it (columns in factory/records.py)."
            )


def _check_records(line: Line, accepted: pl.DataFrame) -> None:
    if accepted.is_empty():
        raise FactoryError(
            f"line {line.name}: no record was accepted, so there is nothing to release. The funnel says which filter refused them; "
            "lower reward.min_goodness, ask for more candidates_per_leaf, or give a stronger teacher."
        )
    text = pl.col("instruction").fill_null("").str.strip_chars() == "", pl.col("response").fill_null("").str.strip_chars() == ""
    faults = {
        "have no instruction or no response": accepted.filter(text[0] | text[1]),
        "were not accepted by the verdict": accepted.filter(pl.col("verdict").ne_missing("accepted")),
        "share their id with another record": accepted.filter(pl.col("record_id").is_duplicated()),
    }
    for what, rows in faults.items():
        if not rows.is_empty():
            ids = ", ".join(rows["record_id"].unique().sort().head(5))
            raise FactoryError(
                f"line {line.name}: {rows.height} of {accepted.height} records to release {what} (first ids: {ids}); "
                "release only the accepted frame of the reward stage."
            )


def _check_gates(line: Line, gates: pl.DataFrame, accepted: pl.DataFrame) -> None:
    if stale := list_stale(gates, accepted):
        raise FactoryError(
            f"line {line.name}: not released: the {' and the '.join(stale)} report{'' if len(stale) == 1 else 's'} in the gate table "
            f"measured other records than the {accepted.height} to release. Make fidelity, privacy, fairness, collapse and gates again, as "
            f"`factory run {line.name}` does, and then the release."
        )
    decided = gates.filter(pl.col("threshold").is_not_null())
    if decided.is_empty():
        raise FactoryError(
            f"line {line.name}: the gate table holds no gate, so nothing says that these records may be released; "
            "run the validation stage and give what decide_gates returns."
        )
    failed = failed_gates(gates)
    if failed.is_empty():
        return
    lines = [f"  {_explain_gate(row)}" for row in failed.sort("report", "metric", "subject").iter_rows(named=True)]
    count = f"{failed.height} gate{'' if failed.height == 1 else 's'}"
    raise FactoryError(
        "\n".join(
            [
                f"line {line.name}: not released, {count} of {decided.height} failed. Mend the data, or let a named person waive the "
                "gate, with a reason and a last day, under validation.waivers:",
                *lines,
            ]
        )
    )


def _explain_gate(row: Mapping[str, Any]) -> str:
    interval = "" if row["low"] is None else f" [{row['low']:.4g}, {row['high']:.4g}]"
    value = "not measured" if row["value"] is None else f"{row['value']:.4g}{interval}"
    subject = "the line" if row["subject"] == "line" else row["subject"]
    bound = "at most" if row["direction"] == "max" else "at least"
    return f"{row['report']}.{row['metric']} of {subject}: {value}, must be {bound} {row['threshold']:.4g}"


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    """JSON has no NaN and no infinity: a value that is not finite was not measured."""
    columns = [name for name, kind in frame.schema.items() if kind.is_float()]
    return frame.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in columns)


def _describe_teacher(section: Mapping[str, Any]) -> dict[str, Any]:
    """A TeacherSpec for the readers of a release: names instead of paths, and of its server only that there is one."""
    told = {key: value for key, value in section.items() if key not in {"server", "batch_size"}}
    paths = {key: Path(told[key]).name for key in ("model", "adapter") if told[key] and Path(told[key]).is_absolute()}
    return told | paths | {"served": section["server"] is not None}


def _describe_judge(section: Mapping[str, Any]) -> dict[str, Any]:
    return _describe_teacher(section) | {"rubric": Path(section["rubric"]).stem}


def _settings(line: Line, models: Mapping[str, str]) -> dict[str, Any]:
    """The sections of the line that shaped the records; models by revision, and no path of the machine that ran it."""
    settings = line.model_dump(mode="json", include={"name", "description", "seed", "generation", "reward", "validation"})
    settings["seeds"] = line.seeds.describe()
    if line.mixing.greatest_depth is not None:  # nothing else of that section shapes a record
        settings["mixing"] = {"greatest_depth": line.mixing.greatest_depth}
    generation = settings["generation"]
    generation.pop("budget")  # it shapes no record
    generation["teacher"] = _describe_teacher(generation["teacher"]) | {"model": models["teacher"]}
    generation["teachers"] = [_describe_teacher(teacher) for teacher in generation["teachers"]]
    generation["judge"] = generation["judge"] and _describe_teacher(generation["judge"])
    generation["flows"] = {pattern: Path(flow).stem for pattern, flow in generation["flows"].items()}
    generation |= {kind: Path(generation[kind]).stem for kind in FLOW_KEYS}
    reward = {key: value for key, value in settings["reward"].items() if key not in {"server", "batch_size"}}
    settings["reward"] = reward | {
        "model": models.get("reward"),
        "served": settings["reward"]["server"] is not None,
        "judges": [_describe_judge(judge) for judge in reward["judges"]],
        "contamination": reward["contamination"] | {"sets": sorted(reward["contamination"]["sets"])},
        "semantic": reward["semantic"] and reward["semantic"] | {"embedder": name_model(reward["semantic"]["embedder"])},
        "pairs": reward["pairs"] | {"judge": reward["pairs"]["judge"] and _describe_judge(reward["pairs"]["judge"])},
    }
    return settings
