"""Judges behind real servers: votes and their majority, answers that do not parse, comparisons in both orders, the ledger, the budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from judge_rows import asked_answers, asked_text, open_pair_judge, open_panel, serve, spec_judge
from reward_rows import candidates, scored, seeds

from factory.faults import FactoryError
from factory.generation.chat import ParkedError
from factory.generation.cost import count_cost
from factory.generation.ledger import Ledger
from factory.generation.spending import BudgetSpentError, Spending
from factory.line import BudgetSpec
from factory.reward.judges import Panel, Preference, compare, count_unparsed
from factory.reward.judging import make_judge
from factory.reward.pairs import make_pairs
from factory.reward.rubric import load_rubric
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts, explain_refusal
from factory.reward_spec import ComparingJudgeSpec, JudgeSpec, PairsSpec, RewardSpec


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def rate_by_length(body: dict[str, Any]) -> str:
    return f"It is as long as it is. [Score]{min(3, len(asked_answers(body)[0].split()))}[/Score]"


def never_opened() -> Any:
    raise AssertionError("the reward model was opened")


ROWS = [{"response": "one"}, {"response": "one two"}, {"response": "one two three"}]


def test_three_judges_decide_by_majority_though_one_never_parses(ledger: Ledger) -> None:
    with serve(rate_by_length) as by_length, serve(lambda body: "[Score]2[/Score]") as kind, serve(lambda body: "I cannot say.") as vague:
        judges = (spec_judge(by_length, "length"), spec_judge(kind, "kind"), spec_judge(vague, "vague"))
        spec = RewardSpec(model=None, judges=judges)
        rows = candidates(*ROWS)
        panel = Panel(open_panel(*judges), ledger)
        found = score_candidates(rows, spec, never_opened, panel.vote)
        assert len(vague.asked) == 2 * len(ROWS), "asked once, and once in the stricter form"
        assert "alone." in asked_text(vague.asked[-1].body) and "alone." not in asked_text(vague.asked[0].body)
        assert len(by_length.asked) == len(kind.asked) == len(ROWS)
        costs = count_cost(found, ("step", "model"))
        assert costs.select("step", "model", "requests").rows() == [
            ("pair: rating", "kind@served", 3),
            ("pair: rating", "length@served", 3),
            ("pair: rating", "vague@served", 6),
        ]

        again = score_candidates(rows, spec, never_opened, Panel(open_panel(*judges), ledger).vote)
        assert found.equals(again)
        assert (len(by_length.asked), len(vague.asked)) == (3, 6), "nothing is asked twice"
    votes = found["votes"].to_list()
    assert [[vote["judge"] for vote in each] for each in votes] == [["length@served", "kind@served", "vague@served"]] * 3
    assert [[vote["good"] for vote in each] for each in votes] == [[False, True, None], [True, True, None], [True, True, None]]
    assert votes[0][2]["score"] is None
    assert "found nothing (first expected one of 1, 2, 3, found nothing)" in votes[0][2]["note"]
    verdicts = decide_verdicts(found, seeds(), spec)
    assert verdicts["reason"].to_list() == ["outvoted", "accepted", "duplicate"]
    assert explain_refusal(verdicts.row(0, named=True)).startswith("length@served by pair: score 1; kind@served by pair: score 2; vague")
    counted = count_unparsed(found["votes"]).select("judge", "unparsed_share", "good").rows()
    assert counted == [("kind@served", 0.0, 3), ("length@served", 0.0, 2), ("vague@served", 1.0, 0)]


def test_where_no_judge_parses_the_record_is_unjudged_and_not_bad(ledger: Ledger) -> None:
    with serve(lambda body: "[Score]seven[/Score]") as server:
        spec = RewardSpec(model=None, judges=(spec_judge(server),))
        found = score_candidates(candidates({}), spec, never_opened, Panel(open_panel(*spec.judges), ledger).vote)
    assert decide_verdicts(found, seeds(), spec).select("reason", "goodness").rows() == [("unjudged", None)]


def test_an_answer_in_the_stricter_form_counts_and_says_what_was_wrong_with_the_first(ledger: Ledger) -> None:
    with serve(lambda body: "[Score]3[/Score]" if "alone." in asked_text(body) else "Three!") as server:
        ((vote,),) = Panel(open_panel(spec_judge(server)), ledger).vote(candidates({}).to_dicts())
    assert (vote["score"], vote["good"]) == (3.0, True)
    assert vote["note"] == "rating: at first expected one of 1, 2, 3, found nothing"
    assert count_unparsed(pl.Series([[vote]]))["stricter"].to_list() == [1]


def test_judges_read_what_the_reward_model_would(ledger: Ledger) -> None:
    rows = candidates(
        {"response": "unverified"},
        {"response": "132", "verifier": "arithmetic", "instruction": "What is 47 + 85?"},
        {"response": None, "parse_fault": "response: empty"},
        {"response": "refused", "refusal": "pair_judge: 1"},
    )
    with serve(rate_by_length) as server:
        spec = RewardSpec(model=None, judges=(spec_judge(server),))
        voter = Panel(open_panel(*spec.judges), ledger).vote
        assert [len(votes) for votes in score_candidates(rows, spec, never_opened, voter)["votes"]] == [1, 0, 0, 0]
        wide = spec.model_copy(update={"scope": "all"})
        assert [len(votes) for votes in score_candidates(rows, wide, never_opened, voter)["votes"]] == [1, 1, 0, 0]
        assert len(server.asked) == 2
    with pytest.raises(FactoryError, match="names judges"):
        score_candidates(rows, spec, never_opened)


def test_the_same_words_are_asked_once_and_equal_judges_are_asked_anew(ledger: Ledger) -> None:
    with serve(rate_by_length) as server:
        rows = candidates({"leaf": "a"}, {"leaf": "b"}).to_dicts()
        same = spec_judge(server)
        votes = Panel(open_panel(same, same, spec_judge(server, "other")), ledger).vote(rows)
        assert len(server.asked) == 3
        assert len({asked.body["seed"] for asked in server.asked}) == 3
    (one, other) = ([{**vote, "usage": None} for vote in each] for each in votes)
    assert one == other
    assert [[len(vote["usage"]) for vote in each] for each in votes] == [[1, 1, 1], [0, 0, 0]], "what was asked once is paid once"


def test_least_score_is_the_lines_or_the_rubrics(ledger: Ledger) -> None:
    with serve(lambda body: "[Score]2[/Score]") as server:
        panel = Panel(open_panel(spec_judge(server), spec_judge(server, min_score=3)), ledger)
        ((mild, strict),) = panel.vote(candidates({}).to_dicts())
    assert (mild["good"], strict["good"]) == (True, False)


def test_one_servers_failure_costs_no_answer_of_another(ledger: Ledger) -> None:
    with serve(rate_by_length) as sound, serve(rate_by_length, lambda asked: "500") as broken:
        panel = Panel(open_panel(spec_judge(broken, "broken"), spec_judge(sound, "sound")), ledger)
        with pytest.raises(ParkedError, match=broken.base_url):
            panel.vote(candidates(*ROWS).to_dicts())
        assert sum(sound.answered.values()) == 3
        broken.schedule = lambda asked: None
        votes = Panel(open_panel(spec_judge(broken, "broken"), spec_judge(sound, "sound")), ledger).vote(candidates(*ROWS).to_dicts())
        assert sum(sound.answered.values()) == 3, "nothing is asked twice"
    assert all(vote["good"] is not None for each in votes for vote in each)


def test_judges_are_within_the_budget(ledger: Ledger) -> None:
    spending = Spending(BudgetSpec(tokens=40))
    with serve(rate_by_length) as server:
        panel = Panel(open_panel(spec_judge(server)), ledger, spending)
        with pytest.raises(BudgetSpentError, match=r"leaf leaf: .* of 40 judgements made"):
            panel.vote(candidates(*({"response": f"number {n}"} for n in range(40))).to_dicts())
        assert len(server.asked) < 12
    assert spending.requests == len(server.asked) and spending.models.keys() == {"judge@served"}


def test_a_model_in_this_process_judges_too_and_a_prompt_that_is_too_long_is_told(ledger: Ledger) -> None:
    from factory.generation.teachers import open_teacher

    spec = JudgeSpec(model="pico-teacher", sampling={"temperature": 0, "max_new_tokens": 8})
    judge = make_judge(spec, open_teacher(spec), load_rubric("pair"))
    ((vote,), (long,)) = Panel([judge], ledger).vote(candidates({}, {"response": "long " * 2000}).to_dicts())
    assert vote["score"] is None and "first" in vote["note"], "the pico teacher is no judge"
    assert "do not fit the judge's context" in long["note"]


def prefer_longer(body: dict[str, Any]) -> str:
    first, second = (len(text) for text in asked_answers(body))
    return f"[[{'A' if first > second else 'B' if second > first else 'C'}]]"


PAIR = [{"response": "short"}, {"response": "much longer"}]


@pytest.mark.parametrize(
    ("answer", "expected", "verdict"),
    [
        (prefer_longer, Preference("b", "b", None), "b"),
        (lambda body: "[[A]]", Preference("a", "b", None), "tie"),
        (lambda body: "[[B]]", Preference("b", "a", None), "tie"),
        (lambda body: "[[C]]", Preference("tie", "tie", None), "tie"),
    ],
)
def test_a_response_wins_only_where_both_orders_say_so(ledger: Ledger, answer: Any, expected: Preference, verdict: str) -> None:
    with serve(answer) as server:
        a, b = candidates(*PAIR).to_dicts()
        (said,) = compare(open_pair_judge(server), [(a, b)], ledger)
        assert [asked_answers(asked.body) for asked in sorted(server.asked, key=lambda asked: asked_answers(asked.body)[0])] == [
            ["much longer", "short"],
            ["short", "much longer"],
        ]
    assert (said, said.verdict) == (expected, verdict)


def test_a_comparison_of_which_one_order_does_not_parse_has_no_verdict(ledger: Ledger) -> None:
    with serve(lambda body: "[[A]]" if asked_answers(body)[0] == "short" else "Hm.") as server:
        a, b = candidates(*PAIR).to_dicts()
        (said,) = compare(open_pair_judge(server), [(a, b)], ledger)
    assert (said.forward, said.backward, said.verdict) == ("a", None, None)
    assert said.note is not None and "expected one of A, B, C" in said.note


def test_pairs_by_comparison_are_asked_only_where_nothing_before_it_tells(ledger: Ledger) -> None:
    unit = {"instruction_id": "i", "seed": 1, "depth": 1, "verifier": None, "verified": None}
    rows = scored(
        unit | {"response": "the longest of them", "reward": 1.0},
        unit | {"response": "short", "reward": 0.9},
        unit | {"response": "far behind", "reward": -3.0},
    )
    verdicts = decide_verdicts(rows.with_columns(reward_model=pl.lit("m@1")), seeds(), RewardSpec())
    spec = PairsSpec(by=("goodness", "comparison"), judge=ComparingJudgeSpec(), per_instruction=3)
    with serve(prefer_longer) as server:
        judge = open_pair_judge(server)
        pairs = make_pairs(verdicts, spec, lambda asked: compare(judge, asked, ledger))
        assert len(server.asked) == 2
    assert pairs.select(pl.col("rejected").list.first().struct.field("content"), "by").rows() == [
        ("far behind", "goodness"),
        ("short", "comparison"),
    ]
    with serve(lambda body: "[[A]]") as server:
        judge = open_pair_judge(server, revision="partial")
        assert make_pairs(verdicts, spec, lambda asked: compare(judge, asked, ledger)).height == 1, "a tie makes no pair"
    with pytest.raises(FactoryError, match="by comparison"):
        make_pairs(verdicts, spec)
