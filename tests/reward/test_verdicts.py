from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reward_rows import judged, scored, seeds

from factory.records import SCORED, SEED, VERDICT, empty
from factory.reward.verdict import REASONS, decide_verdicts
from factory.reward_spec import RewardSpec

SPEC = RewardSpec()
LONG = "Write a short letter to your neighbour Rina and thank her warmly for the blue scarf that she gave you yesterday"


def reasons(frame: pl.DataFrame, people: pl.DataFrame | None = None, spec: RewardSpec = SPEC) -> list[tuple[str, str | None]]:
    verdicts = decide_verdicts(frame, empty(SEED) if people is None else people, spec)
    assert verdicts.schema == pl.Schema(VERDICT)
    assert verdicts.select(*SCORED).equals(frame)
    assert (verdicts["verdict"] == pl.Series(["accepted" if reason == "accepted" else "rejected" for reason in verdicts["reason"]])).all()
    return list(verdicts.select("reason", "matched_id").iter_rows())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "accepted"),
        ({"response": None, "parse_fault": "response: empty"}, "parse_fault"),
        ({"instruction": None, "response": None}, "parse_fault"),
        ({"verified": None}, "undecidable"),
        ({"verified": None, "reward": 0.9}, "undecidable"),
        ({"verified": False}, "wrong_answer"),
        ({"verified": False, "parse_fault": "response: empty"}, "parse_fault"),
        (judged(None), "unscored"),
        (judged(-0.01), "low_goodness"),
        (judged(0.0), "accepted"),
        ({"reward": -0.1}, "low_goodness"),
    ],
)
def test_quality(row: dict[str, Any], reason: str) -> None:
    assert reasons(scored(row)) == [(reason, None)]


def test_threshold_moves_verdicts() -> None:
    row = scored(judged(0.4))
    assert [reasons(row, spec=RewardSpec(min_goodness=least))[0][0] for least in (0.3, 0.4, 0.41)] == [
        "accepted",
        "accepted",
        "low_goodness",
    ]


def test_what_is_too_far_from_real_data_is_refused_whatever_its_scores_and_costs_no_other_record() -> None:
    rows = scored({"depth": 3}, {"depth": 2}, {"depth": 3, "verified": False, "parse_fault": "response: empty"})
    bounds = {bound: decide_verdicts(rows, empty(SEED), SPEC, greatest_depth=bound)["reason"].to_list() for bound in (None, 3, 2, 1)}
    assert bounds[None] == bounds[3] == ["accepted", "duplicate", "parse_fault"]
    assert bounds[2] == ["too_deep", "accepted", "too_deep"]
    assert bounds[1] == ["too_deep"] * 3


def test_first_of_copies_stays_and_is_named() -> None:
    rows = scored({"instruction": "Say hi."}, {"instruction": "say  HI."}, {"instruction": "Say hi!"}, {"instruction": "Say bye."})
    assert reasons(rows) == [("accepted", None), ("duplicate", "c0"), ("near_duplicate", "c0"), ("accepted", None)]


def test_wrong_copy_does_not_push_out_a_right_one() -> None:
    rows = scored({"verified": False}, {}, judged(-0.1), {})
    assert reasons(rows) == [("wrong_answer", None), ("accepted", None), ("low_goodness", None), ("duplicate", "c1")]


def test_copies_are_looked_for_across_leaves_and_leaves_come_by_name() -> None:
    rows = scored({"leaf": "b"}, {"leaf": "c"}, {"leaf": "a"}, {"leaf": "a"})
    assert reasons(rows) == [("duplicate", "c2"), ("duplicate", "c2"), ("accepted", None), ("duplicate", "c2")]


def test_same_question_about_another_passage_is_another_task() -> None:
    rows = scored({"context": "Rendang is a dish."}, {"context": "Papeda is a dish."}, {}, {"context": "rendang is a  dish."})
    assert [reason for reason, _ in reasons(rows)] == ["accepted", "accepted", "accepted", "duplicate"]


def test_copies_of_what_people_made_are_refused() -> None:
    people = seeds(
        {"question": "What is 47 + 85?"},
        {"question": "What is 12 + 12?", "split": "holdout", "leaf": "another"},
        {"question": "What does it eat?", "context": "The babirusa eats leaves.", "split": "holdout"},
    )
    rows = scored(
        {"instruction": "What is 47 + 85"},
        {"instruction": "what is 12 + 12?"},
        {"instruction": "What is 12 + 13?"},
        {"instruction": "What does it eat?", "context": "The babirusa eats leaves"},
        {"instruction": "What does it eat?", "context": "The kiwi eats worms."},
    )
    assert reasons(rows, people) == [
        ("seed_copy", "s0"),
        ("holdout_overlap", "s1"),
        ("accepted", None),
        ("holdout_overlap", "s2"),
        ("accepted", None),
    ]


