"""What the verdict does with personal data: nothing, or a refusal that names types and shows no value."""

from __future__ import annotations

from typing import Any

import pytest
from reward_rows import candidates, scored

from factory.personal_data.spec import PersonalDataSpec
from factory.records import SEED, empty
from factory.reward.funnel import count_funnel
from factory.reward.local_model import LocalRewardModel
from factory.reward.review import LeafReviewer
from factory.reward.verdict import decide_verdicts, explain_refusal
from factory.reward_spec import RewardSpec

REFUSE = PersonalDataSpec(policy="refuse")
HOLDS = {"instruction": "Who is it?", "response": "canary@mail.com, NIK 3174096112900001"}


def decide(*rows: dict[str, Any], spec: PersonalDataSpec | None = None) -> list[dict[str, Any]]:
    return decide_verdicts(scored(*rows), empty(SEED), RewardSpec(), spec).to_dicts()


def test_a_record_that_holds_some_is_refused_with_its_types_and_without_its_values() -> None:
    kept, refused = decide({"instruction": "What is 1 + 2?", "response": "3"}, HOLDS, spec=REFUSE)
    assert (kept["reason"], refused["reason"]) == ("accepted", "personal_data")
    assert refused["matched_by"] == "EMAIL_ADDRESS, ID_NIK"
    assert explain_refusal(refused) == "holds EMAIL_ADDRESS, ID_NIK"
    (funnel,) = count_funnel(decide_verdicts(scored(HOLDS), empty(SEED), RewardSpec(), REFUSE)).to_dicts()
    assert (funnel["unique"], funnel["accepted"], funnel["most_refused_by"]) == (1, 0, "personal_data")


@pytest.mark.parametrize(
    "spec",
    [
        None,
        PersonalDataSpec(),
        PersonalDataSpec(policy="redact"),
        PersonalDataSpec(policy="refuse", types={"EMAIL_ADDRESS": None, "ID_NIK": None}),
    ],
)
def test_another_policy_leaves_it_to_the_gate(spec: PersonalDataSpec | None) -> None:
    (verdict,) = decide(HOLDS, spec=spec)
    assert verdict["reason"] == "accepted"


def test_a_better_response_that_holds_some_costs_none_that_holds_none() -> None:
    first = {"instruction": "Who is it?", "response": "Mail canary@mail.com", "reward": 9.0, "seed": 1}
    second = {"instruction": "Who is it?", "response": "I cannot tell.", "reward": 1.0, "seed": 1}
    verdicts = decide(*({"verifier": None, "verified": None, "instruction_id": "i"} | row for row in (first, second)), spec=REFUSE)
    assert [row["reason"] for row in verdicts] == ["personal_data", "accepted"]


def test_personal_data_in_the_middle_of_a_dialogue_is_refused_too() -> None:
    said = ["Hello", "Mail?", "canary@mail.com", "Thanks"]
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    (verdict,) = decide({"instruction": said[0], "response": said[-1], "turns": turns}, spec=REFUSE)
    assert verdict["reason"] == "personal_data"


@pytest.mark.parametrize("spec", [PersonalDataSpec(), REFUSE])
def test_a_sample_that_a_review_prints_holds_no_value(spec: PersonalDataSpec) -> None:
    row = {"verifier": "arithmetic", "instruction": "What is 1 + 2? Ask canary@mail.com.", "response": "SSN 460-89-9847"}
    said = LeafReviewer(empty(SEED), RewardSpec(), lambda: LocalRewardModel("never", 1), personal_data=spec)(candidates(row))
    assert "<EMAIL_ADDRESS_1>" in said.refused[0]
    assert not any(value in str(said) for value in ("canary", "9847"))
