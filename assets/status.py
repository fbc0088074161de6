"""Where a line stands, for the terminal: what is stored of it and when it was made, its last runs, its gates and its card."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import polars as pl
from rich.markup import escape
from rich.table import Column, Table

from assets.champion import student_name
from assets.layout import asset_key, leaves_name
from assets.release import CARD
from assets.shelf import LEAF_FRAMES, open_shelf
from assets.story import tell_faults
from factory.line import Line
from factory.seeds.survey import Survey
from resources.home import Home, open_instance
from resources.lock import LINE_TAG

LINE_FRAMES = ("accepted", "rejected", "fidelity", "privacy", "fairness", "collapse", "gates", "dataset_release", "training_mix")
MOST_RUNS = 5


def draw_status(home: Home, line: Line, survey: Survey) -> Iterator[Table | str]:
    """The state of a line: each asset with its rows and when it was last made, the last runs, the faults."""
    shelf = open_shelf(home, line.name)
    table = Table("asset", "leaves", "rows", "last run", title=f"{line.name}: {len(shelf.leaves)} leaves", title_justify="left")
    with open_instance(home) as instance:
        for name in (*LEAF_FRAMES, *LINE_FRAMES, *(student_name(phase) for phase in line.training.plan), "evaluation", "champion"):
            frame = shelf.frame(name)
            leaves = f"{shelf.stored_leaves(name)}/{len(shelf.leaves)}" if name in LEAF_FRAMES else ""
            event = instance.get_latest_materialization_event(asset_key(line, name))
            when = _write_time(event.timestamp) if event else "-"
            table.add_row(name, leaves, "-" if frame is None else f"{frame.height:,}", when)
        yield table
        for record in instance.get_run_records(dg.RunsFilter(tags={LINE_TAG: line.name}), limit=MOST_RUNS):
            run, when = record.dagster_run, _write_time(record.create_timestamp.timestamp())
            yield f"run {run.run_id[:8]}  {when}  {run.status.value}"
    waiting = sorted(set(survey.leaves) ^ set(shelf.leaves))
    if waiting:
        few = ", ".join(waiting[:3]) + (" …" if len(waiting) > 3 else "")
        yield f"{len(waiting)} leaves are not in step with the seeds ({few}); the next run, or the sensor {leaves_name(line)}, mends it."
    yield from tell_faults(survey)


def _write_time(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def draw_gates(gates: pl.DataFrame) -> Table:
    """The gate table."""
    table = Table(Column("gate", overflow="fold"), "value", "interval", "must be", "outcome")
    for row in gates.filter(pl.col("threshold").is_not_null()).iter_rows(named=True):
        bound = f"{'at most' if row['direction'] == 'max' else 'at least'} {row['threshold']:g}"
        failed = "[red]failed[/red]" if row["severity"] == "block" else "[yellow]failed, warns[/yellow]"
        outcome = "[green]passed[/green]" if row["passed"] else failed
        outcome = f"[yellow]waived by {escape(row['waived_by'])}[/yellow]" if row["waived_by"] else outcome
        interval = "" if row["low"] is None else f"{row['low']:.3g} to {row['high']:.3g}"
        table.add_row(f"{row['report']}.{row['metric']}", "-" if row["value"] is None else f"{row['value']:.4g}", interval, bound, outcome)
    return table


def find_card(home: Home, line: str) -> Path | None:
    """The card of the line's latest release."""
    release = open_shelf(home, line).frame("dataset_release")
    return None if release is None else Path(release["folder"][0]) / CARD
