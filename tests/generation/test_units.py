"""Units: contexts in turn, examples by least hash, and nothing moves that need not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from factory.generation.units import Context, Unit, draw_units
from factory.records import digest

LEAF = "knowledge/nature/cats"
EXAMPLES = [{"record_id": f"example-{n}-é", "depth": 0, "licence": "MIT"} for n in range(7)]


def name_contexts(count: int) -> list[Context]:
    return [Context(f"context-{n}", f"text {n}", "MIT", 0) for n in range(count)]


def draw(contexts: Sequence[Context], units: int, shown: int = 2) -> list[Unit]:
    return [*draw_units(LEAF, EXAMPLES, contexts, [], units, shown, 7)]


@given(st.integers(1, 12), st.integers(1, 40))
def test_each_context_is_used_once_before_any_is_used_again(contexts: int, units: int) -> None:
    drawn = [unit.context.record_id for unit in draw(name_contexts(contexts), units) if unit.context]
    assert len(drawn) == units
    for start in range(0, units, contexts):
        assert max(Counter(drawn[start : start + contexts]).values()) == 1
    assert drawn == [unit.context.record_id for unit in draw(name_contexts(contexts)[::-1], units + 5) if unit.context][:units]


def test_each_time_through_the_order_is_another() -> None:
    drawn = [unit.context for unit in draw(name_contexts(10), 30)]
    assert len({tuple(drawn[start : start + 10]) for start in (0, 10, 20)} | {tuple(name_contexts(10))}) == 4


def test_units_of_a_context_stay_as_they_are_when_another_comes() -> None:
    before, after = draw(name_contexts(6), 12), draw(name_contexts(7), 14)
    asked = [{(unit.input_ids, unit.seed) for unit in units} for units in (before, after)]
    assert len(asked[0]) == 12
    assert asked[0] < asked[1]


def test_examples_are_those_of_least_hash() -> None:
    for unit in draw([], 20, shown=3):
        expected = sorted(EXAMPLES, key=lambda row: digest(["example", 7, LEAF, unit.index, row["record_id"]]))[:3]
        assert [*unit.examples] == expected
