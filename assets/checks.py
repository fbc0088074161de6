"""Great Expectations suites as blocking asset checks: columns, missing values, identity, domains and ranges of the frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import dagster as dg
import polars as pl

from factory.records import CANARY, CANDIDATE, SEED, TOPIC, VERDICT

NO_TOPIC = {"row_condition": f'kind != "{TOPIC}"', "condition_parser": "pandas"}
KINDS = ["compositional", "foundational", "knowledge"]


@dataclass(frozen=True)
class Rule:
    """One expectation of Great Expectations by class name, under the asset check that shows it."""

    check: str
    expectation: str
    arguments: Mapping[str, Any]


def _columns(schema: Mapping[str, Any]) -> Rule:
    return Rule("columns", "ExpectTableColumnsToMatchOrderedList", {"column_list": list(schema)})


def _present(*columns: str) -> Iterator[Rule]:
    for column in columns:
        yield Rule("complete", "ExpectColumnValuesToNotBeNull", {"column": column})


def _one_of(column: str, values: Sequence[str]) -> Rule:
    return Rule("known_values", "ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)})


def _between(column: str, least: float, most: float | None = None) -> Rule:
    return Rule("in_range", "ExpectColumnValuesToBeBetween", {"column": column, "min_value": least, "max_value": most})


def _unique(column: str) -> Rule:
    return Rule("unique_ids", "ExpectColumnValuesToBeUnique", {"column": column})


WRITTEN = ("record_id", "leaf", "kind", "language", "flow", "teacher", "prompt_hash", "sampling", "seed", "depth")
KEPT = (
    *_present(*WRITTEN, "instruction", "response", "goodness", "verdict"),
    _unique("record_id"),
    _one_of("kind", KINDS),
    _one_of("verdict", ["accepted"]),
    _between("depth", 1),
)

SUITES: dict[str, tuple[Rule, ...]] = {
    "seed_examples": (
        _columns(SEED),
        *_present("record_id", "leaf", "kind", "language", "question", "split", "source", "depth"),
        Rule("complete", "ExpectColumnValuesToNotBeNull", {"column": "answer"} | NO_TOPIC),
        _unique("record_id"),
        _one_of("kind", [*KINDS, TOPIC, CANARY]),
        _one_of("split", ["seed", "holdout"]),
        _between("depth", 0, 0),
    ),
    "candidates": (
        _columns(CANDIDATE),
        *_present(*WRITTEN),
        _unique("record_id"),
        _one_of("kind", KINDS),
        _between("depth", 1),
        _between("prompt_tokens", 0),
        _between("completion_tokens", 0),
        _between("cost", 0),
    ),
    "accepted": (_columns(VERDICT), *KEPT),
    "dataset_release": KEPT,
}
"""What must hold for the frame of an asset before anything downstream reads it."""


def specify_checks(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The blocking checks of an asset's suite."""
    rules = SUITES[key.path[-1]]
    return [
        dg.AssetCheckSpec(check, asset=key, blocking=True, description=_describe(rule for rule in rules if rule.check == check))
        for check in dict.fromkeys(rule.check for rule in rules)
    ]


def check_frame(key: dg.AssetKey, frame: pl.DataFrame) -> list[dg.AssetCheckResult]:
    """Validates `frame` against the asset's suite: one result per check, naming what failed, where, and some of the values."""
    rules = SUITES[key.path[-1]]
    outcomes = _validate(frame, rules)
    results = []
    for check in dict.fromkeys(rule.check for rule in rules):
        faults = [fault for rule, fault in zip(rules, outcomes, strict=True) if rule.check == check and fault]
        metadata: dict[str, Any] = {"rows": frame.height, "expectations": sum(rule.check == check for rule in rules)}
        if faults:
            metadata["faults"] = dg.MetadataValue.md("\n".join(f"- {fault}" for fault in faults))
        description = "; ".join(faults) if faults else "all expectations hold"
        results.append(
            dg.AssetCheckResult(
                passed=not faults,
                check_name=check,
                asset_key=key,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata=metadata,
                description=description,
            )
        )
    return results


def _validate(frame: pl.DataFrame, rules: Sequence[Rule]) -> list[str]:
    """For each rule what is wrong, or an empty text."""
    from great_expectations import ExpectationSuite, expectations

    asked = [getattr(expectations, rule.expectation)(**rule.arguments, meta={"rule": number}) for number, rule in enumerate(rules)]
    batch = _batch_definition().get_batch({"dataframe": frame.to_pandas()})
    found = batch.validate(ExpectationSuite(name="frame", expectations=asked))
    faults = [""] * len(rules)
    for result in found.results:
        number = result.expectation_config.meta["rule"]
        if not result.success:
            faults[number] = _explain(rules[number], result.result, frame.columns)
    return faults


@cache
def _batch_definition() -> Any:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context.data_sources.add_pandas("frames").add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole")


def _explain(rule: Rule, result: Mapping[str, Any], columns: Sequence[str]) -> str:
    column = rule.arguments.get("column")
    if column is None:
        return f"columns: expected {_expected(rule)}; found {', '.join(columns)}"
    if column not in columns:
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
