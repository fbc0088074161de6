"""Every frame of a line is held against its schema: a bad one fails its check in Dagster and stands in the data docs."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import polars as pl
import pytest
from plant import Plant

from assets.checks import SUITES, check_frame, specify_checks
from assets.data_docs import docs_folder
from factory.record_rules import RULES
from factory.records import METRIC, PREFERENCE, empty

KEY = dg.AssetKey(["tiny", "fidelity"])
ROW = {"report": "fidelity", "metric": "records", "subject": "line", "value": 30.0, "size": 30, "direction": "min", "method": "count"}
GOOD = pl.DataFrame([ROW], schema=METRIC)


def materialise(frame: pl.DataFrame) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """A graph of an asset that gives `frame` to its checks, and one that reads it; what of the second was made."""
    made: list[str] = []

    @dg.asset(key=KEY, check_specs=specify_checks(KEY))
    def fidelity() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=check_frame(KEY, frame))

    @dg.asset(deps=[KEY])
    def after() -> None:
        made.append("after")

    return dg.materialize([fidelity, after], raise_on_error=False), made


@pytest.fixture(autouse=True)
def home(fresh: Plant) -> Iterator[Plant]:
    yield fresh


def test_a_sound_frame_passes_and_what_follows_is_made() -> None:
    result, made = materialise(GOOD)
    assert result.success and made == ["after"]
    assert {check.check_name for check in result.get_asset_check_evaluations()} == {
        "columns",
        "types",
        "complete",
        "known_values",
        "in_range",
    }


@pytest.mark.parametrize(
    ("column", "value", "check", "said"),
    [
        ("report", pl.lit("privacy"), "known_values", "report: 1 of 1 rows are not fidelity"),
        ("metric", pl.lit(None, pl.String), "complete", "metric: 1 of 1 rows are not given"),
        ("confidence", pl.lit(95.0), "in_range", "confidence: 1 of 1 rows are not between 0 and 1"),
        ("size", pl.lit(30.0), "types", "size is Float64, not Int64"),
        ("note", pl.lit("more"), "columns", "found report"),
    ],
)
def test_a_bad_frame_fails_its_check_stops_the_graph_and_stands_in_the_data_docs(
    column: str, value: pl.Expr, check: str, said: str
) -> None:
    result, made = materialise(GOOD.with_columns(value.alias(column)))
    failed = {each.check_name: each for each in result.get_asset_check_evaluations() if not each.passed}
    assert not result.success and made == []
    assert check in failed and failed.keys() <= {check, "types"}
    assert said in str(failed[check].description)
    assert failed[check].severity == dg.AssetCheckSeverity.ERROR
    index = docs_folder("tiny") / "index.html"
    linked = {each.metadata["data_docs"].value for each in result.get_asset_check_evaluations() if each.check_name != "types"}
    assert linked == {str(index)}
    pages = {page.relative_to(index.parent).parts[0]: page.read_text() for page in index.parent.rglob("*.html")}
    assert "fidelity" in pages["index.html"] and {"expectations", "validations"} <= pages.keys()
    assert not [page for page in pages.values() if '<script src="http' in page or 'rel="stylesheet" href="http' in page]


def test_a_likely_range_only_warns() -> None:
    key = dg.AssetKey(["tiny", "preference_pairs"])
    sides = {side: [{"role": "user", "content": "a"}] for side in ("prompt", "chosen", "rejected")}
    row = {
        "record_id": "1",
        "leaf": "l",
        "language": "en",
        "by": "judges",
        "chosen_id": "2",
        "rejected_id": "3",
        "depth": 1,
        "margin": -0.5,
    }
    failed = [result for result in check_frame(key, pl.DataFrame([row | sides], schema=PREFERENCE)) if not result.passed]
    assert [(result.check_name, result.severity) for result in failed] == [("in_range", dg.AssetCheckSeverity.WARN)]


def test_rows_that_share_an_id_fail_and_frames_of_no_rows_pass() -> None:
    for asset, rules in RULES.items():
        results = check_frame(dg.AssetKey(["tiny", asset]), empty(rules.schema))
        assert [result.check_name for result in results if not result.passed] == []
    twice = empty(RULES["seed_documents"].schema).select(pl.all().extend_constant(None, 2)).with_columns(record_id=pl.lit("one"))
    failed = {result.check_name for result in check_frame(dg.AssetKey(["tiny", "seed_documents"]), twice) if not result.passed}
    assert failed == {"unique_ids", "complete"}


def test_every_rule_speaks_of_a_column_of_its_frame() -> None:
    for asset, rules in RULES.items():
        named = {rule.arguments["column"] for rule in SUITES[asset] if "column" in rule.arguments}
        assert named <= set(rules.schema), asset
