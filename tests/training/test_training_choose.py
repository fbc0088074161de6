"""Which records are a phase's data, what it replays, and that every record of a release is accounted for."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from factory.faults import FactoryError
from factory.records import SEED, empty
from factory.seeds_spec import KINDS
from factory.training import choose_data, choose_holdout, count_unused
from factory.training_spec import Bounds, DataSpec, PhaseSpec, TrainingSpec

FOLDERS = tuple(KINDS)
LAB = TrainingSpec(preset="lab").plan


def release(*rows: tuple[str, str]) -> pl.DataFrame:
    """Records of (leaf, response)."""
    made = [(f"r{number:03}", leaf, KINDS[leaf.split("/")[0]], response) for number, (leaf, response) in enumerate(rows)]
    return pl.DataFrame(made, schema=["record_id", "leaf", "kind", "response"], orient="row")


def ids(data: pl.DataFrame) -> list[str]:
    return data["record_id"].to_list()


RELEASE = release(
    ("knowledge/food", "one"),
    ("knowledge/food", "one two three"),
    ("knowledge/nature", "one two three four five six seven"),
    ("foundational_skills/sums", "12"),
    ("compositional_skills/words", "three two one"),
    ("compositional_skills/notes", "thank you for the present and for the very long evening"),
)


def test_lab_goes_from_short_knowledge_to_compositional_skills_and_replays_all_before(student: Path) -> None:
    data = [choose_data(LAB, number, RELEASE, str(student), 0) for number in range(3)]
    assert [ids(each.records) for each in data] == [["r000", "r001"], ["r000", "r001", "r002", "r003"], ids(RELEASE)]
    assert [(each.own, each.replayed) for each in data] == [(2, 0), (2, 2), (2, 4)]
    assert [each.left_out for each in data] == [{"other_kind": 3, "response_too_long": 1}, {"other_kind": 2}, {}]


def test_leaves_and_lengths_bound_what_a_phase_takes(student: Path) -> None:
    by_leaf = PhaseSpec(name="a", data=(DataSpec(kinds=("knowledge",), leaves=("*/food", "foundational_skills/*")),))
    words = PhaseSpec(name="b", data=(DataSpec(response_words=Bounds(min=2, max=5)),))
    both = PhaseSpec(name="c", data=(DataSpec(response_words=Bounds(min=8)), DataSpec(leaves=("knowledge/nature",))))
    assert ids(choose_data([by_leaf], 0, RELEASE, str(student), 0).records) == ["r000", "r001"]
    assert choose_data([by_leaf], 0, RELEASE, str(student), 0).left_out == {"other_kind": 3, "other_leaf": 1}
    chosen = choose_data([words], 0, RELEASE, str(student), 0)
    assert ids(chosen.records) == ["r001", "r004"]
    assert chosen.left_out == {"response_too_long": 2, "response_too_short": 2}
    assert ids(choose_data([both], 0, RELEASE, str(student), 0).records) == ["r002", "r005"]
    assert count_unused([by_leaf, words], RELEASE, str(student)) == 3


def test_tokens_are_those_of_the_students_tokenizer(student: Path) -> None:
    tokens = len(AutoTokenizer.from_pretrained(student)("one two three", add_special_tokens=False)["input_ids"])
    phase = PhaseSpec(name="a", data=(DataSpec(kinds=("knowledge",), response_tokens=Bounds(min=tokens, max=tokens)),))
    assert ids(choose_data([phase], 0, RELEASE, str(student), 0).records) == ["r001"]


def test_a_phase_without_data_is_named_with_what_to_do(student: Path) -> None:
    skills = RELEASE.filter(pl.col("kind") != "knowledge")
    with pytest.raises(FactoryError, match=r"phase 'knowledge_short': none of 3 records .*3 other_kind.* preset stacked"):
        choose_data(LAB, 0, skills, str(student), 0)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from("abc"), st.integers(1, 9)), min_size=1, max_size=40),
    replay=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_every_record_is_trained_on_or_counted_and_the_choice_is_the_same_in_any_order(
    rows: list[tuple[str, str, int]], replay: float, seed: int
) -> None:
    records = release(*((f"{folder}/{leaf}", "word " * words) for folder, leaf, words in rows))
    plan = (
        PhaseSpec(name="first", data=(DataSpec(response_words=Bounds(max=5)),)),
        PhaseSpec(name="second", data=(DataSpec(kinds=("knowledge",)), DataSpec(leaves=("*/a",))), replay=replay),
    )
    words = {record: count for record, (_, _, count) in zip(ids(records), rows, strict=True)}
    own = {row["record_id"] for row in records.iter_rows(named=True) if row["kind"] == "knowledge" or row["leaf"].endswith("/a")}
    before = {record for record, count in words.items() if count <= 5} - own
    try:
        data = choose_data(plan, 1, records, "unread", seed)
    except FactoryError:
        assert not own
        return
    chosen = set(ids(data.records))
    assert own <= chosen <= own | before
    assert (data.own, data.replayed) == (len(own), round(replay * len(before)))
    assert data.records.height == len(chosen) == data.own + data.replayed
    assert sum(data.left_out.values()) + len(chosen) == records.height
    assert set(ids(choose_data(plan, 1, records.reverse(), "unread", seed).records)) == chosen


def test_a_larger_share_replays_what_a_smaller_one_does_and_another_seed_something_else() -> None:
    records = release(*(("knowledge/a", "x") for _ in range(200)), ("compositional_skills/b", "y"))

    def replayed(share: float, seed: int = 0) -> set[str]:
        plan = (PhaseSpec(name="first"), PhaseSpec(name="second", data=(DataSpec(kinds=("compositional",)),), replay=share))
        return set(ids(choose_data(plan, 1, records, "unread", seed).records)) - {"r200"}

    assert replayed(0.1) < replayed(0.3) < replayed(1.0)
    assert len(replayed(0.3)) == 60
    assert replayed(0.3) != replayed(0.3, seed=1)


def test_a_phase_is_measured_on_held_out_examples_of_what_it_and_those_before_take() -> None:
    rows = [
        {"record_id": f"s{number}", "leaf": leaf, "kind": KINDS[leaf.split("/")[0]], "question": "q", "answer": answer, "split": split}
        for number, (leaf, answer, split) in enumerate(
            [
                ("knowledge/a", "x", "holdout"),
                ("knowledge/a", "y", "seed"),
                ("compositional_skills/b", "z", "holdout"),
                ("foundational_skills/c", "w", "holdout"),
                ("knowledge/a", None, "holdout"),
            ]
        )
    ]
    seeds = pl.DataFrame([dict.fromkeys(SEED) | row for row in rows], schema=SEED)
    plan = (
        PhaseSpec(name="first", data=(DataSpec(kinds=("knowledge",), response_words=Bounds(min=50)),), select="holdout_accuracy"),
        PhaseSpec(name="second", data=(DataSpec(leaves=("*/b",)),)),
    )
    assert [ids(choose_holdout(plan, number, seeds)) for number in (0, 1)] == [["s0"], ["s0", "s2"]]
    assert ids(choose_holdout([PhaseSpec(name="all")], 0, seeds)) == ["s0", "s2", "s3"]
    with pytest.raises(FactoryError, match=r"phase 'first': select is holdout_accuracy, but no seed example .* `seeds.holdout`"):
        choose_holdout(plan, 0, empty(SEED))
