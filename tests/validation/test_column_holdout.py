"""What the held-out rows of a table must be, and what a small holdout can show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from factory.faults import InputFaults
from factory.validation.columns.reading import read_table
from factory.validation.columns.table import TYPES, Columns
from factory.validation.metric import METRICS, Row
from factory.validation_spec import Kind

KINDS: dict[str, Kind] = {
    **{f"c{at}": "category" for at in range(4)},
    **{f"n{at}": "number" for at in range(4)},
}


def people(rng: np.random.Generator, size: int) -> pl.DataFrame:
    trait = rng.normal(size=size)
    categories = {f"c{at}": [f"v{value}" for value in np.minimum(rng.geometric(0.3, size) + (trait > 0), 12)] for at in range(4)}
    numbers = {f"n{at}": (rng.normal(size=size) + trait).round(2) for at in range(4)}
    return pl.DataFrame(categories | numbers, schema={name: TYPES[kind] for name, kind in KINDS.items()})


def with_edited_copies(train: int, holdout: int, synthetic: int, share: float) -> Columns:
    """Of the synthetic rows so many are real rows, with two of their eight columns drawn anew."""
    rng = np.random.default_rng(7)
    real, unseen, fresh = (people(rng, size) for size in (train, holdout, synthetic))
    count = round(share * synthetic)
    originals = real[rng.choice(train, count, replace=False)]
    edited = np.argsort(rng.random((count, len(KINDS))), axis=1) < 2
    copies = [originals[name].zip_with(pl.Series(~edited[:, at]), fresh[name].head(count)) for at, name in enumerate(KINDS)]
    return Columns(real, pl.concat([pl.DataFrame(copies), fresh.tail(synthetic - count)]), unseen, KINDS)


def near_copies(columns: Columns) -> Row:
    return next(iter(METRICS["privacy.near_copies"].measure(columns)))


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_copies_are_counted_among_all_of_train_where_the_holdout_is_smaller(share: float) -> None:
    row = near_copies(with_edited_copies(6000, 1500, 1000, share))
    assert row.value == pytest.approx(share, abs=0.05)


def test_fresh_rows_pass_with_a_holdout_of_a_quarter_of_train() -> None:
    row = near_copies(with_edited_copies(8000, 2000, 2000, 0.0))
    assert row.high is not None and row.high < 0.02


def test_copies_fail_with_a_tiny_holdout_and_fresh_rows_are_not_shown_to_be_fresh() -> None:
    copies, fresh = (near_copies(with_edited_copies(20_000, 150, 200, share)) for share in (1.0, 0.0))
    assert copies.low is not None and copies.low > 0.5
    assert fresh.high is not None and fresh.high > 0.02


def read(folder: Path, real: pl.DataFrame, holdout: pl.DataFrame) -> tuple[str, ...]:
    """The notices of a table that is read."""
    for name, rows in (("real", real), ("synthetic", people(np.random.default_rng(9), 50)), ("holdout", holdout)):
        rows.select(real.columns).write_csv(folder / f"{name}.csv")
    return read_table(folder / "real.csv", folder / "synthetic.csv", folder / "holdout.csv").notices


@pytest.mark.parametrize("seen", [1.0, 0.3])
def test_a_holdout_of_real_rows_in_another_order_is_refused(tmp_path: Path, seen: float) -> None:
    rng = np.random.default_rng(0)
    real, fresh = people(rng, 400), people(rng, 300)
    holdout = pl.concat([real.sample(round(300 * seen), shuffle=True, seed=1), fresh.tail(300 - round(300 * seen))])
    with pytest.raises(InputFaults, match=rf"holdout.csv: {round(300 * seen)} of 300 rows equal a real row, while 0 of 400 real rows"):
        read(tmp_path, real, holdout)


def test_people_who_are_alike_may_be_held_out_and_how_many_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    real, holdout = (people(rng, 400).select("c0", "c1") for _ in range(2))
    shared = holdout.join(real, on=["c0", "c1"], how="semi").height
    assert shared > 350
    assert any(f"holdout: {shared} of 400 rows equal a real row, while" in told for told in read(tmp_path, real, holdout))
