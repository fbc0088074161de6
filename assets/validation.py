"""Validation: four reports over the accepted records, and the gates that keep a bad line from release."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.checks import check_frame, specify_checks
from assets.counterfactuals import build_counterfactuals
from assets.layout import Outcome, Remake, asset_key, line_asset, read_assets
from assets.pages import show_floats, show_kept, show_table, show_trend
from factory.line import Line
from factory.personal_data.settings import describe_finder
from factory.pico.models import identify_model
from factory.records import METRIC, empty
from factory.release.history import find_previous, read_released
from factory.release.trend import add_present, read_trend
from factory.validation.evidence import TEXTS, Evidence
from factory.validation.gates import choose_gates, decide_gates, failed_gates, list_expired
from factory.validation.metric import LINE
from factory.validation.metric import Report as ReportName
from factory.validation.reports import measure_report
from factory.validation_spec import ValidationSpec
from resources.home import find_home
from resources.keeper import Keeper, Made, take_fingerprint

SHOWN = ["report", "metric", "subject", "value", "low", "high", "threshold", "passed", "severity", "waived_by", "waived_until", "size"]


@dataclass(frozen=True)
class Report:
    """An asset that measures frames of the line, called by the names of their assets."""

    description: str
    reads: tuple[str, ...]
    gather: Callable[[dict[str, pl.DataFrame], ValidationSpec], Evidence]
    looks_back: bool = False  # it reads the line's previous release too, as the frame "previous"


REPORTS: dict[ReportName, Report] = {
    "fidelity": Report(
        "How far lengths, vocabulary and attributes of the accepted records are from those of the real seeds.",
        ("accepted", "seed_examples"),
        lambda frames, spec: Evidence(frames["accepted"], frames["seed_examples"], embedder=spec.embedder),
    ),
    "privacy": Report(
        "Personal data in the accepted records, text that they share with seeds and documents, and planted canaries that came back; "
        "the same of both sides of the preference pairs.",
        ("accepted", "rejected", "preference_pairs", "seed_examples", "seed_documents"),
        lambda frames, spec: Evidence(
            frames["accepted"],
            frames["seed_examples"],
            frames["seed_documents"],
            join_verdicts(frames["accepted"], frames["rejected"]),
            frames["preference_pairs"],
            personal_data=spec.personal_data,
        ),
    ),
    "fairness": Report(
        "Shares and acceptance by leaf, language and declared group.",
        ("accepted", "rejected", "seed_examples"),
        lambda frames, spec: Evidence(
            frames["accepted"],
            frames["seed_examples"],
            verdicts=join_verdicts(frames["accepted"], frames["rejected"]),
            population=spec.population,
            counterfactuals=frames.get("counterfactuals"),
        ),
    ),
    "collapse": Report(
        "Generation depth and share of real data; diversity against the seeds; drift against the line's previous release.",
        ("accepted", "seed_examples"),
        lambda frames, spec: Evidence(frames["accepted"], frames["seed_examples"], embedder=spec.embedder, previous=frames["previous"]),
        looks_back=True,
    ),
}


def join_verdicts(accepted: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    """Every decided record of the line in one frame."""
    return pl.concat([accepted, rejected])


def build_validation(line: Line) -> list[dg.AssetsDefinition]:
    """The assets `fidelity`, `privacy`, `fairness`, `collapse` and `gates`, and `counterfactuals` of a line that names group terms."""
    compared = [build_counterfactuals(line)] if line.validation.group_terms else []
    return [*compared, *(_build_report(line, name, report) for name, report in REPORTS.items()), _build_gates(line)]


def gate_names(line: Line) -> dict[str, str]:
    """The gates of a line by the name of their asset check: '<report>_<metric>' for '<report>.<metric>'."""
    return {gate.replace(".", "_"): gate for gate in sorted(choose_gates(line.validation))}


def _build_report(line: Line, name: ReportName, report: Report) -> dg.AssetsDefinition:
    key = asset_key(line, name)
    reads = (*report.reads, *(["counterfactuals"] if name == "fairness" and line.validation.group_terms else []))

    @line_asset(line, name, "validation", METRIC, report.description, ins=read_assets(line, *reads), check_specs=specify_checks(key))
    def measure(config: Remake, keeper: Keeper, **frames: pl.DataFrame) -> Outcome:
        frames["seed_examples"] = frames["seed_examples"].drop("source")
        spec = line.validation
        measured: list[Any] = [spec.embedder and identify_model(spec.embedder), spec.population, describe_finder(spec.personal_data)]
        releases = find_home().releases
        if report.looks_back:
            previous = find_previous(releases, line.name, frames["accepted"])
            frames["previous"] = read_released(previous, list(TEXTS)) if previous else empty(TEXTS)
            measured.append(previous and previous.name)
        fingerprint = take_fingerprint(["validation", "personal_data"], [name, *measured], [frames[read] for read in reads])
        keeper.progress.start(name, 1)
        kept = keeper.keep(
            key, None, fingerprint, lambda: Made(measure_report(name, report.gather(frames, line.validation))), refresh=config.refresh
        )
        of_line = kept.frame.filter(subject="line")
        charted = show_floats(dict(zip(of_line["metric"], of_line["value"], strict=True)))
        table = show_table(kept.frame, ["metric", "subject", "value", "low", "high", "size", "method"], rows=kept.frame.height)
        trend = _show_trend(releases, line, kept.frame) if report.looks_back else {}
        return Outcome(metadata=show_kept(kept) | charted | {"metrics": table} | trend, check_results=check_frame(key, kept.frame))

    return measure


def _build_gates(line: Line) -> dg.AssetsDefinition:
    key = asset_key(line, "gates")
    gates = gate_names(line)

    @line_asset(
        line,
        "gates",
        "validation",
        METRIC,
        "The gate table: every metric with a threshold, whether it holds, and who waived it. "
        "That this asset is materialised does not say that its gates passed: read its checks.",
        ins=read_assets(line, *REPORTS),
        check_specs=[
            dg.AssetCheckSpec(check, asset=key, blocking=True, description=_explain_check(line, gate)) for check, gate in gates.items()
        ],
    )
    def decide(config: Remake, keeper: Keeper, **reports: pl.DataFrame) -> Outcome:
        today = datetime.now(UTC).date()
        settings = line.validation.model_dump(mode="json") | {"expired": list_expired(line.validation, today)}
        fingerprint = take_fingerprint(["validation"], settings, [reports[name] for name in REPORTS])
        keeper.progress.start("gates", 1)
        metrics = pl.concat([reports[name] for name in REPORTS])
        kept = keeper.keep(key, None, fingerprint, lambda: Made(decide_gates(metrics, line.validation, today)), refresh=config.refresh)
        decided = kept.frame.filter(pl.col("threshold").is_not_null())
        failed = failed_gates(kept.frame)
        return Outcome(
            metadata=show_kept(kept)
            | show_floats({"gates": decided.height, "failed": failed.height, "waived": decided["waived_by"].count()})
            | {"table": show_table(decided, SHOWN, rows=decided.height)}
            | _show_trend(find_home().releases, line, kept.frame),
            check_results=[_check_gate(key, check, kept.frame, gate) for check, gate in gates.items()],
        )

    return decide


def _show_trend(releases: Path, line: Line, measured: pl.DataFrame) -> dict[str, Any]:
    """The measures beside those of the line's last releases; nothing before there is a release to compare with."""
    of_line = measured.filter(subject=LINE).select(pl.concat_str("report", pl.lit("."), "metric"), "value")
    values = dict(of_line.iter_rows())
    return show_trend(add_present(read_trend(releases, line.name), values), list(values))


