"""Preference pairs: an accepted response and a worse one to the same instruction, told apart by verifier, judges or goodness."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from reward_rows import judged, scored, seeds

from factory.records import PREFERENCE, SEED, empty
from factory.reward.pairs import make_pairs
from factory.reward.verdict import decide_verdicts
from factory.reward_spec import PairsSpec, RewardSpec

ONE = {"instruction_id": "i", "seed": 1, "depth": 1}


def pair(*rows: dict[str, Any], people: pl.DataFrame | None = None, **spec: Any) -> pl.DataFrame:
    verdicts = decide_verdicts(scored(*rows), empty(SEED) if people is None else people, RewardSpec())
    pairs = make_pairs(verdicts, PairsSpec.model_validate(spec))
    assert pairs.schema == pl.Schema(PREFERENCE)
    return pairs


def test_the_verifier_tells_right_from_wrong() -> None:
    found = pair({"response": "No.", "verified": False, **ONE}, {"response": "Yes.", **ONE}, {"response": "?", "verified": None, **ONE})
    (row,) = found.to_dicts()
    assert (row["by"], row["chosen_id"], row["rejected_id"], row["margin"]) == ("verifier", "c1", "c0", 1.0)
    assert row["prompt"] == [{"role": "user", "content": "Say hello."}]
    assert row["chosen"] == [{"role": "assistant", "content": "Yes."}]
    assert row["rejected"] == [{"role": "assistant", "content": "No."}]


def test_goodness_needs_its_margin_and_the_widest_comes_first() -> None:
    rows = [judged(reward, response=f"{reward}", **ONE) for reward in (2.0, 1.8, 0.5, -3.0)]
    assert pair(*rows).select("chosen_id", "rejected_id", "margin").rows() == [("c0", "c3", 5.0)]
    assert pair(*rows, per_instruction=9)["rejected_id"].to_list() == ["c3", "c2"]
    assert pair(*rows, per_instruction=9, min_margin=0.1)["rejected_id"].to_list() == ["c3", "c2", "c1"]
    assert pair(*rows, by=["verifier"]).is_empty()


def test_judges_tell_by_their_majorities() -> None:
    def vote(*good: bool | None) -> dict[str, Any]:
        return {"votes": [{"judge": "j", "rubric": "pair", "score": 1.0, "good": each, "note": ""} for each in good]}

    rows = [judged(None, response=str(n), **vote(*good), **ONE) for n, good in enumerate([(True, True), (False, None), (True, False)])]
    assert pair(*rows).select("by", "chosen_id", "rejected_id").rows() == [("judges", "c0", "c1")]


def test_nothing_is_chosen_that_was_not_accepted() -> None:
    rows = [judged(1.0, response="Good.", **ONE), judged(-1.0, response="Bad.", **ONE)]
    assert pair(*rows).height == 1
    assert pair(*rows, people=seeds({"question": "Say hello.", "split": "holdout"})).is_empty()


def test_no_side_is_further_from_real_data_than_the_line_takes() -> None:
    rows = scored(judged(1.0, response="Good.", **ONE), judged(-1.0, response="Bad.", **ONE | {"depth": 2}))
    made = [make_pairs(decide_verdicts(rows, empty(SEED), RewardSpec(), greatest_depth=bound), PairsSpec()).height for bound in (2, 1)]
    assert made == [1, 0]


def test_other_units_and_equal_or_broken_responses_make_no_pair() -> None:
    good = judged(1.0, response="Good.", **ONE)
    assert pair(good, judged(-1.0, response="Bad.", **ONE | {"seed": 2})).is_empty()
    assert pair(good, judged(-1.0, response="Good.", **ONE)).is_empty()
    assert pair(good, judged(None, response=None, parse_fault="response: empty", **ONE)).is_empty()
    assert pair(good, judged(-1.0, response="Bad.", refusal="pair_judge: score 1 is below 2", **ONE)).is_empty()


def test_context_and_earlier_turns_stand_in_the_prompt() -> None:
    turns = [
        {"role": role, "content": text} for role, text in (("user", "Hi."), ("assistant", "Hello."), ("user", "Bye."), ("assistant", "A"))
    ]
    rows = [judged(1.0, turns=turns, response="A", context="Night.", **ONE), judged(-1.0, response="B", context="Night.", **ONE)]
    (row,) = pair(*rows).to_dicts()
    assert [message["content"] for message in row["prompt"]] == ["Night.\n\nHi.", "Hello.", "Bye."]
    assert (row["chosen"], row["rejected"]) == ([turns[-1]], [{"role": "assistant", "content": "B"}])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([-2.0, -0.4, 0.0, 0.3, 2.0])), max_size=12), st.integers(1, 3))
def test_pairs_keep_their_promises(rows: list[tuple[str, float]], most: int) -> None:
    frame = scored(*(judged(reward, leaf=leaf, response=f"r{n}", **ONE) for n, (leaf, reward) in enumerate(rows)))
    verdicts = decide_verdicts(frame, empty(SEED), RewardSpec(near_duplicate=1))
    pairs = make_pairs(verdicts, PairsSpec(per_instruction=most))
    accepted = set(verdicts.filter(verdict="accepted")["record_id"])
    assert set(pairs["chosen_id"]) <= accepted
    assert pairs["record_id"].is_unique().all()
    assert all(margin >= 0.5 for margin in pairs["margin"])
    assert all(count <= most for count in pairs.group_by("leaf").len()["len"])


def test_pairs_are_read_by_trl() -> None:
    from datasets import Dataset
    from trl.data_utils import is_conversational

    pairs = pair(judged(1.0, response="Good.", **ONE), judged(-1.0, response="Bad.", **ONE))
    row = Dataset.from_list(pairs.select("prompt", "chosen", "rejected").to_dicts())[0]
    assert is_conversational(row)