def test_holdout_counts_before_seed_and_both_before_a_copy_of_a_candidate() -> None:
    people = seeds({"question": "Say hi."}, {"question": "Say hi.", "split": "holdout"})
    assert reasons(scored({"instruction": "Say hi."}, {"instruction": "Say hi."}), people) == [("holdout_overlap", "s1")] * 2


def test_what_is_refused_as_a_copy_pushes_nothing_out() -> None:
    words = LONG.split()
    chain = [" ".join([*words[n:], *(f"more{i}" for i in range(n))]) for n in range(3)]
    people = seeds({"question": chain[0], "split": "holdout"})
    spec = RewardSpec(near_duplicate=0.85)
    rows = scored({"instruction": chain[1]}, {"instruction": chain[2]})
    assert reasons(rows, None, spec) == [("accepted", None), ("near_duplicate", "c0")]
    assert reasons(rows, people, spec) == [("holdout_overlap", "s0"), ("accepted", None)]


def test_near_duplicate_threshold_moves_verdicts() -> None:
    rows = scored({"instruction": LONG}, {"instruction": LONG.replace("blue", "red")})
    assert reasons(rows)[1] == ("accepted", None)
    assert reasons(rows, spec=RewardSpec(near_duplicate=0.7))[1] == ("near_duplicate", "c0")


@pytest.mark.parametrize("people", [empty(SEED), seeds({"question": "Say hi."})])
def test_nothing_to_decide(people: pl.DataFrame) -> None:
    assert reasons(scored(), people) == []


rows_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {
            "leaf": st.sampled_from(["a", "b"]),
            "instruction": st.sampled_from([None, "Say hi.", "say hi", "Say bye.", "What is 4 + 4?", LONG]),
            "response": st.sampled_from([None, "Hi."]),
            "verifier": st.sampled_from([None, "arithmetic"]),
            "verified": st.sampled_from([None, True, False]),
            "reward": st.sampled_from([None, -0.2, 0.8]),
        }
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(rows_of_any_kind)
def test_each_row_gets_one_verdict_and_accepted_ones_are_good_and_different(rows: list[dict[str, Any]]) -> None:
    frame = scored(*rows)
    people = seeds({"question": "What is 4 + 4?", "split": "holdout"})
    found = reasons(frame, people)
    assert {reason for reason, _ in found} <= {"accepted", *REASONS}
    accepted = [row for row, (reason, _) in zip(rows, found, strict=True) if reason == "accepted"]
    assert all(row["verified"] if row["verifier"] else row["reward"] == 0.8 for row in accepted)
    assert all(row["reward"] is None or row["reward"] >= 0 for row in accepted)
    tasks = [row["instruction"].casefold().rstrip(".") for row in accepted]
    assert len(set(tasks)) == len(tasks)
    assert "what is 4 + 4?" not in tasks
    ids = dict(zip(frame["record_id"], found, strict=True)) | {"s0": ("accepted", None)}
    assert all(ids[match] == ("accepted", None) for _, match in found if match)


def test_order_inside_a_leaf_is_all_that_decides_which_copy_stays() -> None:
    rng = random.Random(0)
    rows = [{"leaf": leaf, "instruction": f"Say {rng.randrange(5)}.", "record_id": f"{leaf}{n}"} for leaf in "abc" for n in range(8)]
    mixed = sorted(rows, key=lambda row: (row["record_id"][1:], row["leaf"]))
    first, second = (decide_verdicts(scored(*order), empty(SEED), SPEC).sort("record_id") for order in (rows, mixed))
    assert first.equals(second)


def test_a_topic_is_nothing_to_copy() -> None:
    people = seeds({"question": "Say hello.", "answer": None, "kind": "topic"}, {"question": "Say goodbye."})
    assert reasons(scored({}, {"instruction": "Say goodbye."}), people) == [("accepted", None), ("seed_copy", "s1")]


def test_what_a_flow_refused_is_no_parse_fault() -> None:
    rows = scored({"refusal": "pair_judge: score 1 is below 2"}, {"refusal": "instruction_judge: score 0 is below 1", "response": None})
    assert reasons(rows) == [("judge_refused", None)] * 2


def test_of_several_responses_to_an_instruction_the_best_stands_and_the_others_name_it() -> None:
    one = {"instruction_id": "i", "seed": 1}
    rows = scored(*(judged(reward, **one) for reward in (0.7, 0.9, 0.9, -0.2)))
    assert reasons(rows) == [("not_best", "c1"), ("accepted", None), ("not_best", "c1"), ("low_goodness", None)]


def test_two_units_that_wrote_the_same_instruction_are_duplicates() -> None:
    rows = scored({"instruction_id": "i", "seed": 1}, {"instruction_id": "i", "seed": 2})
    assert reasons(rows) == [("accepted", None), ("duplicate", "c0")]
