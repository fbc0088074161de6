"""Win rates: what a judge that is put both orders says, counted by leaf, with its interval, against closed forms."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from factory.generation.ledger import Ledger
from factory.records import ANSWER
from factory.reward.judges import compare
from factory.training.statistics import compare as compare_accuracy
from factory.training.win_rate import MATCH, play_matches, summarise_matches

sys.path.append(str(Path(__file__).parents[1] / "reward"))
from judge_rows import asked_answers, open_pair_judge, serve

Z = 1.959963984540054


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def make_answers(**said: list[str]) -> pl.DataFrame:
    """The answers of each model to problem p0, p1 and so on, of two leaves in turn."""
    rows = [
        dict.fromkeys(ANSWER)
        | {"problem_id": f"p{place}", "leaf": f"a/{'xy'[place % 2]}", "instruction": f"Say {place}.", "model": model, "response": text}
        for model, texts in said.items()
        for place, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=ANSWER)


def judge_by_length(body: dict[str, Any]) -> str:
    """Prefers the longer, always the first where one is "bias", and says nothing of "vague"."""
    first, second = asked_answers(body)
    if "vague" in (first, second):
        return "Who can say."
    if "bias" in (first, second):
        return "[[A]]"
    return f"[[{'A' if len(first) > len(second) else 'B' if len(second) > len(first) else 'C'}]]"


def test_a_win_needs_both_orders_and_what_does_not_parse_wins_nothing(ledger: Ledger) -> None:
    own = ["much longer", "short", "equal", "bias", "vague", "same words", "verified"]
    answers = make_answers(tuned=own, base=["short", "much longer", "alike", "other", "other", "same words", "v"], teacher=["t"] * 7)
    unverified = [f"p{place}" for place in range(6)]
    with serve(judge_by_length) as server:
        judge = open_pair_judge(server)
        matches = play_matches(answers, unverified, "tuned", ["base"], lambda pairs: compare(judge, pairs, ledger))
        asked = len(server.asked)
        assert asked == 2 * 5 + 2, "five pairs in two orders, and what did not parse once more"
        assert not any("verified" in asked_answers(each.body) for each in server.asked), "what a verifier decides is not asked"
        assert play_matches(answers, unverified, "tuned", ["base"], lambda pairs: compare(judge, pairs, ledger)).equals(matches)
        assert len(server.asked) == asked, "nothing is asked twice"
    assert matches["outcome"].to_list() == ["win", "loss", "tie", "tie", "unparsed", "same"]
    assert matches["flipped"].to_list() == [False, False, False, True, None, None]
    assert "expected one of A, B, C" in matches["note"][4]
    table = {row["leaf"]: row for row in summarise_matches(matches).iter_rows(named=True)}
    counts = ("pairs", "wins", "losses", "ties", "same", "unparsed", "flipped")
    assert [table["all"][name] for name in counts] == [6, 1, 1, 2, 1, 1, 1]
    assert [table["a/x"][name] for name in counts] == [3, 1, 0, 1, 0, 1, 0]
    assert table["all"]["win_rate"] == 0.5 and table["a/x"]["win_rate"] == pytest.approx(2 / 3)
    assert table["all"]["inconsistency"] == pytest.approx(1 / 4), "of the four pairs that parsed in both orders"
    assert table["all"]["p_value"] == 1.0


def test_each_rival_is_met_on_what_both_answered(ledger: Ledger) -> None:
    answers = make_answers(tuned=["the longest", "b"], base=["a", "bb"], champion=["the very longest"])
    with serve(judge_by_length) as server:
        judge = open_pair_judge(server)
        matches = play_matches(answers, ["p0", "p1"], "tuned", ["base", "champion"], lambda pairs: compare(judge, pairs, ledger))
    assert matches.select("rival", "problem_id", "outcome").rows() == [
        ("base", "p0", "win"),
        ("base", "p1", "loss"),
        ("champion", "p0", "loss"),
    ]
    assert summarise_matches(matches).filter(leaf="all").select("rival", "win_rate").rows() == [("base", 0.5), ("champion", 0.0)]


def make_matches(**outcomes: list[str]) -> pl.DataFrame:
    """Matches against base, by the last part of their leaf."""
    rows = [
        dict.fromkeys(MATCH) | {"problem_id": f"{leaf}{place:04}", "leaf": f"a/{leaf}", "rival": "base", "outcome": outcome}
        for leaf, listed in outcomes.items()
        for place, outcome in enumerate(listed)
    ]
    return pl.DataFrame(rows, schema=MATCH)


def summarise_all(matches: pl.DataFrame) -> dict[str, Any]:
    return summarise_matches(matches).filter(leaf="all").row(0, named=True)


def test_interval_agrees_with_the_stratified_standard_error() -> None:
    whole = summarise_all(make_matches(x=["win"] * 80 + ["loss"] * 40 + ["tie"] * 80, y=["win"] * 90 + ["unparsed"] * 10))
    # Points are 1, 0 and a half: a quarter of the variance of 1, -1 and 0. Variances add up leaf by leaf.
    variance = 0.25 * (200 * (120 / 200 - (40 / 200) ** 2) + 100 * (0.9 - 0.9**2))
    error = math.sqrt(variance) / 300
    assert whole["win_rate"] == pytest.approx((170 + 90 / 2) / 300)
    assert whole["low"] == pytest.approx(whole["win_rate"] - Z * error, abs=0.005)
    assert whole["high"] == pytest.approx(whole["win_rate"] + Z * error, abs=0.005)


def test_the_rivals_rate_is_the_rest_and_the_interval_its_mirror() -> None:
    turned = {"win": "loss", "loss": "win"}
    outcomes = ["win"] * 17 + ["loss"] * 8 + ["tie"] * 4 + ["unparsed"] * 3 + ["same"] * 2
    forth, back = summarise_all(make_matches(x=outcomes)), summarise_all(make_matches(x=[turned.get(each, each) for each in outcomes]))
    assert forth["win_rate"] == pytest.approx(1 - back["win_rate"]) and forth["p_value"] == back["p_value"]
    assert (forth["low"], forth["high"]) == (pytest.approx(1 - back["high"], abs=0.02), pytest.approx(1 - back["low"], abs=0.02))


@pytest.mark.parametrize("outcomes", [["win"] * 4, ["win"] * 40, ["tie"] * 40])
def test_where_resampling_says_nothing_the_interval_is_still_honest(outcomes: list[str]) -> None:
    whole = summarise_all(make_matches(x=outcomes))
    share, size = whole["win_rate"], len(outcomes)
    half = Z / (1 + Z**2 / size) * math.sqrt(share * (1 - share) / size + Z**2 / (4 * size**2))
    assert whole["high"] - whole["low"] == pytest.approx(2 * half if share < 1 else 1 - whole["low"])
    assert whole["low"] == pytest.approx((share + Z**2 / (2 * size)) / (1 + Z**2 / size) - half)


def test_the_sign_test_is_that_of_accuracies() -> None:
    outcomes = ["win"] * 15 + ["loss"] * 4 + ["tie"] * 9
    right = {"tuned": [1] * 15 + [0] * 4 + [1] * 9, "base": [0] * 15 + [1] * 4 + [1] * 9}
    answers = [
        dict.fromkeys(ANSWER) | {"problem_id": f"{place:02}", "leaf": "x", "model": model, "correct": bool(mark)}
        for model, marks in right.items()
        for place, mark in enumerate(marks)
    ]
    expected = compare_accuracy(pl.DataFrame(answers, schema=ANSWER), "tuned", "base").p_value
    assert summarise_all(make_matches(x=outcomes))["p_value"] == expected


def test_no_pairs_give_no_rows(ledger: Ledger) -> None:
    assert summarise_matches(play_matches(make_answers(tuned=["a"]), [], "tuned", ["base"], lambda pairs: [])).is_empty()
