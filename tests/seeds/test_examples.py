"""An example's side never depends on another example, and a leaf always keeps something to show."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaves import FIRST_VERSION, GROUNDED, SKILL, write_leaf

from factory.records import SEED
from factory.seeds import Example, Leaf, Topic, collect_examples, read_taxonomy
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
        "verifier_settings": None,
        "problems": "colours",
        "split": "seed",
        "tone": None,
        "turns": None,
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


def test_tone_and_turns_are_the_leaf_s(tmp_path: Path) -> None:
    frame = collect_examples(make_leaf(tmp_path, SKILL.replace("language: en", "tone: warm and brief\n  turns: 3")), 0.3)
    assert frame["tone"].unique().to_list() == ["warm and brief"] and frame["turns"].unique().to_list() == [3]


def test_topics_are_rows_without_an_answer_that_a_teacher_may_see() -> None:
    leaf = Leaf("knowledge/sea", "id", topics=(Topic("paus", "seeds.topics[0].topics[0]", "MIT"),))
    frame = collect_examples(leaf, 0.9)
    row = frame.row(0, named=True)
    assert dict(frame.schema) == SEED
    assert (row["kind"], row["question"], row["answer"], row["context"], row["split"]) == ("topic", "paus", None, None, "seed")
    assert (row["language"], row["licence"], row["source"]) == ("id", "MIT", "seeds.topics[0].topics[0]")


@pytest.mark.parametrize("text", ["Où est l'été?", "한국어 질문", "كَتَبَ؟"])
def test_two_spellings_of_one_text_never_part(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    for holdout in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert split_of("a/b", composed, None, holdout) == split_of("a/b", decomposed, None, holdout)


texts = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)
examples = st.builds(Example, texts, texts, st.none() | texts, texts, st.just("MIT"))


@settings(deadline=None)
@given(st.lists(examples, min_size=1, max_size=12), st.lists(examples, max_size=12), st.floats(0, 0.5), st.randoms())
def test_adding_examples_moves_none(first: list[Example], added: list[Example], holdout: float, order: object) -> None:
    leaf = Leaf("knowledge/b", "en")
    mixed = [*first, *added]
    order.shuffle(mixed)  # type: ignore[attr-defined]
    sides = []
    for chosen in (first, mixed):
        frame = collect_examples(dataclasses.replace(leaf, examples=tuple(chosen)), holdout)
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
