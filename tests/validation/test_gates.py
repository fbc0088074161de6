"""The gate table: intervals against thresholds, overrides, waivers, and everything that must not pass by luck."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_world import LEAVES, TODAY, World, clean_world

from factory.faults import FactoryError
from factory.records import METRIC, empty
from factory.validation.evidence import Evidence
from factory.validation.gates import decide_gates, failed_gates, list_default_gates, list_expired
from factory.validation.metric import LINE, Metric, Row
from factory.validation.reports import METRICS
from factory.validation_spec import Gate, ValidationSpec, Waiver


def row(key: str, value: float | None, low: float | None = None, high: float | None = None, subject: str = "line") -> dict[str, Any]:
    report, metric = key.split(".")
    return {"report": report, "metric": metric, "subject": subject, "value": value, "low": low, "high": high, "size": 100, "method": "m"}


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=METRIC)


def gate_of(gates: pl.DataFrame, key: str) -> dict[str, Any]:
    report, metric = key.split(".")
    return gates.row(by_predicate=(pl.col("report") == report) & (pl.col("metric") == metric) & (pl.col("subject") == "line"), named=True)


def waiver(gate: str, until: date = TODAY) -> Waiver:
    return Waiver(gate=gate, by="Ana Wijaya", reason="a study of loops", until=until)


def passed(key: str, *measured: float | None, **gate: float) -> bool:
    return bool(gate_of(decide_gates(table(row(key, *measured)), ValidationSpec(gates={key: Gate(**gate)}), TODAY), key)["passed"])


def test_other_gates_fail_only_with_the_whole_interval_on_the_wrong_side() -> None:
    assert passed("fidelity.vocabulary", 0.6, 0.4, 0.8, max=0.5)
    assert not passed("fidelity.vocabulary", 0.7, 0.6, 0.8, max=0.5)
    assert passed("collapse.distinct_pairs", 0.6, 0.4, 0.8, min=0.7)
    assert not passed("collapse.distinct_pairs", 0.6, 0.55, 0.65, min=0.7)


def test_privacy_gates_pass_only_with_the_whole_interval_on_the_right_side() -> None:
    assert passed("privacy.personal_data", 0.001, 0.0, 0.009, max=0.01)
    assert not passed("privacy.personal_data", 0.001, 0.0, 0.02, max=0.01)


def test_the_threshold_itself_is_allowed_and_a_count_is_read_as_it_is() -> None:
    assert passed("collapse.depth", 2.0, max=2)
    assert not passed("collapse.depth", 3.0, max=2)
    assert passed("fidelity.records", 5.0, min=5)


def test_too_small_a_sample_is_said() -> None:
    gates = decide_gates(table(row("privacy.personal_data", 0.0, 0.0, 0.04)), ValidationSpec(), TODAY)
    assert "too small a sample" in gate_of(gates, "privacy.personal_data")["method"]
    undecided = decide_gates(table(row("fidelity.vocabulary", 0.6, 0.2, 0.9)), ValidationSpec(), TODAY)
    assert "interval reaches" in gate_of(undecided, "fidelity.vocabulary")["method"]


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_has_no_value_fails(value: float | None) -> None:
    gate = gate_of(decide_gates(table(row("fidelity.vocabulary", value)), ValidationSpec(), TODAY), "fidelity.vocabulary")
    assert (gate["value"], gate["passed"]) == (None, False)
    assert "not measured" in gate["method"]


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_metric_with_an_interval_that_gives_none_is_not_measured(missing: float | None) -> None:
    assert not passed("privacy.personal_data", 0.0, 0.0, missing, max=0.01)
    assert not passed("fidelity.vocabulary", 0.1, missing, 0.2, max=0.5)
    assert not passed("collapse.distinct_pairs", 0.9, 0.8, missing, min=0.7)
    gates = decide_gates(table(row("fidelity.embedding_coverage", 0.9, missing, missing)), ValidationSpec(), TODAY)
    assert gate_of(gates, "fidelity.embedding_coverage")["value"] == 0.9
    assert "too few for an interval" in gate_of(gates, "fidelity.embedding_coverage")["method"]


def test_what_cannot_be_lost_is_known_with_its_interval() -> None:
    """A line of one leaf, in one language and without groups, whose texts are all of one length."""
    whole = clean_world(records=24, examples=12)
    one = pl.col("leaf") == min(LEAVES)
    world = World(whole.seeds.filter(one), whole.documents, whole.verdicts.filter(one))
    bare = [pl.lit("en").alias("language"), pl.lit([], world.seeds.schema["groups"]).alias("groups")]
    verdicts = world.verdicts.with_columns(*bare, instruction=pl.lit("one two"), response=pl.lit("three"))
    seeds = world.seeds.with_columns(*bare, question=pl.lit("one two"), answer=pl.lit("three"))
    evidence = Evidence(verdicts.filter(verdict="accepted"), seeds, world.documents, verdicts)
    lines = {key: line_row(METRICS[key], evidence) for key in list_default_gates() if METRICS[key].interval}
    assert [key for key, measured in lines.items() if measured.value is None or measured.low is None or measured.high is None] == []


def line_row(metric: Metric, evidence: Evidence) -> Row:
    return next(each for each in metric.measure(evidence) if each.subject == LINE)


def test_a_report_that_is_missing_fails_all_its_gates() -> None:
    gates = decide_gates(empty(METRIC), ValidationSpec(), TODAY)
    assert gates.height == len(list_default_gates())
    assert failed_gates(gates).height == len(list_default_gates())


def test_the_line_overrides_and_adds_gates() -> None:
    metrics = table(row("fidelity.vocabulary", 0.3, 0.2, 0.35), row("collapse.real_share", 0.0))
    spec = ValidationSpec(gates={"fidelity.vocabulary": Gate(max=0.1), "collapse.real_share": Gate(min=0.5)})
    gates = decide_gates(metrics, spec, TODAY)
    assert (gate_of(gates, "fidelity.vocabulary")["threshold"], gate_of(gates, "fidelity.vocabulary")["passed"]) == (0.1, False)
    assert (gate_of(gates, "collapse.real_share")["direction"], gate_of(gates, "collapse.real_share")["passed"]) == ("min", False)
    assert gate_of(decide_gates(metrics, ValidationSpec(), TODAY), "collapse.real_share")["passed"] is None


def test_rows_of_leaves_and_ungated_metrics_are_information() -> None:
    metrics = table(row("fidelity.vocabulary", 0.9, 0.8, 1.0, subject="knowledge/a"), row("fidelity.vocabulary", 0.1, 0.0, 0.2))
    gates = decide_gates(metrics, ValidationSpec(), TODAY).filter(pl.col("metric") == "vocabulary")
    assert gates["subject"].to_list() == ["line", "knowledge/a"]
    assert gates["direction"].to_list() == ["max", "info"]
    assert gates["passed"].to_list() == [True, None]
    assert gates.schema == pl.Schema(METRIC)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ValidationSpec(gates={"fidelity.vocabulery": Gate(max=1)}), r"'fidelity.vocabulery'.*nearest is 'fidelity.vocabulary'"),
        (ValidationSpec(gates={"privacy.personal_data": Gate(min=0.5)}), r"better when low.*'max'"),
        (ValidationSpec(gates={"collapse.distinct_pairs": Gate(max=0.5)}), r"better when high.*'min'"),
        (ValidationSpec(waivers=(Waiver(gate="colapse.depth", by="Ana", reason="r", until=TODAY),)), r"Ana.*nearest is 'collapse.depth'"),
        (ValidationSpec(waivers=(Waiver(gate="fidelity.vocabulary_p", by="Ana", reason="r", until=TODAY),)), r"which is no gate"),
    ],
)
def test_a_name_or_side_that_cannot_be_meant_is_refused(spec: ValidationSpec, said: str) -> None:
    with pytest.raises(FactoryError, match=said):
        decide_gates(empty(METRIC), spec, TODAY)


def test_a_metric_without_a_value_for_the_line_cannot_be_a_gate() -> None:
    metrics = table(row("fairness.share", 0.5, subject="language=id"))
    with pytest.raises(FactoryError, match=r"fairness\.share cannot be a gate"):
        decide_gates(metrics, ValidationSpec(gates={"fairness.share": Gate(min=0.1)}), TODAY)


def test_a_waiver_lets_a_failed_gate_through_and_stays_on_the_table() -> None:
    metrics = table(row("collapse.depth", 5.0), row("fidelity.records", 10.0))
    waivers = tuple(
        Waiver(gate=gate, by="Ana Wijaya", reason="a study of loops", until=TODAY) for gate in ("collapse.depth", "fidelity.records")
    )
    gates = decide_gates(metrics, ValidationSpec(waivers=waivers), TODAY)
    depth, records = gate_of(gates, "collapse.depth"), gate_of(gates, "fidelity.records")
    assert (depth["passed"], depth["waived_by"], depth["waiver_reason"]) == (False, "Ana Wijaya", "a study of loops")
    assert (records["passed"], records["waived_by"], records["waiver_reason"]) == (True, None, None)
    failures = set(failed_gates(gates)["metric"])
    assert "depth" not in failures and "records" not in failures and "vocabulary" in failures


def test_a_waiver_that_ran_out_lets_nothing_through_and_says_so() -> None:
    metrics = table(row("collapse.depth", 5.0))
    late = TODAY + timedelta(days=1)
    expired = decide_gates(metrics, ValidationSpec(waivers=(waiver("collapse.depth"),)), late)
    assert "depth" in failed_gates(expired)["metric"].to_list()
    assert "the waiver of Ana Wijaya ran out on 2026-06-01" in gate_of(expired, "collapse.depth")["method"]
    renewed = ValidationSpec(waivers=(waiver("collapse.depth"), waiver("collapse.depth", until=late)))
    assert "depth" not in failed_gates(decide_gates(metrics, renewed, late))["metric"].to_list()
    assert (list_expired(renewed, late), list_expired(renewed, late + timedelta(days=1))) == ([], ["collapse.depth"])


def test_a_gate_that_warns_fails_and_blocks_nothing() -> None:
    spec = ValidationSpec(gates={"collapse.depth": Gate(max=2, severity="warn")})
    gates = decide_gates(table(row("collapse.depth", 5.0)), spec, TODAY)
    assert (gate_of(gates, "collapse.depth")["passed"], gate_of(gates, "collapse.depth")["severity"]) == (False, "warn")
    assert "depth" not in failed_gates(gates)["metric"].to_list()


def test_every_default_gate_names_a_metric_and_the_side_on_which_it_is_worse() -> None:
    for key, gate in list_default_gates().items():
        assert METRICS[key].direction == ("max" if gate.max is not None else "min")
    for metric in METRICS.values():
        assert metric.measures and metric.formula


def test_importing_the_room_loads_no_heavy_library() -> None:
    code = (
        "import sys, factory.validation.gates; "
        "print([m for m in ('scipy', 'sklearn', 'presidio_analyzer', 'spacy', 'torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_metric_is_on_the_page_of_metrics() -> None:
    page = (Path(__file__).parents[2] / "docs/validation-metrics.md").read_text()
    assert [key for key, metric in METRICS.items() if f"`{metric.name}`" not in page] == []
