from __future__ import annotations

import polars as pl
import pytest

from factory.records import FUNNEL, VERDICT, empty
from factory.reward.funnel import ADVICE, STAGES, count_funnel, hints
from factory.reward.verdict import REASONS


def verdicts(**leaves: dict[str, int]) -> pl.DataFrame:
    """VERDICT rows: so many of each reason in each leaf."""
    rows = [{"leaf": leaf, "reason": reason} for leaf, counts in leaves.items() for reason, count in counts.items() for _ in range(count)]
    return pl.concat([empty(VERDICT), pl.DataFrame(rows, schema={"leaf": pl.String, "reason": pl.String})], how="diagonal")


def test_counts_what_came_through_each_filter() -> None:
    counts = {
        "parse_fault": 1,
        "judge_refused": 2,
        "not_best": 1,
        "undecidable": 2,
        "wrong_answer": 3,
        "duplicate": 4,
        "near_duplicate": 5,
        "seed_copy": 6,
        "holdout_overlap": 7,
    }
    funnel = count_funnel(verdicts(b=counts | {"accepted": 8}, a={"low_goodness": 1, "unscored": 1, "accepted": 1}, c={"accepted": 2}))
    assert funnel.schema == pl.Schema(FUNNEL)
    assert funnel.rows() == [
        ("a", 3, 3, 3, 1, 1, 1, "unscored"),
        ("b", 39, 38, 36, 31, 21, 8, "holdout_overlap"),
        ("c", 2, 2, 2, 2, 2, 2, None),
    ]


def test_nothing_asked() -> None:
    funnel = count_funnel(empty(VERDICT))
    assert funnel.schema == pl.Schema(FUNNEL)
    assert hints(funnel) == []


def test_every_reason_has_its_filter_and_its_advice() -> None:
    assert sorted(reason for reasons in STAGES.values() for reason in reasons) == sorted(REASONS) == sorted(ADVICE)


@pytest.mark.parametrize("reason", REASONS)
def test_hint_names_leaf_filter_share_and_what_to_try(reason: str) -> None:
    (hint,) = hints(count_funnel(verdicts(good={"accepted": 90, reason: 10}, bad={"accepted": 5, reason: 95})))
    assert hint.startswith("bad: ")
    assert "refused 95 of 100 (95%)" in hint
    assert ADVICE[reason] in hint


def test_leaf_of_which_nothing_was_accepted_is_named_however_small() -> None:
    (hint,) = hints(count_funnel(verdicts(bad={"parse_fault": 1, "wrong_answer": 2})))
    assert hint.startswith(
        "bad: nothing was accepted; the verifier or the reward model refused 2 of 2 (100%), most often by wrong_answer: "
    )


def test_share_is_of_what_reached_the_filter() -> None:
    (hint,) = hints(count_funnel(verdicts(bad={"parse_fault": 50, "near_duplicate": 48, "accepted": 2})))
    assert "the duplicate filter refused 48 of 50 (96%)" in hint
    assert "duplicate, near_duplicate" in hint


def test_few_records_or_many_accepted_give_no_hint() -> None:
    assert hints(count_funnel(verdicts(few={"wrong_answer": 8, "accepted": 1}, good={"wrong_answer": 80, "accepted": 20}))) == []
