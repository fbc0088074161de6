"""What is trained on: a line's newest release, and what its policy mixes in of earlier releases and real examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from factory.faults import FactoryError
from factory.line import Line
from factory.mixing_spec import MOST_TIMES
from factory.personal_data.records import list_types
from factory.personal_data.spec import PersonalDataSpec
from factory.records import MIXED, TURNS, take_examples
from factory.reward.copies import find_copies
from factory.reward_spec import RewardSpec
from factory.seeds.licences import admits
from factory.seeds_spec import UNKNOWN
from factory.validation.text import words

REASONS: Final = ("duplicate", "licence", "too_deep", "personal_data", "contaminated", "holdout_overlap", "too_little_real")
"""Why a row that the policy asks for is not trained on.

duplicate: the same record as another row, or the same texts. licence, too_deep: of a release that was made when the line still took
such. personal_data: holds some. contaminated, holdout_overlap: as in the verdict. too_little_real: beside it the share of real data would
not hold.
"""
TEXTS: Final = ("instruction", "context", "response", "turns")
GIVEN: Final = tuple(name for name in MIXED if name not in {"origin", "release", "words", "times"})
"""Columns of MIXED that records of a release have."""
LEFT_OUT: Final[dict[str, Any]] = {"origin": pl.String, "reason": pl.String, "records": pl.Int64, "words": pl.Int64}

Reasons = dict[str, str]
"""By record id."""


@dataclass(frozen=True)
class Mix:
    """`rows` (records.MIXED) by leaf and record id, and how much of what the policy asks for was left out (LEFT_OUT)."""

    rows: pl.DataFrame
    left_out: pl.DataFrame


def mix_records(line: Line, version: str, released: pl.DataFrame, seeds: pl.DataFrame, earlier: Mapping[str, pl.DataFrame]) -> Mix:
    """The rows that the students of `line` are trained on, whatever the order of the rows given.

    `released` are the records of its newest release, `version`; `earlier` those of the releases before it by version, the newest first;
    `seeds` its SEED rows. What is not of the newest release is looked over by the line as it is now, of which it has passed no gate: see
    REASONS. Where the line asks for a share of real data every real example is read once, then all of them twice and so on up to
    MOST_TIMES; what still lacks is made up by leaving out records: of earlier releases first, of each release and leaf the same share, and
    the least good of them. With the policy "replace" and no share, the rows are the release.
    Raises FactoryError where real data are asked for and no seed example can be read, and what looking for copies raises.
    """
    spec = line.mixing
    own = _mark(released, "release", version)
    real = [_read_examples(seeds)] if spec.least_real_share else []
    before = [_mark(records, "earlier", at) for at, records in earlier.items()] if spec.policy == "accumulate" else []
    others = _sift(line, own, pl.concat([own.clear(), *real, *before]), seeds)
    rows = pl.concat([own.with_columns(reason=pl.lit(None, pl.String)), others])
    if spec.least_real_share:
        rows = _hold_share(rows, spec.least_real_share)
    kept, left = rows.filter(pl.col("reason").is_null()), rows.filter(pl.col("reason").is_not_null())
    counted = left.group_by("origin", "reason").agg(records=pl.len(), words=pl.col("words").sum()).sort("origin", "reason")
    return Mix(kept.select(*MIXED).sort("leaf", "record_id"), counted.select(pl.col(name).cast(kind) for name, kind in LEFT_OUT.items()))


def measure_real_share(rows: pl.DataFrame) -> float | None:
    """Share of the words of MIXED rows, as often as they are read, that people wrote (depth 0); None where there are none."""
    read = rows.select(real=pl.col("depth") == 0, words=pl.col("words") * pl.col("times"))
    total = int(read["words"].sum())
    return int(read.filter("real")["words"].sum()) / total if total else None


def repeat_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """MIXED rows as one pass over the data reads them: each as often as its `times` says, which are 1 then."""
    return rows[np.repeat(np.arange(rows.height), rows["times"].to_numpy())].with_columns(times=pl.lit(1, MIXED["times"]))


def count_mixed(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """Of MIXED rows by a column: how many, how often they are read, the words of that, and their share in all."""
    read = (pl.col("words") * pl.col("times")).sum()
    counted = rows.group_by(by).agg(records=pl.len(), read=pl.col("times").sum(), words=read).sort(by, nulls_last=True)
    return counted.with_columns(share=pl.col("words") / pl.col("words").sum())


def _mark(records: pl.DataFrame, origin: str, release: str | None) -> pl.DataFrame:
    """Records as MIXED rows, each read once, by id."""
    said = pl.col("turns").list.eval(pl.element().struct.field("content")).list.join("\n")
    both = pl.concat_str("instruction", "response", separator="\n")
    rows = records.select(*GIVEN, origin=pl.lit(origin), release=pl.lit(release, pl.String), times=pl.lit(1), said=pl.coalesce(said, both))
    rows = rows.with_columns(words=words("said").list.len())
    return rows.select(pl.col(name).cast(kind) for name, kind in MIXED.items()).sort("record_id")


def _read_examples(seeds: pl.DataFrame) -> pl.DataFrame:
    """The examples that a teacher may be shown: no held-out one, no topic, no canary."""
    examples = take_examples(seeds).filter(split="seed").rename({"question": "instruction", "answer": "response"})
    return _mark(examples.with_columns(turns=pl.lit(None, TURNS), goodness=pl.lit(None, pl.Float64)), "real", None)


def _sift(line: Line, own: pl.DataFrame, others: pl.DataFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """`others` with the first `reason` why each is not trained on beside `own`; null where it is. Of the same ones the first stays."""
    known = pl.col("record_id").is_in(own["record_id"].implode()) | ~pl.col("record_id").is_first_distinct()
    rows = others.with_columns(reason=pl.when(known).then(pl.lit("duplicate")))
    finders: tuple[Callable[[pl.DataFrame], Reasons], ...] = (
        lambda rows: _find_unlicensed(rows, line.seeds.licences.allow),
        lambda rows: _find_deep(rows, line.mixing.greatest_depth),
        lambda rows: _find_personal_data(rows, line.validation.personal_data),
        lambda rows: _find_copies(rows, seeds, line.reward),
        lambda rows: _find_same(rows, own),
    )
    for find in finders:
        asked = rows.filter(pl.col("reason").is_null())
        found = find(asked) if asked.height else {}
        told = pl.DataFrame({"record_id": [*found], "found": [*found.values()]}, schema={"record_id": pl.String, "found": pl.String})
        rows = rows.join(told, on="record_id", how="left", maintain_order="left")
        rows = rows.with_columns(reason=pl.coalesce("reason", "found")).drop("found")
    return rows


def _find_unlicensed(rows: pl.DataFrame, allow: tuple[str, ...]) -> Reasons:
    refused = [licence for licence in rows["licence"].fill_null(UNKNOWN).unique() if not admits(licence, allow)]
    return dict.fromkeys(rows.filter(pl.col("licence").fill_null(UNKNOWN).is_in(refused))["record_id"], "licence")


def _find_deep(rows: pl.DataFrame, greatest: int | None) -> Reasons:
    return {} if greatest is None else dict.fromkeys(rows.filter(pl.col("depth") > greatest)["record_id"], "too_deep")


def _find_personal_data(rows: pl.DataFrame, spec: PersonalDataSpec) -> Reasons:
    """Whatever the line's policy for its records is: no gate has read these."""
    return dict.fromkeys(list_types(rows, spec.model_copy(update={"policy": "refuse", "policies": {}}), TEXTS), "personal_data")


