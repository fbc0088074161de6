"""Drift against the previous release: 1 for the same population, below where texts narrow, above where they are new."""

from __future__ import annotations

import polars as pl
import pytest
from small_world import World, clean_world, line_value

from factory.validation.evidence import Evidence
from factory.validation.reports import measure_report


def drift(world: World, previous: pl.DataFrame | None) -> dict[str, float | None]:
    evidence = Evidence(world.accepted, world.seeds) if previous is None else Evidence(world.accepted, world.seeds, previous=previous)
    (row,) = measure_report("collapse", evidence).filter(metric="perplexity_drift").iter_rows(named=True)
    return row


def renamed(frame: pl.DataFrame) -> pl.DataFrame:
    """The same texts as other records."""
    return frame.with_columns(record_id="x" + pl.col("record_id"))


def test_without_a_previous_release_there_is_no_value_and_none_gates() -> None:
    row = drift(clean_world(), None)
    assert (row["value"], row["low"], row["direction"]) == (None, None, "info")


def test_the_same_records_have_not_drifted_at_all() -> None:
    world = clean_world()
    assert drift(world, world.accepted)["value"] == pytest.approx(1.0)


def test_a_handful_of_records_is_compared_and_a_single_one_is_not() -> None:
    world = clean_world()
    few = world.with_verdicts(world.accepted.head(4))
    assert drift(few, few.accepted)["value"] == pytest.approx(1.0)
    assert drift(few, few.accepted.head(1).with_columns(record_id=pl.lit("x")))["value"] is None


def test_another_sample_of_the_same_people_lies_at_one_and_moves_neither_with_order_nor_with_a_new_leaf() -> None:
    world, before = clean_world(1), renamed(clean_world(2).accepted)
    row = drift(world, before)
    assert row["value"] == pytest.approx(1.0, abs=0.06)
    assert row["low"] < row["value"] < row["high"]
    assert drift(world, before.sample(fraction=1, shuffle=True, seed=1))["value"] == row["value"]
    gone = world.accepted["leaf"][0]
    fewer = drift(world, before.filter(pl.col("leaf") != gone))["value"]
    assert fewer == pytest.approx(drift(world.with_verdicts(world.verdicts.filter(pl.col("leaf") != gone)), before)["value"])


def test_texts_that_fall_into_the_commonest_lie_below_one_and_strange_ones_above() -> None:
    usual, strange = pl.lit("the usual answer of the teacher"), pl.lit("never seen words stand here by the dozen")
    often = pl.when(pl.int_range(pl.len()) % 3 == 0).then(usual).otherwise(pl.col("response")).alias("response")
    before = renamed(clean_world(2).accepted.with_columns(often))
    world = clean_world(1)
    worlds = [world.with_verdicts(world.verdicts.with_columns(response=text)) for text in (usual, often, strange)]
    narrow, alike, new = (drift(each, before)["value"] for each in worlds)
    assert narrow < 0.9 < alike < 1.1 < new


def test_only_the_records_that_are_new_are_read_by_a_model_that_did_not_learn_them() -> None:
    """Half of the release is kept as it is: were it learnt and then read, the new release would look narrower than it is."""
    before, world = clean_world(2).accepted, clean_world(1)
    kept = before.filter(pl.int_range(pl.len()) % 2 == 0)
    mixed = pl.concat([kept, renamed(world.accepted).filter(pl.int_range(pl.len()) % 2 == 1)])
    assert drift(world.with_verdicts(mixed), before)["value"] == pytest.approx(1.0, abs=0.06)
    assert line_value(measure_report("collapse", Evidence(mixed, world.seeds)), "perplexity_drift") is None
