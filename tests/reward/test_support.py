"""Support: how much of an answer stands in its text, and what the verdict does with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_rows import candidates, judged, scored, seeds

from factory.reward.rating import Rating
from factory.reward.score import score_candidates
from factory.reward.support import measure_support
from factory.reward.verdict import decide_verdicts
from factory.reward_spec import RewardSpec

KIWI = "The kiwi lives in the forests of New Zealand. It eats worms."


@pytest.mark.parametrize(
    ("response", "support"),
    [
        ("The kiwi lives in the forests of New Zealand.", 1.0),
        ("THE KIWI EATS WORMS", 1.0),
        ("The moa lives in Peru.", 3 / 5),
        ("Quokkas sing.", 0.0),
        ("…", None),
    ],
)
def test_support_is_the_share_of_words_that_were_read(response, support):
    assert measure_support(response, KIWI) == support


@given(st.text(), st.text())
def test_support_is_a_share_and_a_text_supports_itself(response, context):
    support = measure_support(response, context)
    assert support is None or 0 <= support <= 1
    assert measure_support(context, context) in (1.0, None)


def test_an_answer_that_its_text_does_not_hold_is_refused_before_the_reward_is_looked_at():
    rows = scored(
        judged(0.9, context=KIWI, support=0.4, instruction="Where does it live?"),
        judged(0.9, context=KIWI, support=0.9, instruction="What does it eat?"),
        judged(-0.1, context=KIWI, support=0.9, instruction="When does it sleep?"),
        judged(0.9, context=KIWI, support=None, instruction="Who sees it?"),
        judged(0.9, instruction="Write a note."),
    )
    reasons = decide_verdicts(rows, seeds(), RewardSpec(min_support=0.8))["reason"].to_list()
    assert reasons == ["unsupported", "accepted", "low_goodness", "unsupported", "accepted"]


def test_only_records_with_a_context_are_measured():
    class HalfSure:
        identity = "half@0"

        def rate(self, dialogues):
            return [Rating(0.5)] * len(dialogues)

    rows = candidates({"context": KIWI, "response": "It eats worms."}, {"response": "It eats worms."})
    assert score_candidates(rows, RewardSpec(), HalfSure)["support"].to_list() == [1.0, None]
