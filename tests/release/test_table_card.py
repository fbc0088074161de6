"""The card of a table tells what was measured, gives no real row away, and nothing in a table can break it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from markdown_it import MarkdownIt
from test_release_card import HOSTILE, Page

from factory.records import METRIC
from factory.release.table_card import render_table_html, render_table_markdown, write_table_card
from factory.release.table_shapes import RARE, RARE_NAME, associate_columns, cut_numbers, fold_categories
from factory.validation.columns.reading import ReadTable, TableFile, read_table
from factory.validation.columns.table import TYPES, Columns
from factory.validation.gates import decide_gates
from factory.validation.reports import measure_report
from factory.validation_spec import Kind, TableSpec

NOW = date(2026, 11, 1)


def make_table(real: pl.DataFrame, synthetic: pl.DataFrame, kinds: dict[str, Kind], spec: TableSpec | None = None) -> ReadTable:
    typed = [frame.cast({name: TYPES[kind] for name, kind in kinds.items()}) for frame in (real, synthetic)]
    files = tuple(TableFile(role, f"{role}.csv", "0" * 64, frame.height) for role, frame in zip(("real", "synthetic"), typed, strict=True))
    return ReadTable(Columns(typed[0], typed[1], typed[0].clear(), kinds), spec or TableSpec(), files)


def make_gates(*rows: dict[str, object]) -> pl.DataFrame:
    plain = {"report": "fidelity", "subject": "line", "direction": "max", "size": 40, "severity": "block", "method": "m"}
    return pl.DataFrame([plain | row for row in rows], schema=METRIC)


def plain_table() -> ReadTable:
    ages = [20.0 + number % 40 for number in range(80)]
    jobs = ["cook"] * 40 + ["pilot"] * 36 + ["astronaut"] * 4
    real = pl.DataFrame({"age": [*ages[:-1], 987654.0], "job": jobs, "on": [NOW] * 80, "ok": [True] * 40 + [None] * 40})
    return make_table(real, real.with_columns(job=pl.lit("clown")), {"age": "number", "job": "category", "on": "date", "ok": "boolean"})


GATES = make_gates(
    {"metric": "distance", "value": 0.5, "low": 0.4, "high": 0.6, "threshold": 0.2, "passed": False, "confidence": 0.95},
    {"metric": "likeness", "value": 0.1, "low": 0.0, "high": 0.2, "threshold": 0.2, "passed": True},
    {"metric": "distance", "subject": "age", "value": 0.25, "direction": "info"},
    {"metric": "share", "subject": "astronaut · cook", "value": 0.75, "direction": "info"},
    {"report": "privacy", "metric": "nearness", "value": None, "direction": "info", "size": 0},
)


def test_the_card_says_what_failed_and_what_was_not_measured() -> None:
    for said in (Page(render_table_html(plain_table(), GATES, "t.csv")).text, render_table_markdown(plain_table(), GATES, "t.csv")):
        assert "1 failed" in said and "FAIL" in said
        assert "not measured" in said and "No held-out rows were given" in said
        assert "0.25" in said and "50%" in said  # the distance of age, and the missing half of `ok`


def test_no_value_of_a_few_real_rows_is_on_the_card(tmp_path: Path) -> None:
    write_table_card(tmp_path, plain_table(), GATES, "t.csv")
    for file in ("card.html", "card.md"):
        said = (tmp_path / file).read_text(encoding="utf-8")
        assert "astronaut" not in said and "987654" not in said and "987,654" not in said
    assert RARE_NAME in (tmp_path / "card.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "columns.png",
        "pairs_difference.png",
        "pairs_real.png",
        "pairs_synthetic.png",
    ]


def test_a_crossed_cell_of_a_few_real_rows_is_not_on_the_card() -> None:
    crossed = [("f", "blue")] * 96 + [("f", "green")] * 4 + [("m", "blue")] * 50 + [("m", "green")] * 50
    real = pl.DataFrame(crossed, schema=["sex", "eyes"], orient="row")
    kinds: dict[str, Kind] = {"sex": "category", "eyes": "category"}
    typed = make_table(real, real.head(180), kinds)
    columns = replace(typed.columns, groups=("sex", "eyes"))
    gates = decide_gates(measure_report("fairness", columns), TableSpec(), NOW, "columns")
    assert "cell=f · green" in gates["subject"].to_list()
    card = render_table_html(replace(typed, columns=columns), gates, "t")
    assert "m · green" in card and "f · green" not in card


def test_categories_are_folded_and_shares_still_add_up() -> None:
    real = pl.Series(["a"] * RARE + ["b"] * (RARE - 1) + [None])
    bars = fold_categories(real, pl.Series(["a", "b", "new", "new"]))
    assert bars.names == ("a", RARE_NAME)
    assert bars.real.tolist() == pytest.approx([5 / 9, 4 / 9]) and bars.synthetic.tolist() == [0.25, 0.75]


def test_a_histogram_hides_extremes_and_small_bins() -> None:
    real = pl.Series([*np.random.default_rng(0).normal(50, 10, 2000).tolist(), 1000000.0])
    cut = cut_numbers(real, real)
    assert cut is not None and cut.edges[-1] < 100 and cut.synthetic.sum() == pytest.approx(1)
    assert ((cut.real == 0) | (cut.real * 2001 >= RARE - 1e-6)).all()
    assert cut_numbers(real.head(RARE - 1), real) is None
    for none in (-1.7976931348623157e308, 1.7976931348623157e308):
        assert cut_numbers(pl.concat([real, pl.Series([none] * real.len(), dtype=real.dtype)]), real) is None


def test_association_of_equal_and_of_unrelated_columns() -> None:
    drawn = np.random.default_rng(1).integers(0, 3, (2, 3000))
    frame = pl.DataFrame({"a": drawn[0].astype(str), "b": drawn[0].astype(float), "c": drawn[1].astype(str)})
    real, synthetic = associate_columns(
        Columns(frame, frame.head(0), frame.clear(), {"a": "category", "b": "number", "c": "category"}), "abc"
    )
    assert real[0, 1] == pytest.approx(1, abs=0.01) and real[0, 2] == pytest.approx(0, abs=0.05)
    assert synthetic[0, 1] == 0


def test_nothing_in_a_table_breaks_the_card() -> None:
    names = [*HOSTILE, "العربية \u202e", "x" * 2000]
    real = pl.DataFrame({name: [*HOSTILE, "y" * 1_000_000] * RARE for name in names})
    kinds: dict[str, Kind] = dict.fromkeys(names, "category")
    spec = TableSpec(sensitive=(HOSTILE[0],), groups=(HOSTILE[1],))
    gates = make_gates(*({"metric": "distance", "subject": name, "value": 0.1, "direction": "info"} for name in names))
    html = render_table_html(make_table(real, real, kinds, spec), gates, HOSTILE[0])
    page, clean = Page(html), Page(render_table_html(plain_table(), GATES, "t.csv"))
    assert set(page.tags) <= {*clean.tags, "details", "summary"} and "script" not in page.tags and "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "\x1b" not in html and "\u202e" not in html and "y" * 1000 not in html
    markdown = (
        MarkdownIt("commonmark").enable("table").render(render_table_markdown(make_table(real, real, kinds, spec), gates, HOSTILE[0]))
    )
    assert "<script" not in markdown and "onerror=" not in re.sub(r"&lt;.*?&gt;", "", markdown)
    assert markdown.count("<img") == 4


@pytest.mark.parametrize(
    "real",
    [
        {"a": [None] * 20, "b": [1.0] * 20},
        {"a": ["x"], "b": [1.0]},
        {"a": ["x"] * 20, "b": [1e300, -1e300] * 10},
        {"a": ["x"] * 20, "b": [1e-300] * 20},
    ],
)
def test_no_nan_is_on_the_card(real: dict[str, list[object]]) -> None:
    frame = pl.DataFrame(real, schema={"a": pl.String, "b": pl.Float64})
    table = make_table(frame, frame.head(1), {"a": "category", "b": "number"})
    for said in (render_table_html(table, make_gates(), "t"), render_table_markdown(table, make_gates(), "t")):
        assert not re.search(r"\b(nan|inf)\b", said, re.IGNORECASE)
        assert "no gate" in said.lower()


def test_the_same_rows_in_another_order_give_the_same_card(tmp_path: Path) -> None:
    lines = [f"{number},k{number % 3}" for number in range(60)]
    cards = []
    for order in (lines, lines[::-1]):
        (tmp_path / "t.csv").write_text("\n".join(["n,k", *order]))
        cards.append(render_table_markdown(read_table(tmp_path / "t.csv", tmp_path / "t.csv"), make_gates(), "t"))
    assert re.sub("[0-9a-f]{64}", "", cards[0]) == re.sub("[0-9a-f]{64}", "", cards[1])


def test_columns_past_the_thirtieth_are_counted() -> None:
    names = [f"c{number}" for number in range(33)]
    frame = pl.DataFrame({name: ["a"] * 6 for name in names})
    said = render_table_markdown(make_table(frame, frame, dict.fromkeys(names, "category")), make_gates(), "t")
    assert "first 30 of 33 columns" in said and "| c32 |" in said