def _find_copies(rows: pl.DataFrame, seeds: pl.DataFrame, spec: RewardSpec) -> Reasons:
    """Copies of evaluation sets and of held-out examples, told as in the verdict."""
    held_out = take_examples(seeds).filter(split="holdout")
    asked = rows.with_row_index("row").with_columns(instruction_id=pl.lit(None, pl.String), seed=pl.lit(None, pl.Int64))
    copies = find_copies(asked, held_out, spec)
    return {rows["record_id"][row]: reason for row, reason, *_ in copies if reason in {"contaminated", "holdout_overlap"}}


def _find_same(rows: pl.DataFrame, own: pl.DataFrame) -> Reasons:
    """Rows whose texts are those of a row before them."""
    texts = pl.concat([own, rows.select(own.columns)]).select("record_id", texts=pl.struct(TEXTS).struct.json_encode())
    again = texts[own.height :].filter(~texts["texts"].is_first_distinct()[own.height :])
    return dict.fromkeys(again["record_id"], "duplicate")


def _hold_share(rows: pl.DataFrame, least: float) -> pl.DataFrame:
    """The rows with real ones repeated, and of the others so many left out, that `least` of the words to read are real."""
    kept = rows.filter(pl.col("reason").is_null())
    real, synthetic = kept.filter(origin="real"), kept.filter(pl.col("origin") != "real")
    once, others = int(real["words"].sum()), int(synthetic["words"].sum())
    if not once:
        reasons = rows.filter(origin="real").drop_nulls("reason").group_by("reason").len().sort("reason").iter_rows()
        told = ", ".join(f"{count} {reason}" for reason, count in reasons) or "its seeds hold none that is not held out"
        raise FactoryError(
            f"mixing.least_real_share is {least:g}, but there is no real example to train on ({told}). Give the line's leaves examples, "
            "lower `seeds.holdout`, or leave least_real_share out."
        )
    times = next((times for times in range(1, MOST_TIMES) if times * once / (times * once + others) >= least), MOST_TIMES)
    order = _rank_worst(synthetic)
    remaining = others - np.cumsum([0, *order["words"]])
    holds = times * once / (times * once + remaining) >= least
    left_out = order["record_id"][: int(np.argmax(holds))]
    is_real = (pl.col("origin") == "real") & pl.col("reason").is_null()
    is_cut = pl.col("reason").is_null() & pl.col("record_id").is_in(left_out.implode())
    return rows.with_columns(
        times=pl.when(is_real).then(pl.lit(times)).otherwise("times").cast(MIXED["times"]),
        reason=pl.when(is_cut).then(pl.lit("too_little_real")).otherwise("reason"),
    )


def _rank_worst(synthetic: pl.DataFrame) -> pl.DataFrame:
    """In the order in which they are left out: what earlier releases hold first; then by the place among those of the same release and
    leaf, so that each of these loses the same share, and goodness is compared where the same model gave it."""
    by = ("origin", "release", "leaf")
    ranked = synthetic.sort(pl.col("goodness").fill_null(float("-inf")), "record_id")
    place = (pl.int_range(pl.len()).over(by) + 0.5) / pl.len().over(by)
    return ranked.with_columns(place=place).sort(pl.col("origin") == "release", "place", "leaf", "record_id")
