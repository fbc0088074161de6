from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from reward_rows import POSITIONS, candidates

from factory.faults import FactoryError
from factory.records import CANDIDATE, SCORED, empty
from factory.reward.local_model import LocalRewardModel
from factory.reward.rating import Dialogue, Rating, read_dialogue
from factory.reward.score import score_candidates
from factory.reward_spec import ATTRIBUTES, RewardSpec


def no_model() -> NoReturn:
    raise AssertionError("the reward model was opened")


@pytest.fixture(scope="module")
def model(reward_folder: Path) -> LocalRewardModel:
    return LocalRewardModel(str(reward_folder), batch_size=8)


SPEC = RewardSpec()
SUM = {"verifier": "arithmetic", "instruction": "What is 47 + 85?"}


def test_verifier_decides_where_a_row_names_one_and_no_model_is_opened() -> None:
    rows = candidates(SUM | {"response": "132"}, SUM | {"response": "131"}, SUM | {"instruction": "What is + 85?", "response": "85"})
    scored = score_candidates(rows, SPEC, no_model)
    assert scored["verified"].to_list() == [True, False, None]
    assert scored["verifier_note"].to_list() == [None, "expected 132", "not a sum, difference or product of two whole numbers"]
    assert scored["reward"].null_count() == scored["reward_model"].null_count() == 3


def test_reward_model_scores_the_rest_with_their_context(model: LocalRewardModel) -> None:
    note = {"instruction": "Thank Rina in a short note.", "response": "Dear Rina, thank you."}
    question = {"instruction": "What is rendang?", "context": "Rendang is a dish.", "response": "Rendang is a dish."}
    rows = candidates(note, SUM | {"response": "131"}, question)
    scored = score_candidates(rows, SPEC, lambda: model)
    dialogues = [read_dialogue(rows.row(place, named=True)) for place in (0, 2)]
    assert dialogues[1][0].content == "Rendang is a dish.\n\nWhat is rendang?"
    expected = [rating.reward for rating in model.rate(dialogues) if rating]
    assert scored["reward"].to_list() == [expected[0], None, expected[1]]
    assert scored["reward_model"].to_list() == [model.identity, None, model.identity]
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
        SPEC,
        no_model,
    )
    assert scored["verified"].to_list() == [True, False, False, None, False]
    assert scored["verifier_note"].to_list()[1] == "the response does not keep max_characters (characters 4)"
    assert "cannot be told" in scored["verifier_note"].to_list()[3]


def test_a_constraint_is_verified_where_the_leaf_has_no_verifier(model: LocalRewardModel) -> None:
    shout = constrained("upper_case")
    scored = score_candidates(candidates(shout | {"response": "HELLO."}, shout | {"response": "Hello."}, {}), SPEC, lambda: model)
    assert scored["verified"].to_list() == [True, False, None]
    assert scored["reward"].null_count() == 0


def test_the_settings_of_the_leaf_reach_its_verifier() -> None:
    leaf = {"verifier": "pattern", "verifier_settings": '{"pattern":"[a-z]+"}'}
    assert score_candidates(candidates(leaf | {"response": "abc"}, leaf | {"response": "ab1"}), SPEC, no_model)["verified"].to_list() == [
        True,
        False,
    ]


def test_what_did_not_parse_is_not_scored() -> None:
    broken = {"response": None, "parse_fault": "response: empty"}
    scored = score_candidates(candidates(broken, SUM | broken, {"instruction": None, "response": None}), SPEC, no_model)
    assert scored.select("verified", "verifier_note", "reward", "attributes", "reward_model").null_count().row(0) == (3,) * 5


def test_too_long_for_the_model_is_asked_but_not_scored(model: LocalRewardModel) -> None:
    scored = score_candidates(candidates({"response": "so " * 2 * POSITIONS}), SPEC, lambda: model)
    assert scored.select("reward", "attributes").row(0) == (None, None)
    assert scored["reward_model"].to_list() == [model.identity]


def test_order_and_every_column_of_the_candidates_stay(model: LocalRewardModel) -> None:
    rows = candidates({"leaf": "b"}, SUM | {"leaf": "c", "response": "132"}, {"leaf": "a", "groups": [{"name": "domain", "value": "x"}]})
    scored = score_candidates(rows, SPEC, lambda: model)
    assert scored.schema == pl.Schema(SCORED)
    assert scored.select(*CANDIDATE).equals(rows)


def test_no_candidates() -> None:
    assert score_candidates(empty(CANDIDATE), SPEC, no_model).schema == pl.Schema(SCORED)


def test_unknown_verifier_is_named() -> None:
    with pytest.raises(FactoryError, match="no verifier 'arithmetics'; did you mean 'arithmetic'"):
        score_candidates(candidates(SUM | {"verifier": "arithmetics"}), SPEC, no_model)


class Rater:
    """Rates each dialogue by its number of messages, in five attributes."""

    identity = "rater@1"

    def __init__(self) -> None:
        self.read: list[Dialogue] = []

    def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
        self.read += dialogues
        return [Rating(attributes=dict.fromkeys(ATTRIBUTES, float(len(dialogue)))) for dialogue in dialogues]


def test_the_scope_all_rates_what_a_verifier_decides_as_well_and_every_turn_of_a_dialogue() -> None:
    said = (("user", "Hi."), ("assistant", "Hello."), ("user", "Bye."), ("assistant", "Goodbye."))
    turns = [{"role": role, "content": text} for role, text in said]
    broken = {"response": None, "parse_fault": "response: empty"}
    rows = candidates(SUM | {"response": "131"}, {"turns": turns, "context": "A greeting."}, broken)
    rater = Rater()
    scored = score_candidates(rows, RewardSpec(scope="all"), lambda: rater)
    assert scored["attributes"].to_list() == [dict.fromkeys(ATTRIBUTES, 2.0), dict.fromkeys(ATTRIBUTES, 4.0), None]
    assert scored["reward_model"].to_list() == ["rater@1", "rater@1", None]
    assert scored["verified"].to_list() == [False, None, None]
    assert [message.content for message in rater.read[1]] == ["A greeting.\n\nHi.", "Hello.", "Bye.", "Goodbye."]


def test_a_line_without_a_reward_model_opens_none() -> None:
    assert score_candidates(candidates({}), RewardSpec(model=None), no_model)["reward_model"].to_list() == [None]