def _explain_check(line: Line, gate: str) -> str:
    blocks = choose_gates(line.validation)[gate].severity == "block"
    return f"Gate {gate}: " + (
        "no release and no training past a failure." if blocks else "a failure stands on the card, and blocks nothing."
    )


def _explain_failure(row: dict[str, Any]) -> str:
    """What a reader of value, interval and bound would not see by themselves."""
    if row["report"] == "privacy":
        return ", and privacy must be shown by the whole interval"
    right = row["value"] is not None and (
        row["value"] <= row["threshold"] if row["direction"] == "max" else row["value"] >= row["threshold"]
    )
    return ", but there is too little to tell how sure that is" if right else ""


def _check_gate(key: dg.AssetKey, check: str, table: pl.DataFrame, gate: str) -> dg.AssetCheckResult:
    """A gate that failed blocks; one that only warns, or that was waived, warns, and shows by whom."""
    report, metric = gate.split(".", 1)
    row = table.filter(pl.col("threshold").is_not_null(), report=report, metric=metric).row(0, named=True)
    waived = row["waived_by"] is not None
    bound = f"{'at most' if row['direction'] == 'max' else 'at least'} {row['threshold']:g}"
    interval = "" if row["low"] is None else f" ({row['confidence']:.0%} interval {row['low']:.3g} to {row['high']:.3g})"
    value = "not measured" if row["value"] is None else f"{row['value']:.4g}{interval}"
    shown = "" if row["passed"] else _explain_failure(row)
    told = f"{gate} = {value}, must be {bound}{shown}"
    told += f"; waived by {row['waived_by']} until {row['waived_until']}: {row['waiver_reason']}" if waived else ""
    return dg.AssetCheckResult(
        passed=bool(row["passed"]),
        check_name=check,
        asset_key=key,
        severity=dg.AssetCheckSeverity.WARN if waived or row["severity"] == "warn" else dg.AssetCheckSeverity.ERROR,
        description=told,
        metadata=show_floats({"score": row["value"], "threshold": row["threshold"], "low": row["low"], "high": row["high"]})
        | {"method": str(row["method"]), "size": int(row["size"])},
    )
