"""What the card of a table says: the facts of its columns and gates, gathered once for its HTML and its Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from factory.release.gate_rows import count_passed, list_gates, name_confidence, name_exceptions
from factory.release.table_plots import MOST_DRAWN
from factory.release.table_shapes import RARE, RARE_NAME, find_rare
from factory.validation.columns.cells import cross_groups, label_groups
from factory.validation.columns.reading import ReadTable, TableFile
from factory.validation.columns.table import Columns
from factory.validation.fairness.groups import CELL
from factory.validation.metric import LINE, METRICS

Row = dict[str, Any]

TABLE = "table"
"""What a card calls the subject of a row that speaks of the whole table."""
MOST_MEASURES = 6
"""Metrics of single columns that stand beside them."""
ROLE_NAMES = {"quasi_identifiers": "quasi-identifier", "sensitive": "sensitive", "groups": "group", "target": "target"}
_PARTS = re.compile(r"( · | × |=|, )")


@dataclass(frozen=True)
class ColumnFacts:
    """One column: shares of missing cells, what is in it in a few words, and its value of each of `TableFacts.measured`."""

    name: str
    kind: str
    roles: tuple[str, ...]
    missing: tuple[float, float]
    real: str
    synthetic: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class TableFacts:
    """Everything that a table's card says, in the order of the card. `measured` are metrics that have a value of each column."""

    title: str
    files: tuple[TableFile, ...]
    columns: tuple[ColumnFacts, ...]
    measured: tuple[str, ...]
    kinds: Mapping[str, int]
    gates: tuple[Row, ...]
    measures: tuple[Row, ...]
    privacy: tuple[Row, ...]
    confidence: str
    roles: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    limits: tuple[str, ...]
    drawn: int

    @property
    def passed(self) -> int:
        """Gates that hold."""
        return count_passed(self.gates)

    @property
    def exceptions(self) -> str:
        """How many gates do not hold, and what became of them; empty where all hold."""
        return name_exceptions(self.gates)

    @property
    def failed(self) -> bool:
        """Whether a gate failed that blocks and that nobody waived."""
        return any(row["outcome"] == "fail" for row in self.gates)

    @property
    def holdout(self) -> int:
        """Held-out rows."""
        return sum(file.rows for file in self.files if file.role == "holdout")


def gather_table_facts(table: ReadTable, gates: pl.DataFrame, title: str) -> TableFacts:
    """The facts of a table that was read and of its gate table (METRIC). No value of a single real row is among them."""
    columns = table.columns
    measured = _choose_measured(gates, columns)
    small = _find_small_cells(columns)
    rows, others = (tuple(_name_subjects((row for row in part if row["subject"] not in small), columns)) for part in list_gates(gates))
    shown = tuple(row for row in others if row["metric"] not in measured or row["subject"] not in columns.kinds)
    return TableFacts(
        title=title,
        files=table.files,
        columns=tuple(_describe_columns(table, gates, measured)),
        measured=measured,
        kinds={kind: len(columns.of_kind(kind)) for kind in ("number", "category", "date", "boolean") if columns.of_kind(kind)},  # type: ignore[arg-type]
        gates=rows,
        measures=shown,
        privacy=tuple(_list_privacy([*rows, *others])),
        confidence=name_confidence(gates),
        roles=tuple(_name_roles(table)),
        notices=table.notices,
        limits=tuple(_name_limits(table, rows)),
        drawn=min(len(columns.kinds), MOST_DRAWN),
    )


def _choose_measured(gates: pl.DataFrame, columns: Columns) -> tuple[str, ...]:
    """The fidelity metrics that have rows of single columns, as registered."""
    single = gates.filter(pl.col("subject").is_in(list(columns.kinds)), pl.col("subject") != LINE, report="fidelity")
    return tuple(single["metric"].unique(maintain_order=True))[:MOST_MEASURES]


def _find_small_cells(columns: Columns) -> set[str]:
    """Subjects of the cells of declared groups, crossed, of fewer than RARE real rows."""
    if not columns.groups:
        return set()
    cells = cross_groups(label_groups(columns.real, columns.real, columns.kinds, columns.groups))
    return {f"{CELL}{cell}" for cell, rows in cells.value_counts(name="rows").iter_rows() if rows < RARE}


def _name_subjects(rows: Iterable[Row], columns: Columns) -> Iterator[Row]:
    """Rows whose subject may be shown: without the names of rare categories, and of the table where it was "line"."""
    rare = {value for name in columns.of_kind("category") for value in find_rare(columns.real[name])} - set(columns.kinds)
    for row in rows:
        subject = "".join(RARE_NAME if part in rare else part for part in _PARTS.split(row["subject"]))
        yield row | {"subject": TABLE if subject == LINE else subject}


