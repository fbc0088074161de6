from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from reward_rows import POSITIONS, candidates

from factory.faults import FactoryError
from factory.records import CANDIDATE, SCORED, empty
from factory.reward.model import Pair, RewardModel
from factory.reward.score import score_candidates


def no_model() -> NoReturn:
    raise AssertionError("the reward model was opened")


@pytest.fixture(scope="module")
def model(reward_folder: Path) -> RewardModel:
    return RewardModel(str(reward_folder), batch_size=8)


SUM = {"verifier": "arithmetic", "instruction": "What is 47 + 85?"}


def test_verifier_decides_where_a_row_names_one_and_no_model_is_opened() -> None:
    rows = candidates(SUM | {"response": "132"}, SUM | {"response": "131"}, SUM | {"instruction": "What is + 85?", "response": "85"})
    scored = score_candidates(rows, no_model)
    assert scored["verified"].to_list() == [True, False, None]
    assert scored["goodness"].to_list() == [1.0, 0.0, None]
    assert scored["verifier_note"].to_list() == [None, "expected 132", "not a sum, difference or product of two whole numbers"]
    assert scored["reward"].null_count() == scored["reward_model"].null_count() == 3


def test_reward_model_scores_the_rest_with_their_context(model: RewardModel) -> None:
    note = {"instruction": "Thank Rina in a short note.", "response": "Dear Rina, thank you."}
    question = {"instruction": "What is rendang?", "context": "Rendang is a dish.", "response": "Rendang is a dish."}
    scored = score_candidates(candidates(note, SUM | {"response": "131"}, question), lambda: model)
    expected = model.score(
        [Pair(note["instruction"], note["response"]), Pair("Rendang is a dish.\n\nWhat is rendang?", question["response"])]
    )
    assert scored["reward"].to_list() == [expected[0], None, expected[1]]
    assert scored["goodness"].to_list() == [expected[0], 0.0, expected[1]]
    assert scored["reward_model"].to_list() == [f"{model.name}@{model.revision}", None, f"{model.name}@{model.revision}"]
    assert scored["verified"].to_list() == [None, False, None]


def constrained(name: str, **arguments: Any) -> dict[str, Any]:
    return {"constraint": json.dumps({"name": name, "arguments": arguments})}


def test_a_records_own_constraint_must_hold_beside_the_leafs_verifier() -> None:
    short, open_ = constrained("max_characters", characters=4), constrained("language", language="en")
    scored = score_candidates(
        candidates(
            SUM | short | {"response": "132"},
            SUM | short | {"response": "47 + 85 = 132"},
            SUM | short | {"response": "131"},
            SUM | open_ | {"response": "132"},
            SUM | open_ | {"response": "131"},
        ),
        no_model,
    )
    assert scored["verified"].to_list() == [True, False, False, None, False]
    assert scored["verifier_note"].to_list()[1] == "the response does not keep max_characters (characters 4)"
    assert "cannot be told" in scored["verifier_note"].to_list()[3]


def test_a_constraint_is_verified_where_the_leaf_has_no_verifier(model: RewardModel) -> None:
    shout = constrained("upper_case")
    scored = score_candidates(candidates(shout | {"response": "HELLO."}, shout | {"response": "Hello."}, {}), lambda: model)
    assert scored["verified"].to_list() == [True, False, None]
    assert scored["reward"].null_count() == 0


def test_the_settings_of_the_leaf_reach_its_verifier() -> None:
    leaf = {"verifier": "pattern", "verifier_settings": '{"pattern":"[a-z]+"}'}
    assert score_candidates(candidates(leaf | {"response": "abc"}, leaf | {"response": "ab1"}), no_model)["verified"].to_list() == [
        True,
        False,
    ]


def test_what_did_not_parse_is_not_scored() -> None:
    broken = {"response": None, "parse_fault": "response: empty"}
    scored = score_candidates(candidates(broken, SUM | broken, {"instruction": None, "response": None}), no_model)
    assert scored.select("verified", "verifier_note", "reward", "reward_model", "goodness").null_count().row(0) == (3,) * 5


def test_too_long_for_the_model_is_asked_but_not_scored(model: RewardModel) -> None:
    scored = score_candidates(candidates({"response": "so " * 2 * POSITIONS}), lambda: model)
    assert scored.select("reward", "goodness").row(0) == (None, None)
    assert scored["reward_model"].to_list() == [f"{model.name}@{model.revision}"]


def test_order_and_every_column_of_the_candidates_stay(model: RewardModel) -> None:
    rows = candidates({"leaf": "b"}, SUM | {"leaf": "c", "response": "132"}, {"leaf": "a", "groups": [{"name": "domain", "value": "x"}]})
    scored = score_candidates(rows, lambda: model)
    assert scored.schema == pl.Schema(SCORED)
    assert scored.select(*CANDIDATE).equals(rows)


def test_no_candidates() -> None:
    assert score_candidates(empty(CANDIDATE), no_model).schema == pl.Schema(SCORED)


def test_unknown_verifier_is_named() -> None:
    with pytest.raises(FactoryError, match="no verifier 'arithmetics'; did you mean 'arithmetic'"):
        score_candidates(candidates(SUM | {"verifier": "arithmetics"}), no_model)
