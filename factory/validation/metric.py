"""What a metric is: its registration, the evidence it reads, the rows it gives, and the report made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import polars as pl

from factory.records import DOCUMENT, METRIC, TOPIC, VERDICT, empty, take_examples
from factory.seeds_spec import KINDS
from factory.validation.distances import Comparison, compare_lengths, compare_vocabulary
from factory.validation.intervals import CONFIDENCE, wilson
from factory.validation.text import shape_numbers, words

Report = Literal["fidelity", "privacy", "fairness", "collapse"]
Direction = Literal["max", "min", "info"]

LINE = "line"
"""Subject of a row that speaks of the whole line: the only rows that gates read."""

GROUP = "group:"
NO_GROUP = "(none)"
"""Value of a declared group for the records that do not declare it."""


@dataclass(frozen=True)
class Row:
    """One measured value. `value` is None where there was nothing to measure; `low` and `high` are its 95 % interval."""

    subject: str
    value: float | None
    low: float | None = None
    high: float | None = None
    size: int = 0


@dataclass(frozen=True)
class Evidence:
    """What the metrics read; every frame sorted by record id, so that nothing depends on the order of rows."""

    accepted: pl.DataFrame
    seeds: pl.DataFrame
    documents: pl.DataFrame = field(default_factory=lambda: empty(DOCUMENT))
    verdicts: pl.DataFrame = field(default_factory=lambda: empty(VERDICT))

    def __post_init__(self) -> None:
        # What is made from a topic is of the kind of its leaf, and is compared with that.
        of_leaf = pl.col("leaf").str.split("/").list.first().replace(KINDS)
        object.__setattr__(self, "seeds", self.seeds.with_columns(kind=pl.when(pl.col("kind") == TOPIC).then(of_leaf).otherwise("kind")))
        names = self.group_names
        for name in ("accepted", "seeds", "verdicts"):
            object.__setattr__(self, name, _spread_groups(getattr(self, name), names).sort("record_id"))
        object.__setattr__(self, "documents", self.documents.sort("record_id"))

    @cached_property
    def group_names(self) -> list[str]:
        """Names of the declared groups; each is a column `group:<name>` of seeds, verdicts and accepted."""
        declared = pl.concat([frame["groups"] for frame in (self.seeds, self.verdicts, self.accepted)]).explode().drop_nulls()
        return sorted(declared.struct.field("name").unique()) if declared.len() else []

    def counts(self, column: str) -> dict[str, int]:
        """Accepted records by the values of a column."""
        return dict(self.accepted.group_by(column).len().sort(column).iter_rows())

    def reference(self, column: str) -> dict[str, float]:
        """Shares of a column's values among the seeds, each leaf weighing the same."""
        weighed = self.seeds.select(pl.col(column).alias("value"), (1 / pl.len().over("leaf")).alias("weight"))
        shares = weighed.group_by("value").agg(pl.col("weight").sum() / self.seeds["leaf"].n_unique()).sort("value")
        return dict(shares.iter_rows())

    @cached_property
    def synthetic(self) -> pl.DataFrame:
        """Texts of the accepted records: record_id, leaf, instruction, response and their words."""
        return _with_words(self.accepted.select("record_id", "leaf", "instruction", "response"))

    @cached_property
    def examples(self) -> pl.DataFrame:
        """The seeds that are examples. A topic counts where leaves and their attributes are compared, and not where texts are."""
        return take_examples(self.seeds)

    @cached_property
    def real(self) -> pl.DataFrame:
        """Texts of all seed examples, both splits, with the columns of `synthetic`."""
        return _with_words(self.examples.select("record_id", "leaf", instruction="question", response="answer"))

    @cached_property
    def shared_leaves(self) -> list[str]:
        """Leaves that have both accepted records and seed examples."""
        return sorted(set(self.accepted["leaf"]) & set(self.examples["leaf"]))

    @cached_property
    def instruction_lengths(self) -> Comparison:
        return compare_lengths(self._by_leaf("instruction_words"), "instruction")

    @cached_property
    def response_lengths(self) -> Comparison:
        return compare_lengths(self._by_leaf("response_words"), "response")

    @cached_property
    def vocabularies(self) -> Comparison:
        return compare_vocabulary(self._by_leaf("shapes"))

    def _by_leaf(self, column: str) -> dict[str, tuple[list[list[str]], list[list[str]]]]:
        return {leaf: (_values(self.synthetic, leaf, column), _values(self.real, leaf, column)) for leaf in self.shared_leaves}


