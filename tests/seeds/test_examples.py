"""An example's side never depends on another example, and a leaf always keeps something to show."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaves import FIRST_VERSION, GROUNDED, SKILL, write_leaf

from factory.faults import FactoryError
from factory.records import SEED
from factory.seeds import Example, Leaf, collect_examples, read_taxonomy
from factory.seeds.examples import split_of


def make_leaf(folder: Path, text: str = SKILL, path: str = "compositional_skills/colours") -> Leaf:
    write_leaf(folder, path, text)
    return read_taxonomy(folder).leaves[path]


def test_a_row_carries_what_the_leaf_says(tmp_path: Path) -> None:
    leaf = make_leaf(tmp_path, SKILL.replace("language: en", "language: id\n  verifier: exact\n  problems: colours"))
    frame = collect_examples(leaf, 0.0)
    assert dict(frame.schema) == SEED
    row = frame.row(1, named=True)
    assert row.pop("record_id")
    assert row == {
        "leaf": "compositional_skills/colours",
        "kind": "compositional",
        "language": "id",
        "question": "What colour is snow?",
        "answer": "white",
        "context": None,
        "licence": "CC-BY-4.0",
        "groups": [{"name": "domain", "value": "things"}],
        "verifier": "exact",
        "problems": "colours",
        "split": "seed",
        "source": "compositional_skills/colours/qna.yaml:12",
        "depth": 0,
    }


def test_grounded_examples_keep_their_context(tmp_path: Path) -> None:
    frame = collect_examples(make_leaf(tmp_path, GROUNDED), 0.0)
    assert frame["context"].to_list()[0] == "Ana has a hat."


def test_ids_follow_content_and_not_the_place_in_the_file(tmp_path: Path) -> None:
    before = collect_examples(make_leaf(tmp_path / "a"), 0.0)
    moved = collect_examples(make_leaf(tmp_path / "b", "# a comment\n" + SKILL), 0.0)
    assert before["record_id"].to_list() == moved["record_id"].to_list()
    assert before["source"].to_list() != moved["source"].to_list()
    changed = collect_examples(make_leaf(tmp_path / "c", SKILL.replace("white", "pale")), 0.0)
    assert (before["record_id"] != changed["record_id"]).to_list() == [False, True, False, False, False]
    elsewhere = collect_examples(make_leaf(tmp_path / "d", path="compositional_skills/other"), 0.0)
    assert not set(before["record_id"]) & set(elsewhere["record_id"])


def test_a_repeated_example_of_the_first_version_is_one_row(tmp_path: Path) -> None:
    frame = collect_examples(make_leaf(tmp_path, FIRST_VERSION), 0.0)
    assert frame.height == frame["record_id"].n_unique() == 2


def test_a_leaf_with_nothing_left_to_show_is_an_error_with_advice(tmp_path: Path) -> None:
    with pytest.raises(
        FactoryError, match=r"all 5 fall on the holdout side at seeds\.holdout = 0\.9999; add examples to .*qna\.yaml, or lower"
    ):
        collect_examples(make_leaf(tmp_path), 0.9999)


texts = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)
examples = st.builds(Example, texts, texts, st.none() | texts, st.integers(1, 99))


@settings(deadline=None)
@given(st.lists(examples, min_size=1, max_size=12), st.lists(examples, max_size=12), st.floats(0, 0.5), st.randoms())
def test_adding_examples_moves_none(first: list[Example], added: list[Example], holdout: float, order: object) -> None:
    leaf = Leaf("a/b", Path("a/b"), "compositional", "en", "", None, None, (), "MIT", False, tuple(first), (), "")
    mixed = [*first, *added]
    order.shuffle(mixed)  # type: ignore[attr-defined]
    sides = []
    for chosen in (first, mixed):
        try:
            frame = collect_examples(dataclasses.replace(leaf, examples=tuple(chosen)), holdout)
        except FactoryError:
            return
        sides.append(dict(frame.select("record_id", "split").iter_rows()))
    before, after = sides
    assert before.items() <= after.items()


@settings(deadline=None)
@given(texts, texts, st.none() | texts, st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_larger_holdout_only_takes(leaf: str, question: str, context: str | None, one: float, other: float) -> None:
    low, high = sorted((one, other))
    if split_of(leaf, question, context, low) == "holdout":
        assert split_of(leaf, question, context, high) == "holdout"
    assert split_of(leaf, question, context, 0.0) == "seed"


@pytest.mark.parametrize("holdout", [0.1, 0.3, 0.7])
def test_the_share_is_kept_over_many_examples(holdout: float) -> None:
    sides = pl.Series([split_of("a/b", f"question {number}", None, holdout) for number in range(4000)])
    assert (sides == "holdout").mean() == pytest.approx(holdout, abs=0.025)  # three standard deviations
