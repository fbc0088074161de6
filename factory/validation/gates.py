"""The gate table: thresholds on metrics, read against the whole interval, with overrides and waivers from the line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from factory.faults import FactoryError
from factory.line import Gate, ValidationSpec, Waiver
from factory.records import METRIC
from factory.validation import collapse, fairness, fidelity, privacy
from factory.validation.metric import LINE, METRICS, Metric, finite

REPORTS = (fidelity, privacy, fairness, collapse)
"""The modules whose import registers the metrics."""

DEFAULT_GATES: dict[str, Gate] = {
    # Nothing accepted is no release.
    "fidelity.records": Gate(min=1),
    # One leaf in ten may come back empty (a new leaf that the teacher cannot write yet); more is another line than the taxonomy says.
    "fidelity.leaf_coverage": Gate(min=0.9),
    # 0.38 is the Kolmogorov-Smirnov distance of two normals one standard deviation apart, 2Φ(½) − 1.
    "fidelity.instruction_words": Gate(max=0.4),
    "fidelity.response_words": Gate(max=0.4),
    # Half of the way from two samples of one text to no word in common.
    "fidelity.vocabulary": Gate(max=0.5),
    # A quarter of the records would have to be of another kind; acceptance of 0.4 in one kind and 1.0 in another moves 0.2.
    "fidelity.kind_shift": Gate(max=0.25),
    # At most one record in a hundred, shown: with nothing found that takes 381 records.
    "privacy.personal_data": Gate(max=0.01),
    "privacy.seed_copies": Gate(max=0.01),
    "privacy.holdout_copies": Gate(max=0.01),
    "privacy.long_runs": Gate(max=0.01),
    # Short answers to one question are alike in good faith; the rate by chance stands beside it as repeated_by_chance.
    "privacy.repeated_responses": Gate(max=0.05),
    # Acceptance spread evenly between 0.3 and 1.0 over the leaves moves 0.13; half of the leaves lost moves 0.5.
    "fairness.leaf_shift": Gate(max=0.3),
    # The smallest language of the bundled line has a fifth of the leaves: losing three quarters of it moves 0.15.
    "fairness.language_shift": Gate(max=0.15),
    "fairness.group_shift": Gate(max=0.3),
    # The four-fifths rule (Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D).
    "fairness.language_selection": Gate(min=0.8),
    # Declared groups may be subjects of unlike difficulty; a line whose groups are people sets 0.8.
    "fairness.group_selection": Gate(min=0.5),
    # A teacher trained on a release may write once more; the loss of tails grows by generation (Shumailov et al. 2024, Nature 631:755).
    "collapse.depth": Gate(max=2),
    # Clean halves of real data lie at 1.0 within 0.05; three instructions repeated with small changes at 0.5.
    "collapse.distinct_pairs": Gate(min=0.7),
    "collapse.incompressibility": Gate(min=0.7),
    # Five texts repeated in each leaf.
    "collapse.likeness": Gate(max=0.2),
    # Three quarters of a tail lost.
    "collapse.length_tails": Gate(min=0.25),
}
"""Thresholds that hold where the line's YAML does not say otherwise."""


def decide_gates(metrics: pl.DataFrame, spec: ValidationSpec) -> pl.DataFrame:
    """All rows of the four reports (METRIC) with the gates decided: threshold, passed, and the waiver of a failed gate.

    Gates read the rows whose subject is the line; all others are information. A privacy gate passes only where the
    whole interval is on the right side of the threshold: privacy must be shown. Any other gate fails only where the
    whole interval is on the wrong side. A gate whose metric is missing or has no value fails: nothing was shown.

    Raises FactoryError where the line names an unknown metric, a threshold on the wrong side of a metric, or a waiver
    for something that has no gate.
    """
    gates = _chosen_gates(spec)
    waivers = _waivers(spec.waivers, gates)
    given = {f"{row['report']}.{row['metric']}": row for row in metrics.iter_rows(named=True) if row["subject"] == LINE}
    if no_line := sorted(_measured(metrics) & set(gates) - set(given)):
        raise FactoryError(f"validation.gates.{no_line[0]} cannot be a gate: it is measured for parts of the line, not for the line.")
    rows = [_decide(METRICS[key], gate, given.get(key), waivers.get(key)) for key, gate in gates.items()]
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
    """The rows of a gate table that keep a release from being published: failed and not waived."""
    return gates.filter((pl.col("passed") == False) & pl.col("waived_by").is_null())  # noqa: E712


def _chosen_gates(spec: ValidationSpec) -> dict[str, Gate]:
    for key, gate in spec.gates.items():
        if key not in METRICS:
            raise FactoryError(f"validation.gates names {key!r}, which no report measures; {_nearest(key, METRICS)}.")
        if METRICS[key].direction not in ("info", _side(gate)):
            better, other = ("low", "max") if METRICS[key].direction == "max" else ("high", "min")
            raise FactoryError(f"validation.gates.{key} is better when {better}, so its gate needs {other!r}, not {_side(gate)!r}.")
    return {key: (DEFAULT_GATES | spec.gates)[key] for key in METRICS if key in DEFAULT_GATES or key in spec.gates}


def _waivers(waivers: Iterable[Waiver], gates: Mapping[str, Gate]) -> dict[str, Waiver]:
    named: dict[str, Waiver] = {}
    for waiver in waivers:
        if waiver.gate not in gates:
            raise FactoryError(f"validation.waivers: {waiver.by} waives {waiver.gate!r}, which is no gate; {_nearest(waiver.gate, gates)}.")
        named.setdefault(waiver.gate, waiver)
    return named


def _measured(metrics: pl.DataFrame) -> set[str]:
    return set(metrics.select(pl.concat_str("report", "metric", separator=".")).to_series())


def _nearest(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    return f"the nearest is {near[0]!r}" if near else f"known are {', '.join(known)}"


def _side(gate: Gate) -> str:
    return "max" if gate.max is not None else "min"


def _decide(metric: Metric, gate: Gate, row: Mapping[str, Any] | None, waiver: Waiver | None) -> dict[str, Any]:
    """The row of the line with its verdict."""
    side = _side(gate)
    threshold = gate.max if gate.max is not None else gate.min
    assert threshold is not None
    measured: dict[str, Any] = (
        dict(row) if row else {"report": metric.report, "metric": metric.name, "subject": LINE, "size": 0, "method": metric.method}
    )
    value = finite(measured.get("value"))
    low, high = (finite(measured.get(end)) for end in ("low", "high"))
    low, high = (value if low is None else low), (value if high is None else high)
    if value is None or low is None or high is None:
        passed, note = False, "not measured: there was nothing to measure, and a gate does not pass by luck"
    else:
        passed = _passes(metric, side, threshold, low, high)
        right = value <= threshold if side == "max" else value >= threshold
        note = "" if right or not passed else "value on the wrong side, but its interval reaches the right one"
        if right and not passed:
            note = f"too small a sample: the value is on the right side, but {measured['size']} records do not show it"
    waived = waiver if not passed else None
    return measured | {
        "value": value,
        "direction": side,
        "threshold": threshold,
        "passed": passed,
        "waived_by": waived.by if waived else None,
        "waiver_reason": waived.reason if waived else None,
        "method": f"{measured['method']}; {note}" if note else measured["method"],
    }


def _passes(metric: Metric, side: str, threshold: float, low: float, high: float) -> bool:
    if side == "max":
        return (high if metric.report == "privacy" else low) <= threshold
    return (low if metric.report == "privacy" else high) >= threshold
