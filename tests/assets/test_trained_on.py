"""What a student was trained on is stored under its revision with that of the phases before, and never a part of it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl

from assets.shelf import open_store
from assets.trained_on import find_trained_on, store_trained_on
from factory.training import read_trained_on, take_records
from factory.training.trained_on import list_records, list_sides, write_trained_on
from resources.home import Home

FIRST, SECOND = dg.AssetKey(["tiny", "student_first"]), dg.AssetKey(["tiny", "student_second"])
PAIRS = pl.DataFrame({"chosen_id": ["b", "b"], "rejected_id": ["c", "d"]})


def tune(folder: Path, rows: pl.DataFrame | None) -> pl.DataFrame:
    (folder / "model").mkdir(parents=True)
    if rows is not None:
        write_trained_on(folder, rows)
    return pl.DataFrame({"model": str(folder / "model"), "revision": folder.name})


def test_a_student_knows_what_all_its_phases_read(tmp_path: Path) -> None:
    store = open_store(Home(tmp_path / "home"))
    first, second = tune(tmp_path / "1", list_records("ba")), tune(tmp_path / "2", list_sides(PAIRS))
    store_trained_on(store, FIRST, first, None)
    store_trained_on(store, SECOND, second, (FIRST, first))
    known = find_trained_on(store, SECOND, second)
    assert known is not None
    assert known.rows() == [("a", "record"), ("b", "chosen"), ("b", "record"), ("c", "rejected"), ("d", "rejected")]
    assert take_records(pl.DataFrame({"record_id": ["x", "b", "c", "a"]}), known)["record_id"].to_list() == ["b", "a"]


def test_of_a_student_with_a_phase_that_kept_nothing_nothing_is_known(tmp_path: Path) -> None:
    store = open_store(Home(tmp_path / "home"))
    first, second = tune(tmp_path / "1", None), tune(tmp_path / "2", list_records("ab"))
    store_trained_on(store, FIRST, first, None)
    store_trained_on(store, SECOND, second, (FIRST, first))
    assert read_trained_on(tmp_path / "1/model") is None
    assert find_trained_on(store, FIRST, first) is None and find_trained_on(store, SECOND, second) is None
