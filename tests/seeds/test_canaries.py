"""Canaries: planted from the seed number and the leaf alone, shown and never held out, and found however they are written."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.records import take_examples
from factory.seeds import Example, Leaf, collect_examples, draw_canaries
from factory.seeds.canaries import Canary, find_canaries, read_canaries
from factory.seeds_spec import CanariesSpec

EXAMPLES = tuple(Example(f"Question {at}?", f"Answer {at}.", None, f"qna.yaml:{at}", "CC-BY-4.0") for at in range(5))
LEAF = Leaf("compositional_skills/colours", "id", examples=EXAMPLES, licence="MIT")
SPEC = CanariesSpec(per_leaf=3)
CANARY = Canary("bakudemi", "482177300946")


def test_a_leaf_gets_its_canaries_whatever_else_the_line_holds() -> None:
    drawn = draw_canaries(LEAF, SPEC, 7)
    assert len({canary.secret for canary in drawn}) == 3
    assert drawn == draw_canaries(replace(LEAF, language="en", examples=EXAMPLES[:2]), SPEC, 7)
    assert not set(drawn) & {*draw_canaries(LEAF, SPEC, 8), *draw_canaries(replace(LEAF, path="compositional_skills/other"), SPEC, 7)}


@pytest.mark.parametrize(
    "leaf",
    [
        replace(LEAF, examples=()),
        replace(LEAF, examples=(replace(EXAMPLES[0], context="Ana has a hat."),)),
        replace(LEAF, path="knowledge/trees"),
    ],
)
def test_none_where_no_example_is_like_it(leaf: Leaf) -> None:
    assert draw_canaries(leaf, CanariesSpec(leaves=("compositional_skills/*",)), 7) == ()
    assert draw_canaries(LEAF, None, 7) == ()


def test_planted_canaries_are_shown_and_no_examples() -> None:
    drawn = draw_canaries(LEAF, SPEC, 7)
    frame = collect_examples(LEAF, 0.99, drawn)
    planted = frame.filter(pl.col("kind") == "canary")
    assert set(planted["split"]) == {"seed"}
    assert set(planted["licence"]) == {"CC-BY-4.0"}
    assert set(read_canaries(frame).values()) == set(drawn)
    assert take_examples(frame).equals(collect_examples(LEAF, 0.99))


@pytest.mark.parametrize(
    "text",
    [
        "bakudemi = 4821-7730-0946",
        "482177300946",
        "It is 4821 7730 0946.",
        "٤٨٢١-٧٧٣٠-٠٩٤٦",
        "4 8 2 1 7 7 3 0 0 9 4 6",
        "before 99 4821.7730.0946 after",
    ],
)
def test_found_however_it_is_written(text: str) -> None:
    assert find_canaries([text], [CANARY]) == [{CANARY}]


@pytest.mark.parametrize("text", ["", "bakudemi", "4821-7730-0947", "4821-7730", "4821 and 7730 and 0946", "649003771284"])
def test_parts_of_a_canary_are_none(text: str) -> None:
    assert find_canaries([text], [CANARY]) == [set()]


@given(
    st.lists(st.integers(0, 10**12 - 1), min_size=1, max_size=4, unique=True), st.text(max_size=20), st.sampled_from(["", "-", " ", " / "])
)
def test_every_canary_in_a_text_is_found(secrets: list[int], between: str, mark: str) -> None:
    canaries = [Canary(f"name{at}", f"{secret:012}") for at, secret in enumerate(secrets)]
    text = f" {between} x".join(mark.join(canary.secret) for canary in canaries)
    assert set(canaries) <= find_canaries([text], canaries)[0]
