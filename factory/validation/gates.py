"""The gate table: thresholds on metrics, read against the whole interval, with overrides and waivers from the line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.records import METRIC
from factory.validation.metric import LINE, Metric, Subject, finite
from factory.validation.reports import METRICS
from factory.validation_spec import Gate, GatesSpec, Waiver


def list_default_gates(of: Subject = "records") -> dict[str, Gate]:
    """Thresholds that hold where nothing else is said, by '<report>.<metric>': of a line's records, or of a table."""
    return {key: each.gate for key, each in METRICS.items() if each.gate and each.of == of}


def decide_gates(metrics: pl.DataFrame, spec: GatesSpec, today: date, of: Subject = "records") -> pl.DataFrame:
    """All rows of the four reports (METRIC) with the gates decided: threshold, passed, and the waiver of a failed gate.

    Gates read the rows whose subject is the line; all others are information. A privacy gate passes only where the
    whole interval is on the right side of the threshold: privacy must be shown. Any other gate fails only where the
    whole interval is on the wrong side. A gate whose metric is missing, has no value, or has an interval and gives none
    fails: nothing was shown. A waiver holds up to and with its last day, read against `today`.

    Raises FactoryError where the line names an unknown metric, a threshold on the wrong side of a metric, or a waiver
    for something that has no gate.
    """
    gates = choose_gates(spec, of)
    waivers = _waivers(spec.waivers, gates, today)
    given = {f"{row['report']}.{row['metric']}": row for row in metrics.iter_rows(named=True) if row["subject"] == LINE}
    if no_line := sorted(_measured(metrics) & set(gates) - set(given)):
        raise FactoryError(f"validation.gates.{no_line[0]} cannot be a gate: it is measured for parts of the line, not for the line.")
    rows = [_decide(METRICS[key], gate, given.get(key), waivers.get(key), today) for key, gate in gates.items()]
    decided = pl.DataFrame(rows, schema=METRIC)
    information = metrics.join(decided, on=["report", "metric", "subject"], how="anti").with_columns(pl.lit("info").alias("direction"))
    order = pl.DataFrame(
        {
            "report": [each.report for each in METRICS.values()],
            "metric": [each.name for each in METRICS.values()],
            "at": range(len(METRICS)),
        }
    )
    return (
        pl.concat([decided, information.select(list(METRIC))])
        .join(order, on=["report", "metric"], how="left", maintain_order="left")
        .sort("at", pl.col("subject") != LINE, "subject", maintain_order=True)
        .select(list(METRIC))
    )


def failed_gates(gates: pl.DataFrame) -> pl.DataFrame:
    """The rows of a gate table that keep a release from being published: failed, blocking, and not waived."""
    return gates.filter(
        pl.col("threshold").is_not_null() & ~pl.col("passed").fill_null(False), pl.col("waived_by").is_null(), severity="block"
    )


def choose_gates(spec: GatesSpec, of: Subject = "records") -> dict[str, Gate]:
    """Every gate that a spec asks for, by '<report>.<metric>' in the order of the metrics; raises as decide_gates."""
    known = [key for key, each in METRICS.items() if of == "records" or each.of == of]
    for key, gate in spec.gates.items():
        if key not in known:
            raise FactoryError(f"validation.gates names {key!r}, which no report measures; {_nearest(key, known)}.")
        if METRICS[key].direction not in ("info", gate.side):
            better, other = ("low", "max") if METRICS[key].direction == "max" else ("high", "min")
            raise FactoryError(f"validation.gates.{key} is better when {better}, so its gate needs {other!r}, not {gate.side!r}.")
    chosen = list_default_gates(of) | spec.gates
    return {key: chosen[key] for key in METRICS if key in chosen}


def list_expired(spec: GatesSpec, today: date) -> list[str]:
    """Gates whose waivers have run out, as '<report>.<metric>'."""
    return sorted({waiver.gate for waiver in spec.waivers} - {waiver.gate for waiver in spec.waivers if waiver.until >= today})


def _waivers(waivers: Iterable[Waiver], gates: Mapping[str, Gate], today: date) -> dict[str, Waiver]:
    """The waiver of each gate that lasts longest, expired ones too: that one ran out is told."""
    named: dict[str, Waiver] = {}
    for waiver in sorted(waivers, key=lambda each: each.until, reverse=True):
        if waiver.gate not in gates:
            raise FactoryError(f"validation.waivers: {waiver.by} waives {waiver.gate!r}, which is no gate; {_nearest(waiver.gate, gates)}.")
        named.setdefault(waiver.gate, waiver)
    return named


def _measured(metrics: pl.DataFrame) -> set[str]:
    return set(metrics.select(pl.concat_str("report", "metric", separator=".")).to_series())


def _nearest(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    return f"the nearest is {near[0]!r}" if near else f"known are {', '.join(known)}"


def _decide(metric: Metric, gate: Gate, row: Mapping[str, Any] | None, waiver: Waiver | None, today: date) -> dict[str, Any]:
    """The row of the line with its verdict."""
    side, threshold = gate.side, gate.threshold
    measured: dict[str, Any] = (
        dict(row) if row else {"report": metric.report, "metric": metric.name, "subject": LINE, "size": 0, "method": metric.method}
    )
    value = finite(measured.get("value"))
    # Without an interval a value is exact only where its metric has none: elsewhere there was too little to say how sure it is.
    read = finite(measured.get(_end(metric, side))) if metric.interval else value
    if value is None:
        passed, note = False, "not measured: there was nothing to measure, and a gate does not pass by luck"
    elif read is None:
        passed, note = False, f"not measured: {measured['size']} records are too few for an interval, and a gate does not pass by luck"
    else:
        passed = read <= threshold if side == "max" else read >= threshold
        right = value <= threshold if side == "max" else value >= threshold
        note = "" if right or not passed else "value on the wrong side, but its interval reaches the right one"
        if right and not passed:
            note = f"too small a sample: the value is on the right side, but {measured['size']} records do not show it"
    needed = waiver if not passed else None
    waived = needed if needed and needed.until >= today else None
    if needed and not waived:
        note = "; ".join(filter(None, [note, f"the waiver of {needed.by} ran out on {needed.until}"]))
    return measured | {
        "value": value,
        "direction": side,
        "threshold": threshold,
        "passed": passed,
        "waived_by": waived.by if waived else None,
        "waiver_reason": waived.reason if waived else None,
        "waived_until": waived.until if waived else None,
        "severity": gate.severity,
        "method": f"{measured['method']}; {note}" if note else measured["method"],
    }


def _end(metric: Metric, side: str) -> str:
    """The end of the interval that a gate reads: the worse one of a privacy metric, else the better one."""
    return "high" if (side == "max") == (metric.report == "privacy") else "low"
