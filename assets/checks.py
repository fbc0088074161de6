"""Great Expectations suites as blocking asset checks, made from the schemas and rules of the frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from assets.data_docs import Expected, build_docs, docs_folder, open_docs
from factory.record_rules import RULES, Rules

PAIR = {"column_A": "column", "column_B": "type"}
"""Types are checked in a table of columns and types: pandas, which Great Expectations reads, has no types for lists and structs."""


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
        Rule("types", "ExpectColumnPairValuesToBeInSet", PAIR | {"value_pairs_set": [*_name_types(rules.schema)]}),
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


def _name_types(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(kind)) for name, kind in pl.Schema(schema).items()]


def _between(column: str, least: float | None, most: float | None, severity: str = "critical") -> Rule:
    return Rule("in_range", "ExpectColumnValuesToBeBetween", {"column": column, "min_value": least, "max_value": most}, severity)


def _where_not(column: str, value: str) -> dict[str, str]:
    return {"row_condition": f'{column} != "{value}"', "condition_parser": "pandas"}


SUITES: dict[str, tuple[Rule, ...]] = {asset: write_suite(rules) for asset, rules in RULES.items()}
"""What must hold for the frame of an asset before anything downstream reads it."""


def specify_checks(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The blocking checks of an asset's suite."""
    rules = SUITES[key.path[-1]]
    return [
        dg.AssetCheckSpec(check, asset=key, blocking=True, description=_describe(rule for rule in rules if rule.check == check))
        for check in dict.fromkeys(rule.check for rule in rules)
    ]


def check_frame(key: dg.AssetKey, frame: pl.DataFrame) -> list[dg.AssetCheckResult]:
    """Validates `frame` against the asset's suite: one result per check, naming what failed, where, and some of the values.

    Where a check fails that blocks, the data docs are written at once; else `publish_docs` writes them at the end of a run.
    """
    rules = SUITES[key.path[-1]]
    outcomes = _validate(key, frame, rules)
    page = docs_folder(key.path[0]) / "index.html"
    results = []
    for check in dict.fromkeys(rule.check for rule in rules):
        failed = {fault: rule for rule, fault in zip(rules, outcomes, strict=True) if rule.check == check and fault}
        metadata: dict[str, Any] = {
            "rows": frame.height,
            "expectations": sum(rule.check == check for rule in rules),
            "data_docs": dg.MetadataValue.path(str(page)),
        }
        if failed:
            metadata["faults"] = dg.MetadataValue.md("\n".join(f"- {fault}" for fault in failed))
        certain = not failed or any(rule.severity == "critical" for rule in failed.values())
        results.append(
            dg.AssetCheckResult(
                passed=not failed,
                check_name=check,
                asset_key=key,
                severity=dg.AssetCheckSeverity.ERROR if certain else dg.AssetCheckSeverity.WARN,
                metadata=metadata,
                description="; ".join(failed) or "all expectations hold",
            )
        )
    if any(not result.passed and result.severity == dg.AssetCheckSeverity.ERROR for result in results):
        build_docs(key.path[0])
    return results


def publish_docs(line: str) -> dict[str, dg.PathMetadataValue]:
    """Writes the data docs of what this run checked, once, after the last asset that has a suite, and links them on its page."""
    return {"data_docs": dg.MetadataValue.path(str(build_docs(line)))}


def _validate(key: dg.AssetKey, frame: pl.DataFrame, rules: Sequence[Rule]) -> list[str]:
    """For each rule what is wrong, or an empty text."""
    line, asset = key.path[0], key.path[-1]
    docs = open_docs(line, asset)
    ruled = {rule.arguments.get("column") for rule in rules} | {"kind"}
    # What no rule reads is costly to turn into pandas, and stands there by its name alone.
    values = frame.select(pl.col(name) if name in ruled else pl.lit(None).alias(name) for name in frame.columns)
    types = pl.DataFrame(_name_types(frame.schema), schema=["column", "type"], orient="row")
    faults = [""] * len(rules)
    for name, read, of_types in ((asset, values, False), (f"{asset}_types", types, True)):
        asked = [place for place, rule in enumerate(rules) if (rule.check == "types") is of_types]
        found = docs.validate(name, read, [Expected(rules[place].expectation, rules[place].arguments) for place in asked])
        for place, result in zip(asked, found, strict=True):
            faults[place] = "" if result is None else _explain(rules[place], result, frame)
    return faults


def _explain(rule: Rule, result: Mapping[str, Any], frame: pl.DataFrame) -> str:
    if rule.check == "columns":
        return f"columns: expected {_expected(rule)}; found {', '.join(frame.columns)}"
    if rule.check == "types":
        right = dict(rule.arguments["value_pairs_set"])
        wrong = [f"{name} is {kind}, not {right[name]}" for name, kind in _name_types(frame.schema) if right.get(name, kind) != kind]
        return f"types: {', '.join(wrong) or 'there are other columns'}"
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
        case "types":
            return "of the types of the schema"
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
