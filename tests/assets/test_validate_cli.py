"""`factory validate` from files to a verdict, and no home and no graph are made for it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from plant import Said

from factory.validation.columns.table import Columns
from factory.validation.metric import LINE, METRICS, Row, metric
from factory.validation_spec import Gate

Call = Callable[..., Said]
ROWS = "".join(f"{20 + number % 30},{'fm'[number % 2]}\n" for number in range(60))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a real and a synthetic table, and without a home."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real.csv").write_text(f"age,sex\n{ROWS}")
    (tmp_path / "made.csv").write_text("sex,age\nm,31\nf,44\n")
    monkeypatch.setenv("FACTORY_HOME", str(tmp_path / "home"))
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def only_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One metric of tables, with a gate that small synthetic tables fail."""
    for key in [key for key, each in METRICS.items() if each.of == "columns"]:
        monkeypatch.delitem(METRICS, key)

    @metric("fidelity", "min", "rows", "count", of="columns", gate=Gate(min=10), because="a test")
    def rows_made(columns: Columns) -> Iterator[Row]:
        yield Row(LINE, float(columns.synthetic.height), size=columns.synthetic.height)

    registered = METRICS.pop("fidelity.rows_made")
    monkeypatch.setitem(METRICS, "fidelity.rows_made", registered)


@pytest.mark.usefixtures("only_rows")
def test_a_failed_gate_is_told_drawn_and_an_exit_code(folder: Path, cli: Call) -> None:
    said = cli("validate", "real.csv", "made.csv")
    assert said.code == 1
    assert "fidelity.rows_made" in said.out and "0 of 1 gates passed, 1 failed." in said.out
    written = folder / "made-validation"
    assert json.loads((written / "gates.json").read_text())[0]["passed"] is False
    assert pl.read_parquet(written / "metrics.parquet")["value"].to_list() == [2.0]
    assert "FAIL" in (written / "card.html").read_text() and "1 failed" in (written / "card.md").read_text()
    assert not (folder / "home" / "dagster").exists()


@pytest.mark.usefixtures("only_rows")
def test_a_gate_may_be_moved_or_waived_by_the_spec(folder: Path, cli: Call) -> None:
    (folder / "t.yaml").write_text("gates: {fidelity.rows_made: {min: 2}}\n")
    said = cli("validate", "real.csv", "made.csv", "--spec", "t.yaml", "--out", "deep/report")
    assert said.code == 0 and "1 of 1 gates passed." in said.out and (folder / "deep" / "report" / "card.html").is_file()
    assert "--holdout" in said.out
    waiver = "waivers: [{gate: fidelity.rows_made, by: Ada, reason: a test, until: 2999-01-01}]\n"
    (folder / "t.yaml").write_text(waiver)
    assert cli("validate", "real.csv", "made.csv", "--spec", "t.yaml").code == 0
    (folder / "t.yaml").write_text(waiver.replace("2999", "1999"))
    assert cli("validate", "real.csv", "made.csv", "--spec", "t.yaml").code == 1


def test_bad_input_is_two_and_nothing_is_written(folder: Path, cli: Call) -> None:
    (folder / "made.csv").write_text("age\nold\n")
    (folder / "t.yaml").write_text("targe: sex\n")
    said = cli("validate", "real.csv", "made.csv", "--holdout", "nowhere.csv", "--spec", "t.yaml")
    assert said.code == 2
    assert "nowhere.csv: cannot be read" in said.err and "t.yaml:1:1" in said.err and "did you mean 'target'?" in said.err
    assert not (folder / "made-validation").exists()


@pytest.mark.usefixtures("only_rows")
def test_an_out_that_cannot_be_a_folder_is_named(folder: Path, cli: Call) -> None:
    said = cli("validate", "real.csv", "made.csv", "--out", "real.csv/report")
    assert said.code == 2 and "--out" in said.err
