"""Reward models behind a server: the three shapes of an answer, what is refused of them, and that nothing is asked twice."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_rows import candidates

from factory.faults import FactoryError
from factory.generation.chat import Message, ParkedError
from factory.generation.cost import count_cost
from factory.generation.ledger import Ledger
from factory.generation.spending import BudgetSpentError, Spending
from factory.line import BudgetSpec
from factory.model_spec import Price, ServerSpec
from factory.records import SEED, empty
from factory.reward.models import name_reward_model, open_reward_model
from factory.reward.nemotron import parse_rating
from factory.reward.rating import Dialogue, Rating, RewardModel
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts, explain_refusal
from factory.reward_spec import ATTRIBUTES, RewardSpec

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer, in_order, spread

SCORES = dict(zip(ATTRIBUTES, (1.6171875, 1.6484375, 3.3125, 0.546875, 0.515625), strict=True))
TEXT = ",".join(f"{name}:{score}" for name, score in SCORES.items())
KEY = "canary-key-7a3e55"


def log(scores: Mapping[str, Any]) -> dict[str, Any]:
    """A choice whose log-probabilities are scores, as the hosted Nemotron-4-340B-Reward gives them: it ends by "length", with no text."""
    content = [{"token": name, "logprob": score, "bytes": None, "top_logprobs": []} for name, score in scores.items()]
    return {"finish_reason": "length", "message": {"role": "assistant", "content": ""}, "logprobs": {"content": content}}


def ask(response: str = "Berlin.", user: str = "What is the capital of Germany?") -> Dialogue:
    return (Message("user", user), Message("assistant", response))


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def open_model(server: MisbehavingServer, ledger: Path, revision: str | None = None, **settings: Any) -> RewardModel:
    served = ServerSpec(base_url=server.base_url, **{"deadline_seconds": 0.5, "park_seconds": 0.2, "in_flight": 4} | settings)
    return open_reward_model(RewardSpec(model="nemotron", revision=revision, server=served, min_goodness=0), ledger)


def rate_one(answer: str | dict[str, Any], ledger: Path) -> Rating | None:
    with MisbehavingServer(answer=lambda body: answer) as server:
        (rating,) = open_model(server, ledger).rate([ask()])
    return rating


def refuse(answer: str | dict[str, Any], ledger: Path) -> str:
    with pytest.raises(FactoryError) as caught:
        rate_one(answer, ledger)
    return str(caught.value)


@pytest.mark.parametrize("answer", [log(SCORES), TEXT, {"message": [{"role": "assistant", "content": TEXT}]}, TEXT.replace(",", ", ")])
def test_five_attributes_are_read_from_log_probabilities_and_from_text(answer: str | dict[str, Any], ledger: Path) -> None:
    assert rate_one(answer, ledger) == Rating(attributes=SCORES)


@pytest.mark.parametrize("answer", ["reward:-25.6", " reward: -25.6\n", {"message": [{"content": "reward:-25.6"}]}, log({"reward": -25.6})])
def test_one_reward_is_read(answer: str | dict[str, Any], ledger: Path) -> None:
    assert rate_one(answer, ledger) == Rating(reward=-25.6)


def test_log_probabilities_come_before_the_text(ledger: Path) -> None:
    turned = {"message": {"content": "reward:1"}} | {"logprobs": log(SCORES)["logprobs"]}
    assert rate_one(turned, ledger) == Rating(attributes=SCORES)


def test_log_probabilities_of_words_leave_it_to_the_text(ledger: Path) -> None:
    words = {"message": {"content": TEXT}, "logprobs": log({"help": -0.1, "fulness": -0.3})["logprobs"]}
    assert rate_one(words, ledger) == Rating(attributes=SCORES)


@pytest.mark.parametrize(
    "answer",
    [
        "The capital of Germany is Berlin, of course: where else?",
        {"message": {"content": "Berlin."}, "logprobs": log({"Ber": -0.01, "lin": -0.2})["logprobs"]},
        {"message": {"content": None}},
        {"message": {"content": None, "refusal": "I cannot rate that."}},
    ],
)
def test_an_ordinary_answer_is_refused(answer: str | dict[str, Any], ledger: Path) -> None:
    said = refuse(answer, ledger)
    assert "model nemotron: not a reward model: it" in said and "Mend reward;" in said


FAULTY = {
    "missing": (
        {name: SCORES[name] for name in ATTRIBUTES if name not in {"helpfulness", "verbosity"}},
        "helpfulness is missing; verbosity is missing",
    ),
    "extra": (SCORES | {"politeness": 1.0}, "'politeness' is no attribute"),
    "reward beside attributes": (SCORES | {"reward": 1.0}, "'reward' is no attribute"),
    "text": (SCORES | {"coherence": "abc"}, "coherence is 'abc', no finite number"),
    "nothing": (SCORES | {"coherence": ""}, "coherence is '', no finite number"),
    "not a number": (SCORES | {"coherence": float("nan")}, "coherence is 'nan', no finite number"),
    "infinite": (SCORES | {"coherence": float("-inf")}, "coherence is '-inf', no finite number"),
    "of another script": (SCORES | {"coherence": "٣"}, "coherence is '٣', no finite number"),
    "underscored": (SCORES | {"coherence": "1_0"}, "coherence is '1_0', no finite number"),
    "true": (SCORES | {"coherence": True}, "coherence is 'True', no finite number"),
    "one reward that is no number": ({"reward": "high"}, "reward is 'high', no finite number"),
    "all at once": (
        {"correctness": 1, "coherence": "abc", "complexity": 1, "verbosity": 1, "politeness": 2},
        "coherence is 'abc', no finite number; 'politeness' is no attribute; helpfulness is missing",
    ),
}


@pytest.mark.parametrize("shape", ["log-probabilities", "text"])
@pytest.mark.parametrize("fault", FAULTY)
def test_attributes_that_are_wrong_missing_or_too_many_are_refused_by_name(fault: str, shape: str, ledger: Path) -> None:
    scores, told = FAULTY[fault]
    text = ",".join(f"{name}:{score}" for name, score in scores.items())
    said = refuse(log(scores) if shape == "log-probabilities" else text, ledger)
    assert f"no whole rating: {told}." in said


def test_an_attribute_that_is_given_twice_is_refused(ledger: Path) -> None:
    assert "helpfulness is given twice" in refuse(f"{TEXT},helpfulness:2", ledger)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=5, max_size=5), st.permutations(ATTRIBUTES))
def test_any_finite_values_in_any_order_are_read_as_they_are(values: list[float], order: list[str]) -> None:
    scores = dict(zip(order, values, strict=True))
    rating = parse_rating(",".join(f"{name}:{value!r}" for name, value in scores.items()))
    assert rating.attributes is not None and tuple(rating.attributes) == ATTRIBUTES and rating.attributes == scores


@given(st.text())
def test_any_text_is_a_rating_or_refused(text: str) -> None:
    try:
        rating = parse_rating(text)
    except FactoryError:
        return
    assert rating.reward is not None and "reward" in text.lower()


def test_what_is_sent_is_the_model_and_the_dialogue_alone(ledger: Path) -> None:
    with MisbehavingServer(answer=lambda body: TEXT) as server:
        open_model(server, ledger).rate([ask("Berlin.")])
    (asked,) = server.asked
    told = [{"role": "user", "content": "What is the capital of Germany?"}, {"role": "assistant", "content": "Berlin."}]
    assert asked.body == {"model": "nemotron", "messages": told}


def reward_by_digits(body: dict[str, Any]) -> str:
    return "reward:" + re.sub(r"\D", "", body["messages"][-1]["content"])


def test_nothing_is_asked_twice_in_a_run_or_after_it(ledger: Path) -> None:
    dialogues = [ask(f"It is {number % 7}.") for number in range(20)]
    expected = [Rating(reward=float(number % 7)) for number in range(20)]
    with MisbehavingServer(answer=reward_by_digits) as server:
        model = open_model(server, ledger)
        assert model.rate(dialogues) == expected
        assert len(server.asked) == 7
        assert model.rate(dialogues) == open_model(server, ledger).rate(dialogues) == expected
        assert len(server.asked) == 7
        assert open_model(server, ledger, revision="v2").rate(dialogues) == expected, "another revision is another model"
        assert len(server.asked) == 14


def test_a_server_that_misbehaves_costs_no_rating(ledger: Path) -> None:
    dialogues = [ask(f"It is {number}.") for number in range(60)]
    faults = ("429", "503", "reset", "truncated", "wrong schema", "empty choices")
    with MisbehavingServer(spread(0.03, faults), answer=reward_by_digits) as server:
        ratings = open_model(server, ledger, tries=20).rate(dialogues)
    assert ratings == [Rating(reward=float(number)) for number in range(60)]
    assert not server.duplicates and sum(server.met[fault] for fault in faults) > 3


def test_a_dialogue_that_is_too_long_has_no_rating_and_is_asked_again(ledger: Path) -> None:
    with MisbehavingServer(in_order("context"), answer=reward_by_digits) as server:
        model = open_model(server, ledger)
        assert model.rate([ask("It is 1.")]) == [None]
        assert model.rate([ask("It is 1.")]) == [Rating(reward=1.0)]


def test_what_certainly_does_not_fit_is_never_sent(ledger: Path, reward_folder: Path) -> None:
    with MisbehavingServer(answer=lambda body: "reward:1") as server:
        model = open_model(server, ledger, context_tokens=64, tokenizer=str(reward_folder))
        assert model.rate([ask("1" * 100), ask("2")]) == [None, Rating(reward=1.0)]
        assert len(server.asked) == 1


def test_a_dialogue_that_is_given_up_costs_no_other_its_rating(ledger: Path) -> None:
    dialogues = [ask(f"It is {number}.") for number in range(8)]
    with MisbehavingServer(lambda asked: "500" if "It is 5." in str(asked.body) else None, answer=reward_by_digits) as server:
        ratings = open_model(server, ledger, tries=2, in_flight=1).rate(dialogues)
        given_up = ratings.pop(5)
        assert given_up is not None and given_up.reward is None and "500" in str(given_up.note)
        assert ratings == [Rating(reward=float(number)) for number in range(8) if number != 5]
        before = len(server.asked)
        assert open_model(server, ledger).rate(dialogues)[5] == given_up and len(server.asked) == before, "it is not asked again unbidden"
        server.schedule = lambda asked: None
        with Ledger(ledger) as answers:
            assert answers.forget_failed() == 1
        assert open_model(server, ledger).rate(dialogues) == [Rating(reward=float(number)) for number in range(8)]
        assert len(server.answered) == 8 and not server.duplicates, "what was rated is kept"


def test_a_server_that_answers_nobody_is_parked(ledger: Path) -> None:
    with MisbehavingServer(lambda asked: "503") as server, pytest.raises(ParkedError, match=server.base_url):
        open_model(server, ledger, tries=2).rate([ask()])


def test_one_bad_answer_is_that_records_own(ledger: Path) -> None:
    def answer(body: dict[str, Any]) -> str:
        return "reward:nan" if "It is 3." in str(body) else reward_by_digits(body)

    dialogues = [ask(f"It is {number}.") for number in range(6)]
    with MisbehavingServer(answer=answer) as server:
        spec = RewardSpec(model="nemotron", server=ServerSpec(base_url=server.base_url), min_goodness=0)
        rows = candidates(*({"response": dialogue[-1].content} for dialogue in dialogues))
        scored = score_candidates(rows, spec, lambda: open_model(server, ledger))
    verdicts = decide_verdicts(scored, empty(SEED), spec)
    assert scored["reward"].to_list() == [0.0, 1.0, 2.0, None, 4.0, 5.0]
    (refused,) = verdicts.filter(reason="unscored").to_dicts()
    assert refused["response"] == "It is 3." and "reward is 'nan', no finite number" in explain_refusal(refused)


def test_a_model_that_rates_nothing_is_asked_no_more_than_a_few_times(ledger: Path) -> None:
    with MisbehavingServer(answer=lambda body: "Berlin, of course.") as server:
        with pytest.raises(FactoryError, match="not a reward model"):
            open_model(server, ledger, in_flight=1).rate([ask(f"It is {number}.") for number in range(100)])
        assert len(server.asked) < 10
    with MisbehavingServer(answer=reward_by_digits) as server:
        assert open_model(server, ledger).rate([ask("It is 1.")]) == [Rating(reward=1.0)], "nothing of it is kept"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("REWARD_KEY", KEY)
    yield KEY


def test_the_key_is_sent_and_never_told_or_kept(key: str, ledger: Path) -> None:
    with MisbehavingServer(answer=lambda body: log(SCORES | {KEY: 1.0})) as server:
        with pytest.raises(FactoryError) as caught:
            open_model(server, ledger, key_variable="REWARD_KEY").rate([ask()])
        assert server.asked[0].headers["authorization"] == f"Bearer {key}"
    assert KEY not in str(caught.value) and "is no attribute" in str(caught.value)
    assert all(KEY.encode() not in file.read_bytes() for file in ledger.parent.iterdir())


def test_a_key_that_is_refused_points_to_the_reward_section(key: str, ledger: Path) -> None:
    with MisbehavingServer(lambda asked: "401") as server, pytest.raises(FactoryError, match=r"\$REWARD_KEY.*Mend reward\.server"):
        open_model(server, ledger, key_variable="REWARD_KEY").rate([ask()])


def test_a_missing_key_is_told_before_anything_is_asked(ledger: Path) -> None:
    with MisbehavingServer() as server, pytest.raises(FactoryError, match="the environment has no REWARD_KEY"):
        open_model(server, ledger, key_variable="REWARD_KEY")
    assert not server.asked


def test_its_name_says_nothing_of_its_server(ledger: Path) -> None:
    server = ServerSpec(base_url="http://inside.example:8000/v1")
    for revision, name in ((None, "nemotron@served"), ("v1", "nemotron@v1")):
        spec = RewardSpec(model="nemotron", revision=revision, server=server, min_goodness=0)
        assert open_reward_model(spec, ledger).identity == name_reward_model(spec) == name


def test_what_is_newly_rated_is_paid_from_the_budget_and_ends_with_it(ledger: Path) -> None:
    rows = candidates(*({"response": f"Reply {n}."} for n in range(8)))
    with MisbehavingServer(answer=lambda body: "reward:1") as server:
        spec = RewardSpec(
            model="nemotron", server=ServerSpec(base_url=server.base_url, in_flight=1), price=Price(prompt=1e6), min_goodness=0
        )
        spending = Spending(BudgetSpec(money=40.0))
        with pytest.raises(BudgetSpentError, match=r"2 requests, 58 tokens, 40 money.*leaf .*: 2 of 8 dialogues rated"):
            score_candidates(rows, spec, lambda: open_reward_model(spec, ledger, spending))
        assert len(server.asked) == 2
        spending = Spending(BudgetSpec(money=1000.0))
        assert score_candidates(rows, spec, lambda: open_reward_model(spec, ledger, spending))["reward"].to_list() == [1.0] * 8
        assert spending.requests == 6 and not server.duplicates
        twice = score_candidates(pl.concat([rows, rows]), spec, lambda: open_reward_model(spec, ledger))
    assert count_cost(twice, ("step", "model")).rows() == [("reward model", "nemotron@served", 8, 8 * 20, 8 * 9, 160.0)]
