"""A filter that prefers a group's words is found, by a real reward server that scores by a word; one that does not passes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_world import TODAY

from factory.faults import FactoryError
from factory.group_terms_spec import GroupTerms
from factory.model_spec import ServerSpec
from factory.records import CANDIDATE, COUNTERFACTUAL, SEED, empty
from factory.reward.models import open_reward_model
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts
from factory.reward_spec import JudgeSpec, RewardSpec
from factory.validation.counterfactuals import compare_counterfactuals
from factory.validation.evidence import Evidence
from factory.validation.gates import decide_gates, failed_gates
from factory.validation.reports import measure_report
from factory.validation_spec import ValidationSpec

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer

GENDER = GroupTerms(group="gender", values={"male": ("he", "father"), "female": ("she", "mother")})
GATES = {"counterfactual_reward", "counterfactual_flips"}
Score = Callable[[str], float]


def write(number: int, word: str | None = None, **row: Any) -> dict[str, Any]:
    """A candidate whose response has a quality of its own, and names a group."""
    word = word or ("he", "she")[number % 2]
    about = {"leaf": "leaf", "kind": "compositional", "language": "en", "flow": "freeform", "depth": 1}
    said = {"instruction": f"Tell what happened to person {number}.", "response": f"Then {word} won {number * 7 % 40} points."}
    return about | {"record_id": f"r{number:03}", "groups": [], "seed": number} | said | row


def by_quality(text: str) -> float:
    """Fair: the points alone, above and below the threshold."""
    return float(re.search(r"won (\d+)", text)[1]) / 10 - 2  # type: ignore[index]


def by_word(text: str) -> float:
    return by_quality(text) + (0.8 if re.search(r"\b(he|father)\b", text, re.IGNORECASE) else 0.0)


class Line:
    """A line of one leaf behind a reward server that scores the last message."""

    def __init__(self, folder: Path, score: Score) -> None:
        self.server = MisbehavingServer(answer=lambda body: f"reward:{score(body['messages'][-1]['content'])}")
        self.ledger = folder / "ledger.sqlite"

    def spec(self, **policy: Any) -> RewardSpec:
        return RewardSpec(model="nemotron", server=ServerSpec(base_url=self.server.base_url), **{"min_goodness": 0} | policy)

    def decide(self, *rows: dict[str, Any], **policy: Any) -> pl.DataFrame:
        spec = self.spec(**policy)
        candidates = pl.DataFrame([dict.fromkeys(CANDIDATE) | row for row in rows], schema=CANDIDATE)
        scored = score_candidates(candidates, spec, lambda: open_reward_model(spec, self.ledger))
        return decide_verdicts(scored, empty(SEED), spec)

    def compare(self, decided: pl.DataFrame, *terms: GroupTerms, **policy: Any) -> pl.DataFrame:
        spec = self.spec(**policy)
        return compare_counterfactuals(decided, terms or (GENDER,), spec, lambda: open_reward_model(spec, self.ledger))


def measure(decided: pl.DataFrame, pairs: pl.DataFrame | None) -> pl.DataFrame:
    evidence = Evidence(decided.filter(verdict="accepted"), empty(SEED), verdicts=decided, counterfactuals=pairs)
    return measure_report("fairness", evidence).filter(pl.col("metric").str.starts_with("counterfactual"))


def list_failed(metrics: pl.DataFrame) -> set[str]:
    return set(failed_gates(decide_gates(metrics, ValidationSpec(), TODAY))["metric"]) & GATES


def value(metrics: pl.DataFrame, metric: str, subject: str = "line") -> float:
    return float(metrics.filter(metric=metric, subject=subject)["value"].item())


def test_a_reward_that_prefers_he_to_she_is_caught_and_its_copies_are_asked_once(tmp_path: Path) -> None:
    line = Line(tmp_path, by_word)
    with line.server:
        decided = line.decide(*(write(number) for number in range(40)))
        pairs = line.compare(decided)
        assert pairs.schema == pl.Schema(COUNTERFACTUAL) and pairs.height == 40
        assert len(line.server.asked) == 80
        assert line.compare(decided.sample(fraction=1, shuffle=True, seed=1)).equals(pairs) and len(line.server.asked) == 80
    change = (pairs["score_swapped"] - pairs["score"]).round(6)
    assert set(zip(pairs["named"], change, strict=True)) == {("male", -0.8), ("female", 0.8)}
    metrics = measure(decided, pairs)
    assert list_failed(metrics) == GATES
    assert value(metrics, "counterfactual_reward") == pytest.approx(0.8 / float(decided["goodness"].std()))  # type: ignore[arg-type]
    assert value(metrics, "counterfactual_reward", "gender: male/female") < 0, "he is preferred"
    assert value(metrics, "counterfactual_flips") == (pairs["good"] != pairs["good_swapped"]).mean() > 0.1


def test_a_reward_that_does_not_look_at_the_words_passes(tmp_path: Path) -> None:
    line = Line(tmp_path, by_quality)
    with line.server:
        decided = line.decide(*(write(number) for number in range(40)))
        metrics = measure(decided, line.compare(decided))
    assert not list_failed(metrics)
    assert value(metrics, "counterfactual_reward") == value(metrics, "counterfactual_flips") == 0.0


def test_one_group_of_two_is_enough_and_the_few_records_of_another_hide_nothing(tmp_path: Path) -> None:
    faith = GroupTerms(group="faith", values={"mosque": ("mosque",), "church": ("church",)})
    line = Line(tmp_path, lambda text: by_word(text) + 3.0 * ("mosque 1 " in text))
    with line.server:
        rows = [write(number) for number in range(40)]
        rows += [write(40 + number, f"the mosque {number} team") for number in range(3)]
        decided = line.decide(*rows)
        metrics = measure(decided, line.compare(decided, GENDER, faith))
    assert list_failed(metrics) == {"counterfactual_reward"}
    by_subject = {row["subject"]: row for row in metrics.filter(metric="counterfactual_reward").iter_rows(named=True)}
    assert abs(by_subject["faith: mosque/church"]["value"]) > abs(by_subject["gender: male/female"]["value"])
    assert by_subject["line"]["size"] == 40


def test_what_is_in_turns_and_context_changes_too_and_what_names_both_has_no_direction(tmp_path: Path) -> None:
    told: list[str] = []
    line = Line(tmp_path, lambda text: by_quality(text))
    turns = [
        {"role": "user", "content": "Is she there?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "And her father?"},
        {"role": "assistant", "content": "He won 30 points."},
    ]
    rows = [
        write(0, instruction="Is she there?", response="He won 30 points.", turns=turns),
        write(1, "he", context="Then he won 7 points, her mother says."),
    ]
    with line.server:
        pairs = line.compare(line.decide(*rows))
        told = ["\n".join(message["content"] for message in asked.body["messages"]) for asked in line.server.asked]
    assert "Is he there?\nYes.\nAnd her mother?\nShe won 30 points." in told
    assert any(each.startswith("Then she won 7 points, her father says.") for each in told)
    assert pairs["named"].to_list() == [None, None] and sorted(pairs["words"]) == [3, 3]


def test_each_reads_its_language_and_no_more_than_it_may(tmp_path: Path) -> None:
    english = GroupTerms(group="gender", language="en", values={"male": ("he",), "female": ("she",)}, records=5)
    turkish = GroupTerms(group="gender", language="tr", values={"male": ("baba",), "female": ("anne",)})
    line = Line(tmp_path, by_quality)
    with line.server:
        decided = line.decide(
            *(write(number, "he baba", language="tr") for number in range(3)),
            *(write(3 + number, language="en-GB") for number in range(9)),
        )
        pairs = line.compare(decided, english, turkish)
    assert sorted(pairs["language"]) == ["en-GB"] * 5 + ["tr"] * 3
    assert sorted(pairs["original_id"]) == [f"r{number:03}" for number in range(8)]


def test_records_that_a_model_scored_come_before_those_that_a_verifier_decides(tmp_path: Path) -> None:
    line = Line(tmp_path, by_quality)
    with line.server:
        decided = line.decide(*(write(number, verifier="number_words") for number in range(4)), *(write(4 + number) for number in range(4)))
        pairs = line.compare(decided, GENDER.model_copy(update={"records": 3}))
    assert sorted(pairs["original_id"]) == ["r004", "r005", "r006"]


def test_a_record_that_holds_a_word_of_two_counterparts_has_no_copy(tmp_path: Path) -> None:
    terms = GroupTerms(group="gender", values={"male": ("he", "him", "his"), "female": ("she", "her", "her")})
    line = Line(tmp_path, by_quality)
    with line.server:
        decided = line.decide(*(write(number, word) for number, word in enumerate(("he and his dog", "she", "she and her dog"))))
        pairs = line.compare(decided, terms)
    assert sorted(pairs["original_id"]) == ["r000", "r001"]


def test_the_best_of_a_leaf_are_told_by_the_least_that_came_through(tmp_path: Path) -> None:
    line = Line(tmp_path, lambda text: 5.0 * ("he won" in text and "she won" not in text) + by_quality(text))
    with line.server:
        policy = {"min_goodness": -100, "top_share": 0.5, "near_duplicate": 1}
        decided = line.decide(*(write(number) for number in range(20)), **policy)
        pairs = line.compare(decided, **policy)
    good = dict(zip(decided["record_id"], decided["reason"] != "not_top", strict=True))
    assert [good[record] for record in pairs["original_id"]] == pairs["good"].to_list()
    assert pairs["good"].sum() == 10 and (pairs["good"] != pairs["good_swapped"]).all()


def test_a_verifier_is_asked_about_the_copy_and_a_task_that_turns_on_its_words_is_no_bias(tmp_path: Path) -> None:
    sort = write(0, instruction="Sort these words alphabetically: king, mother.", response="king, mother", verifier="sorted_words")
    keyword = '{"arguments":{"word":"mother"},"name":"keyword"}'
    asked = write(1, instruction="Use the word mother.", response="My mother won 30 points.", constraint=keyword)
    line = Line(tmp_path, lambda text: 1.0)
    with line.server:
        decided = line.decide(sort, asked, asked | {"record_id": "r002"}, scope="all")
        pairs = line.compare(decided, scope="all").sort("original_id")
    assert pairs["good_swapped"].to_list() == [False, True, True] and decided["verified"].to_list() == [True] * 3
    assert pairs["verified_swapped"].to_list() == [False, True, True], "what is asked for changes with the instruction"
    metrics = measure(decided, pairs)
    assert value(metrics, "counterfactual_flips") == 0.0 and value(metrics, "counterfactual_verifier") == pytest.approx(1 / 3)


def test_a_copy_that_could_not_be_scored_says_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path, by_quality)
    line.server.schedule = lambda asked: "500" if "she won 0 " in str(asked.body) else None
    with line.server:
        decided = line.decide(*(write(number, "he") for number in range(12)))
        spec = line.spec()
        served = spec.model_copy(update={"server": ServerSpec(base_url=line.server.base_url, tries=2, in_flight=1)})
        pairs = compare_counterfactuals(decided, [GENDER], spec, lambda: open_reward_model(served, line.ledger))
    assert (
        pairs["score_swapped"].null_count() == 1 and pairs.filter(pl.col("score_swapped").is_null())["reason_swapped"].item() == "unscored"
    )
    flips = measure(decided, pairs).filter(metric="counterfactual_flips", subject="line")
    assert (flips["value"].item(), flips["size"].item()) == (0.0, 11)


@pytest.mark.parametrize("model", ["nemotron", None])
def test_judges_are_asked_too_and_an_answer_that_does_not_parse_says_nothing(tmp_path: Path, model: str | None) -> None:
    def vote(rows: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
        said = [None if row["response"] == "Then she won 0 points." else " he " in row["response"] for row in rows]
        return [[{"judge": "j", "rubric": "r", "score": good and 9.0, "good": good, "note": None}] for good in said]

    line = Line(tmp_path, lambda text: 1.0)
    rows = pl.DataFrame([dict.fromkeys(CANDIDATE) | write(number, "he") for number in range(12)], schema=CANDIDATE)
    with line.server:
        spec = line.spec(judges=(JudgeSpec(),)) if model else RewardSpec(model=None, judges=(JudgeSpec(),))
        decided = decide_verdicts(score_candidates(rows, spec, lambda: open_reward_model(spec, line.ledger), vote), empty(SEED), spec)
        pairs = compare_counterfactuals(decided, [GENDER], spec, lambda: open_reward_model(spec, line.ledger), vote)
    assert pairs["score"].to_list() == [1.0] * 12
    assert sorted(pairs["reason_swapped"]) == ["outvoted"] * 11 + ["unjudged"]
    flips = measure(decided, pairs).filter(metric="counterfactual_flips", subject="line")
    assert (flips["value"].item(), flips["size"].item()) == (1.0, 11)


def test_without_terms_nothing_is_lost_and_terms_that_never_occur_show_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path, by_quality)
    with line.server:
        decided = line.decide(*(write(number, "it") for number in range(4)))
        asked = len(line.server.asked)
        pairs = line.compare(decided)
        assert pairs.is_empty() and len(line.server.asked) == asked
    assert not list_failed(measure(decided, None))
    assert list_failed(measure(decided, pairs)) == GATES


def test_no_model_is_opened_where_nothing_needs_one() -> None:
    def refuse() -> Any:
        raise AssertionError("it was opened")

    spec = RewardSpec()
    rows = pl.DataFrame([dict.fromkeys(CANDIDATE) | write(0, verifier="word_count")], schema=CANDIDATE)
    decided = decide_verdicts(score_candidates(rows, spec, refuse), empty(SEED), spec)
    pairs = compare_counterfactuals(decided, [GENDER], spec, refuse)
    assert pairs.height == 1 and not list_failed(measure(decided.with_columns(verdict=pl.lit("accepted")), pairs))


def test_scores_of_two_models_are_not_compared(tmp_path: Path) -> None:
    line = Line(tmp_path, by_quality)
    with line.server:
        decided = line.decide(write(0))
        with pytest.raises(FactoryError, match="scored by the reward model nemotron@served, and their copies would be by nemotron@v2"):
            line.compare(decided, revision="v2")
