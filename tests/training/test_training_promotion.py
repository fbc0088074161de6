"""A tuned student becomes champion only by beating its rival."""

from __future__ import annotations

import pytest
from test_training_statistics import make_answers

from factory.faults import FactoryError
from factory.training import Standing, decide_promotion

WEAK, MIDDLE, STRONG = [1] * 10 + [0] * 90, [1] * 50 + [0] * 50, [1] * 80 + [0] * 20


def test_clear_winner_is_promoted() -> None:
    promotion = decide_promotion(make_answers({"base": WEAK, "tuned": STRONG}), champion_present=False)
    assert promotion.promote
    assert promotion.comparison.b == "base"
    assert promotion.comparison.low > 0
    assert promotion.reason.startswith("Promoted: on 100 problems the tuned student is right on 80.0% and the base on 10.0%")


def test_champion_is_the_rival_where_there_is_one() -> None:
    answers = make_answers({"base": WEAK, "champion": STRONG, "tuned": MIDDLE})
    refused = decide_promotion(answers, champion_present=True)
    assert not refused.promote
    assert refused.comparison.b == "champion"
    assert "the champion stays" in refused.reason
    assert decide_promotion(answers, champion_present=False).promote


def test_lead_within_chance_is_not_enough() -> None:
    ahead = [1] * 52 + [0] * 48
    shifted = [0, 1] * 50
    promotion = decide_promotion(make_answers({"base": shifted, "tuned": ahead}), champion_present=False)
    assert promotion.comparison.difference > 0
    assert promotion.comparison.low < 0
    assert not promotion.promote
    assert promotion.reason.endswith("so the interval does not lie wholly above 0.")
    assert "\n" not in promotion.reason


@pytest.mark.parametrize("tuned, problems", [([1], 20), ([1] * 3, 3)])
def test_a_few_lucky_problems_make_no_champion(tuned: list[int], problems: int) -> None:
    answers = make_answers({"base": [0] * problems, "tuned": tuned + [0] * (problems - len(tuned))}, [f"a/{at}" for at in range(problems)])
    promotion = decide_promotion(answers, champion_present=False)
    assert not promotion.promote and promotion.comparison.low < promotion.comparison.difference


def test_what_the_paired_test_does_not_tell_apart_is_not_promoted() -> None:
    answers = make_answers({"base": [0] * 100, "tuned": [1] * 5 + [0] * 95})
    promotion = decide_promotion(answers, champion_present=False)
    assert promotion.comparison.low > 0 and promotion.comparison.p_value == pytest.approx(0.0625)
    assert not promotion.promote and promotion.reason.endswith("so the paired test does not tell the two apart.")


def test_equal_students_do_not_replace_each_other() -> None:
    assert not decide_promotion(make_answers({"champion": MIDDLE, "tuned": MIDDLE}), champion_present=True).promote


def test_champion_must_have_answered() -> None:
    with pytest.raises(FactoryError, match="cannot be compared"):
        decide_promotion(make_answers({"base": WEAK, "tuned": STRONG}), champion_present=True)


def test_a_winner_on_data_that_does_not_let_it_stays_what_it_is() -> None:
    answers = make_answers({"base": WEAK, "tuned": STRONG})
    blocked = decide_promotion(answers, champion_present=False, standing=Standing(("gate privacy.x failed",), ("1 of 2 gates passed",)))
    assert not blocked.promote and blocked.comparison.low > 0
    assert blocked.reason.startswith("Not promoted, there is still no champion: on 100 problems")
    assert blocked.reason.endswith(". What it was trained on does not let it: gate privacy.x failed. 1 of 2 gates passed.")
    let = decide_promotion(answers, champion_present=False, standing=Standing(notes=("gate fidelity.y was waived",)))
    assert let.promote and let.reason.endswith(" Gate fidelity.y was waived.")


def test_fresh_problems_outweigh_no_loss_on_what_people_wrote() -> None:
    origins = ["holdout"] * 20 + ["fresh"] * 80
    base, tuned = [1] * 15 + [0] * 85, [0] * 20 + [1] * 80
    promotion = decide_promotion(make_answers({"base": base, "tuned": tuned}, origins=origins), champion_present=False)
    assert promotion.comparison.low > 0 and promotion.held_out is not None and promotion.held_out.high < 0
    assert not promotion.promote
    assert "It is worse on the 20 held-out examples: difference -75.0 points" in promotion.reason