Measure = Callable[[Evidence], Iterable[Row]]


@dataclass(frozen=True)
class Metric:
    """A registered metric. `direction` says which way is better: "max" low, "min" high, "info" neither."""

    report: Report
    name: str
    direction: Direction
    measures: str
    formula: str
    interval: str
    measure: Measure

    @property
    def key(self) -> str:
        """`<report>.<metric>`, the name that gates go by."""
        return f"{self.report}.{self.name}"

    @property
    def method(self) -> str:
        return f"{self.measures}: {self.formula}; interval: {self.interval}" if self.interval else f"{self.measures}: {self.formula}"


METRICS: dict[str, Metric] = {}
"""Every metric by `<report>.<metric>`, in the order of registration; filled as the four report modules are imported."""


def metric(report: Report, direction: Direction, measures: str, formula: str, interval: str = "") -> Callable[[Measure], Measure]:
    """Registers the decorated function, under its own name, as a metric of `report`.

    `measures`: what the value is, in words. `formula`: the test or formula by name, with its source. `interval`: how
    the confidence interval is computed; empty where the value is a count of all there is.
    """

    def register(measure: Measure) -> Measure:
        registered = Metric(report, measure.__name__, direction, measures, formula, interval, measure)
        METRICS[registered.key] = registered
        return measure

    return register


def measure_report(report: Report, evidence: Evidence) -> pl.DataFrame:
    """Every metric of a report as METRIC rows; thresholds and verdicts stay null until the gates."""
    rows = [
        {
            "report": report,
            "metric": each.name,
            "subject": row.subject,
            "value": finite(row.value),
            "low": finite(row.low),
            "high": finite(row.high),
            "confidence": None if finite(row.low) is None else CONFIDENCE,
            "size": row.size,
            "direction": each.direction if row.subject == LINE else "info",
            "method": each.method,
        }
        for each in METRICS.values()
        if each.report == report
        for row in each.measure(evidence)
    ]
    return pl.DataFrame(rows, schema=METRIC)


def finite(value: float | None) -> float | None:
    """The value, or None for what is no number: a NaN never reaches a gate or a card."""
    return value if value is not None and math.isfinite(value) else None


def share_row(subject: str, hits: int, size: int) -> Row:
    """The share hits/size with its Wilson interval; no value where there is nothing to share."""
    return Row(subject, hits / size, *wilson(hits, size), size) if size else Row(subject, None)


def share_rows(flagged: pl.DataFrame) -> list[Row]:
    """Shares of the boolean column `hit`: of the whole frame, then of each value of its column `leaf`."""
    by_leaf = flagged.group_by("leaf").agg(pl.col("hit").sum().alias("hits"), pl.len().alias("size")).sort("leaf")
    line = share_row(LINE, int(flagged["hit"].sum()), flagged.height)
    return [line, *(share_row(leaf, hits, size) for leaf, hits, size in by_leaf.iter_rows())]


def _with_words(texts: pl.DataFrame) -> pl.DataFrame:
    return (
        texts.with_columns(words("instruction").alias("instruction_words"), words("response").alias("response_words"))
        .with_columns(pl.concat_list("instruction_words", "response_words").alias("words"))
        .with_columns(shape_numbers("words").alias("shapes"))
    )


def _spread_groups(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The frame with a column `group:<name>` for each name, holding the declared value or NO_GROUP."""
    chosen = {name: pl.col("groups").list.filter(pl.element().struct.field("name") == name).list.first() for name in names}
    return frame.with_columns(value.struct.field("value").fill_null(NO_GROUP).alias(f"{GROUP}{name}") for name, value in chosen.items())


def _values(texts: pl.DataFrame, leaf: str, column: str) -> list[list[str]]:
    return texts.filter(pl.col("leaf") == leaf)[column].to_list()
