"""A leaf's candidates reviewed while they are written: the verdict's own count, each candidate scored once, samples of what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reward_rows import candidates, seeds

from factory.reward.local_model import LocalRewardModel
from factory.reward.rating import Dialogue, Rating
from factory.reward.review import LeafReviewer
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts
from factory.reward_spec import RewardSpec


def add(a: int, b: int, answer: int) -> dict[str, str]:
    return {"verifier": "arithmetic", "instruction": f"What is {a} + {b}?", "response": str(answer)}


def test_a_review_counts_as_the_verdict_does_and_says_which_filter_refuses() -> None:
    rows = candidates(add(1, 2, 3), add(47, 85, 1), add(5, 6, 1), add(7, 8, 1), add(9, 9, 1), add(1, 2, 3), add(4, 4, 8))
    held_out = seeds({"question": "What is 4 + 4?", "split": "holdout"})
    said = LeafReviewer(held_out, RewardSpec(), lambda: LocalRewardModel("never", 1))(rows)
    verdicts = decide_verdicts(score_candidates(rows, RewardSpec(), lambda: LocalRewardModel("never", 1)), held_out, RewardSpec())
    assert said.accepted == verdicts.filter(verdict="accepted").height == 1
    assert said.funnel == {"asked": 7, "parsed": 7, "judged": 7, "verified": 3, "unique": 2, "accepted": 1}
    assert said.refusing.startswith("the verifier or the reward model refused 4 of 7 (57%), most often by wrong_answer: the teacher cannot")
    assert said.refused == (
        "wrong_answer: What is 47 + 85? → 1 (verifier: expected 132)",
        "wrong_answer: What is 5 + 6? → 1 (verifier: expected 11)",
        "wrong_answer: What is 7 + 8? → 1 (verifier: expected 15)",
    )


def test_a_candidate_is_scored_once_however_many_rounds_there_are(reward_folder: Path) -> None:
    asked: list[Dialogue] = []

    class Counting(LocalRewardModel):
        def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
            asked.extend(dialogues)
            return super().rate(dialogues)

    model = Counting(str(reward_folder), 8)
    rows = candidates(*({"instruction": f"Write a note to friend number {n}.", "response": f"Dear friend {n}."} for n in range(9)))
    reviewer = LeafReviewer(seeds(), RewardSpec(min_goodness=-9.0), lambda: model)
    reviewer(rows.head(4))
    said = reviewer(rows)
    assert len(asked) == 9
    assert said.funnel == LeafReviewer(seeds(), RewardSpec(min_goodness=-9.0), lambda: model)(rows).funnel


def test_what_the_line_calls_too_deep_fills_no_quota() -> None:
    rows = candidates(add(1, 2, 3) | {"depth": 2}, add(7, 8, 15) | {"depth": 1})
    said = LeafReviewer(seeds(), RewardSpec(), lambda: LocalRewardModel("never", 1), greatest_depth=1)(rows)
    assert said.accepted == 1 and said.refused == ("too_deep: What is 1 + 2? → 3 (of depth 2)",)


def test_control_characters_and_long_texts_of_a_sample_stay_one_short_line() -> None:
    rows = candidates({"instruction": "a\nb" + "x" * 500, "response": None, "parse_fault": "response: empty"})
    (line,) = LeafReviewer(seeds(), RewardSpec(), lambda: LocalRewardModel("never", 1))(rows).refused
    assert line.startswith("parse_fault: a bxx") and "→ (nothing) (not parsed: response: empty)" in line
    assert "\n" not in line and len(line) < 300
