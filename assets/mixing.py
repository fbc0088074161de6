"""Mixing: what students are trained on, the newest release with what the line mixes in, measured before anything reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, publish_docs, specify_checks
from assets.layout import Outcome, Remake, asset_key, line_asset, read_assets
from assets.pages import show_floats, show_kept, show_table
from assets.release import read_records
from factory.line import Line
from factory.mixing_spec import MixingSpec
from factory.personal_data.settings import describe_finder
from factory.records import MIXED, digest_frame
from factory.release.history import list_earlier, read_released
from factory.release.manifest import read_manifest, verify_release
from factory.reward.settings import describe_verdict
from factory.training import count_mixed, measure_real_share, mix_records
from factory.training.mixing import GIVEN, LEFT_OUT
from resources.home import find_home
from resources.keeper import Keeper, Kept, Made, take_fingerprint

SAMPLES = 2
"""Rows of each origin that the page shows."""


def build_mixing(line: Line) -> dg.AssetsDefinition:
    """The asset `training_mix`."""
    key, spec = asset_key(line, "training_mix"), line.mixing

    @line_asset(
        line,
        "training_mix",
        "training",
        MIXED,
        "What students are trained on: the records of the newest release, and what the line mixes in of its earlier releases and of the "
        "seed examples, with how often a pass over the data reads each.",
        ins=read_assets(line, "dataset_release", "seed_examples"),
        check_specs=[*specify_checks(key), *specify_bounds(key, spec)],
    )
    def training_mix(config: Remake, keeper: Keeper, dataset_release: pl.DataFrame, seed_examples: pl.DataFrame) -> Outcome:
        version = dataset_release["version"][0]
        released, seeds = read_records(dataset_release), seed_examples.drop("source")
        before = list_earlier(find_home().releases, line.name, version) if spec.policy == "accumulate" else []
        keeper.progress.start("training_mix", 1)

        def mix() -> Made:
            made = mix_records(line, version, released, seeds, {folder.name: _read_sound(folder) for folder in before})
            return Made(made.rows, {"left_out": made.left_out.to_dicts()})

        fingerprint = take_fingerprint(
            ["training/mixing", "validation/text", *([] if spec.release_alone else ["reward", "personal_data"])],
            [version, spec.model_dump(), [read_manifest(folder).digest for folder in before], _describe_others(line)],
            [released] if spec.release_alone else [released, seeds],
        )
        kept = keeper.keep(key, None, fingerprint, mix, refresh=config.refresh)
        checked = [*check_frame(key, kept.frame), *check_bounds(key, spec, kept.frame)]
        return Outcome(metadata=show_kept(kept) | _show_mix(kept) | publish_docs(line.name), check_results=checked)

    return training_mix


def name_mix(rows: pl.DataFrame) -> str:
    """Names what students are trained on: a digest of its rows."""
    return digest_frame(rows)


def is_mixed(rows: pl.DataFrame, facts: Mapping[str, Any]) -> bool:
    """Whether it is anything but the newest release and all of that; `facts` are those of the stored frame."""
    return rows["origin"].ne("release").any() or any(row["origin"] == "release" for row in facts["left_out"])


def describe_mix(rows: pl.DataFrame, facts: Mapping[str, Any]) -> str:
    """What was trained on, in a line; `facts` are those of the stored frame."""
    many: dict[str, int] = dict(rows.group_by("origin").len().iter_rows())
    times = rows["times"].to_numpy().max(initial=1)
    told = [f"{many.get('release', 0):,} records of the release"]
    told += [f"{many['earlier']:,} of earlier ones"] if "earlier" in many else []
    told += [f"{many['real']:,} real examples{f' {times} times' if times > 1 else ''}"] if "real" in many else []
    left_out = sum(row["records"] for row in facts["left_out"] if row["reason"] != "duplicate")
    return f"{', '.join(told)}; {measure_real_share(rows) or 0.0:.1%} of the words real; {left_out:,} left out"


def _read_sound(folder: Path) -> pl.DataFrame:
    verify_release(folder)
    return read_released(folder, list(GIVEN))


def _describe_others(line: Line) -> list[Any]:
    """What rows that are not of the newest release are looked over by."""
    if line.mixing.release_alone:
        return []
    return [describe_verdict(line.reward), describe_finder(line.validation.personal_data), line.seeds.licences.allow]


def specify_bounds(key: dg.AssetKey, spec: MixingSpec) -> list[dg.AssetCheckSpec]:
    """The blocking checks of what the line asks of its mix, beside those of its suite."""
    share = f"At least {spec.least_real_share:g} of the words to train on were written by people."
    depth = f"No row is of a depth above {spec.greatest_depth}." if spec.greatest_depth else "The line bounds no depth."
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=told) for name, told in (("real_share", share), ("depth", depth))]


def check_bounds(key: dg.AssetKey, spec: MixingSpec, rows: pl.DataFrame) -> list[dg.AssetCheckResult]:
    """Measured of the rows themselves, whatever made them."""
    share, deepest, most = measure_real_share(rows) or 0.0, float(rows["depth"].to_numpy().max(initial=0)), spec.greatest_depth
    return [
        dg.AssetCheckResult(
            passed=share >= spec.least_real_share,
            check_name="real_share",
            asset_key=key,
            description=f"{share:.4g} of the words to train on were written by people, must be at least {spec.least_real_share:g}",
            metadata=show_floats({"score": share, "threshold": spec.least_real_share}),
        ),
        dg.AssetCheckResult(
            passed=most is None or deepest <= most,
            check_name="depth",
            asset_key=key,
            description=f"the greatest depth is {deepest:g}" + (f", must be at most {most}" if most else ""),
            metadata=show_floats({"score": deepest, "threshold": most}),
        ),
    ]


def _show_mix(kept: Kept) -> dict[str, Any]:
    rows, left_out = kept.frame, pl.DataFrame(kept.facts["left_out"], schema=LEFT_OUT)
    tables = {f"by_{column}": count_mixed(rows, column) for column in ("origin", "release", "depth")} | {"left_out": left_out}
    sample = rows.group_by("origin", maintain_order=True).head(SAMPLES).sort("origin", maintain_order=True)
    counts: dict[str, Any] = {"records": rows.height, "read": rows["times"].sum(), "words": (rows["words"] * rows["times"]).sum()}
    return {
        "mix": name_mix(rows),
        **{name: show_table(table, table.columns, rows=table.height) for name, table in tables.items()},
        "sample": show_table(sample, ["origin", "release", "times", "leaf", "instruction", "response"], rows=sample.height),
        **show_floats(counts | {"real_share": measure_real_share(rows), "left_out_records": left_out["records"].sum()}),
    }
