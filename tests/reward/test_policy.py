"""The policy of a line: which scores are good enough, for all its leaves and for some, without asking a model again."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from reward_rows import judged, scored

from factory.faults import FactoryError
from factory.records import SEED, empty
from factory.reward.verdict import decide_verdicts, explain_refusal
from factory.reward_spec import ATTRIBUTES, WEIGHTS, RewardSpec

HELPFUL = {"helpfulness": 4.0, "correctness": 4.0, "coherence": 4.0, "complexity": 2.0, "verbosity": 2.0}
POOR = {"helpfulness": 1.0, "correctness": 1.0, "coherence": 3.0, "complexity": 1.0, "verbosity": 3.0}
MODEL = {"reward_model": "rater@1"}


def decide(rows: pl.DataFrame, **policy: Any) -> list[str]:
    return decide_verdicts(rows, empty(SEED), RewardSpec.model_validate(policy))["reason"].to_list()


def rate(attributes: dict[str, float], **row: Any) -> dict[str, Any]:
    return judged(None, attributes=attributes, **MODEL) | row


def vote(*scores: float | None, least: float = 2) -> list[dict[str, Any]]:
    return [
        {"judge": f"judge{n}@1", "rubric": "pair", "score": score, "good": None if score is None else score >= least, "note": "no score"}
        for n, score in enumerate(scores)
    ]


@given(st.lists(st.floats(0, 4), min_size=5, max_size=5))
def test_goodness_is_the_weighted_sum_of_the_attributes(values: list[float]) -> None:
    attributes = dict(zip(ATTRIBUTES, values, strict=True))
    verdicts = decide_verdicts(scored(rate(attributes)), empty(SEED), RewardSpec(min_goodness=0.0))
    by_hand = 0.30 * values[0] + 0.74 * values[1] + 0.46 * values[2] + 0.47 * values[3] - 0.33 * values[4]
    assert verdicts["goodness"][0] == pytest.approx(by_hand)
    other = decide_verdicts(scored(rate(attributes)), empty(SEED), RewardSpec(min_goodness=0.0, weights={"verbosity": 1.0}))
    assert other["goodness"][0] == pytest.approx(values[4])


def test_thresholds_on_goodness_and_on_each_attribute() -> None:
    rows = scored(rate(HELPFUL, instruction="Say a."), rate(POOR, instruction="Say b."))
    worth = {name: sum(weight * value[attribute] for attribute, weight in WEIGHTS.items()) for name, value in (("a", HELPFUL), ("b", POOR))}
    assert decide(rows, min_goodness=(worth["a"] + worth["b"]) / 2) == ["accepted", "low_goodness"]
    assert decide(rows, at_least={"correctness": 2}) == ["accepted", "low_attribute"]
    assert decide(rows, at_most={"verbosity": 2.5}) == ["accepted", "low_attribute"]
    assert decide(rows, at_least={"correctness": 1}, at_most={"verbosity": 3}) == ["accepted", "accepted"]


def test_attributes_without_any_bound_are_refused_by_name_of_the_leaf() -> None:
    with pytest.raises(FactoryError, match=r"leaf b: the reward model gives five attributes.*reward\.min_goodness"):
        decide(scored(rate(HELPFUL, leaf="b")))
    assert decide(scored(rate(HELPFUL, leaf="b")), leaves={"b": {"min_goodness": 1}}) == ["accepted"]


def test_a_leaf_has_its_own_policy_by_the_first_pattern_that_matches() -> None:
    rows = scored(*(judged(0.5, leaf=leaf, instruction=f"Say {leaf}.") for leaf in ("knowledge/a", "knowledge/b", "skills/c")))
    policies = {"knowledge/a": {"min_goodness": 0.1}, "knowledge/*": {"min_goodness": 0.9}}
    assert decide(rows, leaves=policies, min_goodness=0.6) == ["accepted", "low_goodness", "low_goodness"]


def test_what_a_verifier_says_counts_as_the_policy_has_it() -> None:
    rows = scored(
        {"instruction": "1", "verified": True, "reward": 1.0},
        {"instruction": "2", "verified": True, "reward": -1.0},
        {"instruction": "3", "verified": False, "reward": 1.0},
        {"instruction": "4", "verified": None, "reward": 1.0},
        {"instruction": "5", "verified": None, "reward": None, "reward_model": "rater@1"},
    )
    assert decide(rows, scope="all") == ["accepted", "low_goodness", "wrong_answer", "undecidable", "undecidable"]
    assert decide(rows, scope="all", verifier="refutes") == ["accepted", "low_goodness", "wrong_answer", "accepted", "unscored"]
    assert decide(rows, scope="all", verifier="ignored") == ["accepted", "low_goodness", "accepted", "accepted", "unscored"]
    assert decide(rows, scope="all", min_goodness=-2) == ["accepted", "accepted", "wrong_answer", "undecidable", "undecidable"]


@pytest.mark.parametrize(
    "given",
    [
        {"verifier": "ignored"},
        {"leaves": {"a": {"verifier": "refutes"}}},
        {"leaves": {"a": {"near_duplicate": 0.5}}},
        {"leaves": {"a": {}}},
        {"leaves": {"a": {"min_support": 2}}},
        {"at_least": {"kindness": 1}},
        {"weights": {"helpfulnes": 1}},
        {"top_share": 0},
        {"pairs": {"by": []}},
        {"model": None, "server": {"base_url": "http://localhost:1/v1"}},
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RewardSpec.model_validate(given)


def test_the_top_share_of_each_leaf_is_kept_and_of_equals_the_first() -> None:
    rows = scored(*(judged(reward, leaf=leaf, instruction=f"Say {leaf}{n}.") for leaf in "ab" for n, reward in enumerate((1, 3, 2, 2, -1))))
    kept = ["not_top", "accepted", "accepted", "not_top", "low_goodness"]
    assert decide(rows, top_share=0.5) == [*kept, *kept]
    assert decide(rows, leaves={"b": {"top_share": 0.25}})[5:] == ["not_top", "accepted", "not_top", "not_top", "low_goodness"]


@given(st.integers(1, 40), st.integers(1, 100))
def test_a_share_is_rounded_up_and_never_by_a_rounding_error(count: int, percent: int) -> None:
    rows = scored(*(judged(float(n), instruction=f"Say {n} and {n * n}.") for n in range(count)))
    assert decide(rows, top_share=percent / 100, near_duplicate=1).count("accepted") == -(-count * percent // 100)


def test_all_good_responses_to_an_instruction_are_kept_where_the_line_says_so() -> None:
    one = {"instruction_id": "i", "seed": 1}
    rows = scored(
        judged(1, **one), judged(2, response="Hi.", **one), judged(-1, response="No.", **one), judged(3, seed=2, instruction_id="i")
    )
    assert decide(rows) == ["not_best", "accepted", "low_goodness", "duplicate"]
    assert decide(rows, keep="all") == ["accepted", "accepted", "low_goodness", "duplicate"]


def test_right_is_better_than_any_goodness() -> None:
    one = {"instruction_id": "i", "seed": 1, "verifier": "word_count"}
    rows = scored({"verified": None, "reward": 9.0} | one, {"verified": True, "reward": 0.1} | one)
    assert decide(rows, scope="all", verifier="refutes") == ["not_best", "accepted"]
    assert decide(rows, scope="all", verifier="ignored") == ["accepted", "not_best"]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ((3,), "accepted"),
        ((1,), "outvoted"),
        ((3, 1), "outvoted"),
        ((3, 1, 2), "accepted"),
        ((None, 3), "accepted"),
        ((None, None), "unjudged"),
    ],
)
def test_a_majority_of_the_votes_that_parsed_decides(scores: tuple[float | None, ...], reason: str) -> None:
    assert decide(scored(judged(None, votes=vote(*scores)))) == [reason]
    assert decide(scored({"votes": vote(*scores)})) == [reason]


def test_goodness_of_what_judges_alone_read_is_the_share_of_good_votes() -> None:
    verdicts = decide_verdicts(scored(judged(None, votes=vote(3, 1, None, 2))), empty(SEED), RewardSpec(model=None))
    assert verdicts["goodness"].to_list() == [pytest.approx(2 / 3)]
    unread = scored(judged(None, votes=vote(None)), judged(None, response=None, parse_fault="response: empty"))
    assert decide_verdicts(unread, empty(SEED), RewardSpec(model=None))["goodness"].to_list() == [None, None]


def test_a_refusal_says_what_was_scored() -> None:
    rows = scored(rate(POOR), judged(None, votes=vote(1, None)), judged(-0.5))
    verdicts = decide_verdicts(rows, empty(SEED), RewardSpec(at_least={"correctness": 2}))
    said = [explain_refusal(row) for row in verdicts.iter_rows(named=True)]
    assert said[0].startswith("goodness 1.90 (helpfulness 1.00, correctness 1.00")
    assert said[1] == "judge0@1 by pair: score 1; judge1@1 by pair: not parsed: no score"
    assert said[2] == "reward -0.50"


def test_a_constraint_decides_beside_the_reward_where_the_leaf_has_no_verifier() -> None:
    asked = {"constraint": '{"arguments":{},"name":"upper_case"}'}
    rows = scored(*(judged(reward, verified=kept, **asked) for reward, kept in ((1.0, True), (1.0, False), (1.0, None), (-1.0, True))))
    verdicts = decide_verdicts(rows.with_columns(instruction=pl.col("record_id")), empty(SEED), RewardSpec(near_duplicate=1))
    assert verdicts["reason"].to_list() == ["accepted", "wrong_answer", "undecidable", "low_goodness"]
    assert verdicts["goodness"].to_list() == [1.0, 1.0, 1.0, -1.0]
    unread = scored(judged(None, verified=True, **asked))
    assert decide_verdicts(unread, empty(SEED), RewardSpec(model=None))["reason"].to_list() == ["unscored"]
