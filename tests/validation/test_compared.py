"""What of a line is compared, and how surely: leaves of hardly an example are told, and intervals are as wide as values vary."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
from small_world import LEAVES, World, clean_world

from factory.validation.collapse.diversity import compare_samples
from factory.validation.evidence import Evidence
from factory.validation.reports import METRICS
from factory.validation.text import distinct


@pytest.fixture(scope="module")
def world() -> World:
    return clean_world(records=16, examples=6)


def measure(world: World, key: str) -> dict[str, float | None]:
    return {row.subject: row.value for row in METRICS[key].measure(Evidence(world.accepted, world.seeds))}


def strip_examples(world: World, leaf: str, kept: int, topics: int = 0) -> World:
    """The world with so many of the examples of a leaf, and topics beside them."""
    place = pl.int_range(pl.len()).over("leaf")
    topic = {"kind": pl.lit("topic"), "answer": pl.lit(None, pl.String), "split": pl.lit("seed")}
    told = world.seeds.filter(pl.col("leaf") == leaf).head(topics).with_columns(record_id="t" + pl.col("record_id"), **topic)
    return dataclasses.replace(world, seeds=pl.concat([world.seeds.filter((pl.col("leaf") != leaf) | (place < kept)), told]))


def test_a_leaf_of_topics_is_covered_when_it_has_a_record(world: World) -> None:
    leaf = min(LEAVES)
    of_topics = strip_examples(world, leaf, kept=0, topics=2)
    assert measure(of_topics, "fidelity.leaf_coverage") == {"line": 1}
    without = of_topics.with_verdicts(world.verdicts.filter(pl.col("leaf") != leaf))
    assert measure(without, "fidelity.leaf_coverage") == {"line": 1 - 1 / len(LEAVES)}


@pytest.mark.parametrize(("kept", "topics", "compared"), [(3, 0, True), (2, 0, False), (0, 5, False)])
def test_records_of_a_leaf_with_hardly_an_example_are_in_no_comparison(world: World, kept: int, topics: int, compared: bool) -> None:
    leaf = min(LEAVES)
    few = strip_examples(world, leaf, kept, topics)
    records = few.accepted.filter(pl.col("leaf") == leaf).height
    expected = {"line": 1} if compared else {"line": pytest.approx(1 - records / few.accepted.height), leaf: records}
    assert measure(few, "collapse.compared_records") == expected


def test_a_third_of_a_line_in_leaves_without_examples_fails(world: World) -> None:
    for leaf in sorted(LEAVES)[:3]:
        world = strip_examples(world, leaf, kept=0, topics=2)
    gate = METRICS["collapse.compared_records"].gate
    assert gate and (measure(world, "collapse.compared_records")["line"] or 0) < gate.threshold


@pytest.mark.parametrize(("records", "examples"), [(240, 12), (18, 12), (12, 36)])
def test_the_interval_of_a_diversity_is_as_wide_as_the_value_varies(records: int, examples: int) -> None:
    """Both sides drawn from one population over and over, of words as frequent as Zipf has them."""
    words, shares = [f"w{at}" for at in range(400)], 1 / np.arange(1, 401)

    def draw(rng: np.random.Generator, size: int) -> list[list[str]]:
        return rng.choice(words, (size, 12), p=shares / shares.sum()).tolist()

    measured = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        measured.append(compare_samples(rng, draw(rng, records), draw(rng, examples), lambda texts: distinct(texts, 2)))
    values, claimed = [value for value, _ in measured], [drawn.var(ddof=1) for _, drawn in measured]
    assert np.mean(values) == pytest.approx(1, abs=0.02)
    assert np.sqrt(np.mean(claimed)) == pytest.approx(np.std(values, ddof=1), rel=0.2)