def _list_privacy(rows: list[Row]) -> Iterator[Row]:
    """What was measured of privacy for the whole table, in words; no value where there was nothing to measure with."""
    for row in rows:
        if row["report"] == "privacy" and row["subject"] == TABLE:
            key = f"{row['report']}.{row['metric']}"
            yield row | {"told": METRICS[key].measures if key in METRICS else row["metric"].replace("_", " ")}


def _describe_columns(table: ReadTable, gates: pl.DataFrame, measured: tuple[str, ...]) -> Iterator[ColumnFacts]:
    columns = table.columns
    fidelity = gates.filter(report="fidelity")
    values = {(row["metric"], row["subject"]): row["value"] for row in fidelity.iter_rows(named=True)}
    for name, kind in columns.kinds.items():
        sides = columns.real[name], columns.synthetic[name]
        yield ColumnFacts(
            name=name,
            kind=kind,
            roles=tuple(told for role, told in ROLE_NAMES.items() if name in table.spec.roles[role]),
            missing=(sides[0].null_count() / sides[0].len(), sides[1].null_count() / sides[1].len()),
            real=_summarise(sides[0], kind),
            synthetic=_summarise(sides[1], kind),
            values=tuple(values.get((metric, name)) for metric in measured),
        )


def _summarise(values: pl.Series, kind: str) -> str:
    """A column in a few words, none of which is the value of a few rows."""
    present = values.drop_nulls()
    if present.len() < RARE:
        return "–"
    if kind == "number":
        scale = float(present.abs().max() or 0.0) or 1.0  # type: ignore[arg-type]
        mean, spread = (float(figure) * scale for figure in ((present / scale).mean(), (present / scale).std()))  # type: ignore[arg-type]
        return f"{_write_number(mean)} ± {_write_number(spread)}"
    if kind == "boolean":
        return f"{float(present.mean() or 0.0):.1%} true"  # type: ignore[arg-type]
    if kind == "date":
        years = present.dt.year()
        return f"{years.quantile(0.05, 'nearest'):.0f} to {years.quantile(0.95, 'nearest'):.0f}"
    count = present.n_unique()
    return f"{count:,} categor{'y' if count == 1 else 'ies'}"


def _write_number(value: float) -> str:
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e9 else f"{value:.4g}"


def _name_roles(table: ReadTable) -> Iterator[tuple[str, str]]:
    titles = {"quasi_identifiers": "Quasi-identifiers", "sensitive": "Sensitive", "groups": "Groups", "target": "Target"}
    for role, title in titles.items():
        yield title, ", ".join(table.spec.roles[role]) or "none declared"
    if table.spec.ignore:
        yield "Ignored", ", ".join(table.spec.ignore)
    if table.spec.missing:
        yield "Read as missing", ", ".join(table.spec.missing)


def _name_limits(table: ReadTable, gates: tuple[Row, ...]) -> Iterator[str]:
    roles = {file.role for file in table.files}
    yield (
        "The gates compare the synthetic table with the real one. They do not show that a model trained on it works; measure that on real "
        "rows that the generator has not seen."
    )
    if "holdout" not in roles:
        yield (
            "No held-out rows were given, so nothing is known of whether the synthetic rows are nearer to the rows they were made from "
            "than to others. Privacy metrics that need such rows are not measured."
        )
    else:
        yield "That the generator never saw the held-out rows is taken on trust: if it did, the privacy figures say nothing."
    if not table.spec.quasi_identifiers:
        yield "No quasi-identifiers were declared: what an intruder may already know of a person was not told apart from the rest."
    if table.spec.ignore:
        yield f"Nothing vouches for the columns that were ignored: {', '.join(table.spec.ignore)}."
    yield (
        f"No row of the real table stands here. Categories and bins of fewer than {RARE} real rows could tell who is in them: such "
        f"categories are together as {RARE_NAME}, with what only the synthetic table has, and such bins are left empty. Histograms end at "
        "the 1st and 99th percentiles of the real table; what lies beyond is in their last bins."
    )
    if not gates:
        yield "There was no gate to pass."
    for row in gates:
        gate = f"{row['report']}.{row['metric']}"
        if row["outcome"] == "waived":
            yield f"The gate {gate} failed and was waived by {row['waived_by']} until {row['waived_until']}: {row['waiver_reason']}"
        elif row["outcome"] == "warn":
            yield f"The gate {gate} failed; the spec lets it warn, and not block."
