"""Blocking asset checks of every frame: Great Expectations suites made from its schema and rules, and the types of its columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from assets.data_docs import Expected, build_docs, docs_folder, open_docs
from factory.record_rules import RULES, Rules

TYPES = "types"
"""The check that Great Expectations cannot make: pandas, which it reads, has no types for lists and structs."""


@dataclass(frozen=True)
class Rule:
    """One expectation of Great Expectations by class name, under the asset check that shows it; `severity` is "critical" or "warning"."""

    check: str
    expectation: str
    arguments: Mapping[str, Any]
    severity: str = "critical"


def write_suite(rules: Rules) -> tuple[Rule, ...]:
    """The expectations of a frame, from its schema and its rules."""
    return (
        Rule("columns", "ExpectTableColumnsToMatchOrderedList", {"column_list": list(rules.schema)}),
        *(Rule("complete", "ExpectColumnValuesToNotBeNull", {"column": column}) for column in rules.given),
        *(
            Rule("complete", "ExpectColumnValuesToNotBeNull", {"column": column, **_where_not(*unless)})
            for column, unless in rules.given_unless.items()
        ),
        *(Rule("unique_ids", "ExpectColumnValuesToBeUnique", {"column": column}) for column in rules.unique),
        *(
            Rule("known_values", "ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)})
            for column, values in rules.domains.items()
        ),
        *(_between(column, *bounds) for column, bounds in rules.ranges.items()),
        *(_between(column, *bounds, severity="warning") for column, bounds in rules.wide.items()),
    )


def _between(column: str, least: float | None, most: float | None, severity: str = "critical") -> Rule:
    return Rule("in_range", "ExpectColumnValuesToBeBetween", {"column": column, "min_value": least, "max_value": most}, severity)


def _where_not(column: str, value: str) -> dict[str, str]:
    return {"row_condition": f'{column} != "{value}"', "condition_parser": "pandas"}


SUITES: dict[str, tuple[Rule, ...]] = {asset: write_suite(rules) for asset, rules in RULES.items()}
"""What must hold for the frame of an asset before anything downstream reads it."""


def specify_checks(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The blocking checks of an asset's suite."""
    rules = SUITES[key.path[-1]]
    told = {check: _describe(rule for rule in rules if rule.check == check) for check in dict.fromkeys(rule.check for rule in rules)}
    told[TYPES] = "columns: of the types of the schema"
    return [dg.AssetCheckSpec(check, asset=key, blocking=True, description=description) for check, description in told.items()]


def check_frame(key: dg.AssetKey, frame: pl.DataFrame) -> list[dg.AssetCheckResult]:
    """Validates `frame` against the asset's suite: one result per check, naming what failed, where, and some of the values.

    Where a check fails that blocks, the data docs are written at once; else `publish_docs` writes them at the end of a run.
    """
    rules = SUITES[key.path[-1]]
    page = dg.MetadataValue.path(str(docs_folder(key.path[0]) / "index.html"))
    outcomes = _validate(key, frame, rules)
    results = [_check_types(key, frame)]
    for check in dict.fromkeys(rule.check for rule in rules):
        failed = {fault: rule for rule, fault in zip(rules, outcomes, strict=True) if rule.check == check and fault}
        asked = sum(rule.check == check for rule in rules)
        certain = not failed or any(rule.severity == "critical" for rule in failed.values())
        results.append(_report(key, check, [*failed], certain, {"rows": frame.height, "expectations": asked, "data_docs": page}))
    if any(not result.passed and result.severity == dg.AssetCheckSeverity.ERROR for result in results):
        build_docs(key.path[0])
    return results


def publish_docs(line: str) -> dict[str, dg.PathMetadataValue]:
    """Writes the data docs of what this run checked, once, after the last asset that has a suite, and links them on its page."""
    return {"data_docs": dg.MetadataValue.path(str(build_docs(line)))}


def _check_types(key: dg.AssetKey, frame: pl.DataFrame) -> dg.AssetCheckResult:
    """A column that is missing, or is there in addition, is no fault of its type: the check of the columns names it."""
    right = pl.Schema(RULES[key.path[-1]].schema)
    wrong = [f"{name} is {kind}, not {right[name]}" for name, kind in frame.schema.items() if kind != right.get(name, kind)]
    return _report(key, TYPES, wrong, True, {"columns": frame.width})


def _report(key: dg.AssetKey, check: str, faults: Sequence[str], certain: bool, metadata: dict[str, Any]) -> dg.AssetCheckResult:
    listed = {"faults": dg.MetadataValue.md("\n".join(f"- {fault}" for fault in faults))} if faults else {}
    return dg.AssetCheckResult(
        passed=not faults,
        check_name=check,
        asset_key=key,
        severity=dg.AssetCheckSeverity.ERROR if certain else dg.AssetCheckSeverity.WARN,
        metadata=metadata | listed,
        description="; ".join(faults) or "all expectations hold",
    )


def _validate(key: dg.AssetKey, frame: pl.DataFrame, rules: Sequence[Rule]) -> list[str]:
    """For each rule what is wrong, or an empty text."""
    line, asset = key.path[0], key.path[-1]
    ruled = {rule.arguments.get("column") for rule in rules} | {"kind"}
    # What no rule reads is costly to turn into pandas, and stands there by its name alone.
    values = frame.select(pl.col(name) if name in ruled else pl.lit(None).alias(name) for name in frame.columns)
    found = open_docs(line, asset).validate(asset, values, [Expected(rule.expectation, rule.arguments) for rule in rules])
    return ["" if result is None else _explain(rule, result, frame) for rule, result in zip(rules, found, strict=True)]


def _explain(rule: Rule, result: Mapping[str, Any], frame: pl.DataFrame) -> str:
    if rule.check == "columns":
        return f"columns: expected {_expected(rule)}; found {', '.join(frame.columns)}"
    column = rule.arguments["column"]
    if column not in frame.columns:
        return f"{column}: there is no such column"
    count, some = result.get("unexpected_count"), result.get("partial_unexpected_list")
    return f"{column}: {count} of {result.get('element_count')} rows are not {_expected(rule)}, such as {some[:3] if some else some}"


def _describe(rules: Iterator[Rule]) -> str:
    return "; ".join(f"{rule.arguments.get('column', 'columns')}: {_expected(rule)}" for rule in rules)


def _expected(rule: Rule) -> str:
    given = rule.arguments
    match rule.check:
        case "columns":
            return ", ".join(given["column_list"])
        case "complete":
            return "given"
        case "unique_ids":
            return "unique"
        case "known_values":
            return " or ".join(given["value_set"])
        case _:
            return (
                f"between {given['min_value']} and {given['max_value']}"
                if given["max_value"] is not None
                else f"{given['min_value']} or more"
            )
