"""Release: the published dataset of a line whose gates passed."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.judges import Bench
from assets.layout import Outcome, Remake, asset_key, line_asset, name_work, read_assets
from assets.pages import show_floats, show_kept, show_plot, show_sample, show_trend
from assets.validation import join_verdicts
from factory.line import Line
from factory.release.contents import Judged
from factory.release.trend import LAST, TREND_FILE, read_trend
from factory.release.writer import publish_release
from factory.reward.calibration_keys import key_of_judge, key_of_reward_model
from factory.reward.funnel import count_funnel
from resources.calibrations import Calibrations
from resources.home import find_home
from resources.keeper import Keeper, Made, take_fingerprint
from resources.models import Models
from resources.tracking import Tracking

RELEASE = {"line": pl.String, "version": pl.String, "folder": pl.String, "digest": pl.String, "records": pl.Int64, "tokens": pl.Int64}
"""Columns of the one row that says what was published."""
CARD, FUNNEL = "card.html", "plots/funnel.png"


def build_release(line: Line) -> list[dg.AssetsDefinition]:
    """The asset `dataset_release`."""
    key = asset_key(line, "dataset_release")

    @line_asset(
        line,
        "dataset_release",
        "release",
        RELEASE,
        "The published dataset: Parquet and chat JSONL with manifest, checksums and data card, in a folder that never changes.",
        ins=read_assets(line, "accepted", "rejected", "seed_examples", "gates"),
        check_specs=specify_checks(key),
    )
    def dataset_release(
        context: dg.AssetExecutionContext,
        config: Remake,
        keeper: Keeper,
        models: Models,
        tracking: Tracking,
        accepted: pl.DataFrame,
        rejected: pl.DataFrame,
        seed_examples: pl.DataFrame,
        gates: pl.DataFrame,
    ) -> Outcome:
        verdicts = join_verdicts(accepted, rejected)
        funnel = count_funnel(verdicts)
        named = _name_models(verdicts)
        keeper.progress.start("dataset_release", 1)

        def publish() -> Made:
            judged = _list_judged(line, named, Bench(line, models, context.run_id))
            release = publish_release(
                find_home().releases, line, accepted, seed_examples, funnel, gates, verdicts, models=named, judged=judged
            )
            row = {name: getattr(release, name) for name in RELEASE} | {"folder": str(release.folder)}
            return Made(pl.DataFrame([row], schema=RELEASE))

        sections = {"name", "description", "seed", "seeds", "generation", "reward", "validation"}
        settings = line.model_dump(mode="json", include=sections) | {"models": named, "root": str(find_home().releases)}
        settings["generation"].pop("budget")  # it shapes no record
        settings["greatest_depth"] = line.mixing.greatest_depth
        kept = keeper.keep(
            key,
            None,
            take_fingerprint(["release"], settings, [accepted, rejected, seed_examples.drop("source"), gates]),
            publish,
            refresh=config.refresh,
            sound=lambda frame: Path(frame["folder"][0]).is_dir(),
        )
        records = read_records(kept.frame)
        points = read_trend(find_home().releases, line.name, last=None)
        if "mlflow_run" not in kept.facts:
            work = name_work(line, "dataset_release", context.run_id)
            kept = keeper.annotate(key, kept, tracking.log_release(work, kept.frame["version"][0], points) or {})
        shown = show_kept(kept) | _show_release(kept.frame, records) | show_trend(points[-LAST:], _list_gates(gates))
        shown |= {"trend_page": dg.MetadataValue.url(trend_url(line.name))}
        shown |= {"mlflow": dg.MetadataValue.url(kept.facts["mlflow_url"])} if "mlflow_url" in kept.facts else {}
        checked = check_frame(key, records)
        return Outcome(metadata=shown, check_results=checked)

    return [dataset_release]


def read_records(release: pl.DataFrame) -> pl.DataFrame:
    """The records of a published release, from its own file."""
    return pl.read_parquet(Path(release["folder"][0]) / "data.parquet")


def card_url(folder: str) -> str:
    """The page of a release's card where `factory ui` serves the cards, which stands at $FACTORY_CARDS_URL."""
    return f"{_cards_server()}/{Path(folder).parent.name}/{Path(folder).name}/{CARD}"


def trend_url(line: str) -> str:
    """The page of a line's releases, where the cards are served."""
    return f"{_cards_server()}/{line}/{TREND_FILE}"


def _cards_server() -> str:
    return os.environ.get("FACTORY_CARDS_URL", "http://127.0.0.1:5001")


def _list_gates(gates: pl.DataFrame) -> list[str]:
    return gates.filter(pl.col("threshold").is_not_null()).select(pl.concat_str("report", pl.lit("."), "metric")).to_series().to_list()


def _name_models(verdicts: pl.DataFrame) -> dict[str, str]:
    """The models that wrote and scored the records, as the records name them."""
    named = {"teacher": verdicts["teacher"], "reward": verdicts["reward_model"]}
    return {role: ", ".join(names) for role, column in named.items() if (names := column.drop_nulls().unique().sort().to_list())}


def _list_judged(line: Line, named: dict[str, str], bench: Bench) -> list[Judged]:
    """The reward model, where one was asked, and the judges, with what `factory calibrate` found of them."""
    known = Calibrations(find_home().calibrations(line.name))
    judged = []
    if reward := named.get("reward"):
        judged.append(Judged("reward model", reward, None, known.find(key_of_reward_model(reward, line.reward))))
    for judge in (*bench.judges, *([bench.comparer] if bench.comparer else [])):
        judged.append(Judged("judge", judge.identity, judge.rubric.name, known.find(key_of_judge(judge))))
    return judged


def _show_release(release: pl.DataFrame, records: pl.DataFrame) -> dict[str, Any]:
    row = release.row(0, named=True)
    return {
        "dagster/row_count": records.height,
        "dagster/uri": row["folder"],
        "version": row["version"],
        "digest": row["digest"],
        "card": dg.MetadataValue.url(card_url(row["folder"])),
        "card_file": dg.MetadataValue.path(str(Path(row["folder"]) / CARD)),
        "sample": show_sample(records),
        "plot": show_plot((Path(row["folder"]) / FUNNEL).read_bytes(), "funnel"),
        **show_floats({"records": row["records"], "tokens": row["tokens"]}),
    }
