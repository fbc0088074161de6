"""What an asset's page in Dagster shows: counts that become charts, tables of sample rows, plots."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from factory.release.trend import Point, list_shown, plot_trend
from factory.release.visible import make_visible
from resources.keeper import Kept

SAMPLE_ROWS = 5
LONGEST_CELL = 120


def show_kept(kept: Kept) -> dict[str, Any]:
    """What every page shows: rows, the seconds that making took, whether this run reused it, and from what it was made."""
    return {
        "dagster/row_count": kept.frame.height,
        "seconds": float(kept.seconds),
        "reused": kept.reused,
        "fingerprint": kept.fingerprint,
    }


def show_table(frame: pl.DataFrame, columns: Sequence[str], rows: int = SAMPLE_ROWS) -> dg.MarkdownMetadataValue:
    """The first rows as a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    lines += [f"| {' | '.join(_write_cell(row[column]) for column in columns)} |" for row in frame.head(rows).iter_rows(named=True)]
    return dg.MetadataValue.md("\n".join(lines))


def show_sample(records: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """A record of each of the first leaves, the leaf by the last part of its path."""
    some = records.group_by("leaf", maintain_order=True).first().with_columns(leaf=pl.col("leaf").str.split("/").list.last())
    return show_table(some, ["leaf", "instruction", "response"])


def show_plot(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A picture that stands in the page itself."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def show_curve(points: Sequence[tuple[float, float]], x: str, y: str) -> dg.MarkdownMetadataValue:
    """A small line plot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 2.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([point[0] for point in points], [point[1] for point in points], color="#1f6f8b", linewidth=1)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return show_plot(png.getvalue(), f"{y} by {x}")


def show_trend(points: Sequence[Point], keys: Sequence[str]) -> dict[str, Any]:
    """The measures `keys` of a line's last releases as a table, and the plot of the main ones; nothing of fewer than two points."""
    if len(points) < 2:
        return {}
    shown = list_shown(points, keys)
    columns = {f"{point.step} {point.version}": [point.values.get(key) for key in shown] for point in points}
    table = pl.DataFrame({"measure": shown} | columns)
    return {"trend": show_table(table, table.columns, rows=table.height), "trend_plot": show_plot(plot_trend(points), "trend")}


def show_floats(values: Mapping[str, float | int | None]) -> dict[str, float]:
    """Numbers under stable names, as floats, which Dagster charts over time; what is unknown is left out."""
    return {name: float(value) for name, value in values.items() if value is not None}


def _write_cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = make_visible(text)
    text = text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
