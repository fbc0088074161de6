"""Win rates in the graph, by a judge behind a server: on the evaluation's page and in MLflow, asked once; and why a line has none."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from mlflow import MlflowClient
from plant import LINE, THANKS, Plant, Whole

from assets.definitions import build_definitions, build_resources
from assets.judge_cost import foresee_matches
from assets.shelf import open_store
from assets.story import tell_run
from factory.generation.ledger import Ledger
from factory.training.win_rate import MATCH
from resources.home import open_instance
from resources.models import Models

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer, in_order


def evaluate(plant: Plant) -> None:
    """Makes `evaluation` alone."""
    job = build_definitions([plant.line], build_resources(plant.home)).resolve_job_def("tiny")
    with open_instance(plant.home) as instance:
        assert job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(["tiny", "evaluation"])]).success


def page(plant: Plant) -> dict[str, Any]:
    with open_instance(plant.home) as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(["tiny", "evaluation"]), limit=1).records
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def prefer_shorter(body: dict[str, Any]) -> str:
    first, second = re.findall(r"\[Answer[^\]]*\](.*?)\[/Answer", body["messages"][-1]["content"], re.DOTALL)
    return f"[[{'A' if len(first) < len(second) else 'B' if len(second) < len(first) else 'C'}]]"


def test_the_tuned_student_meets_the_base_where_no_verifier_decides(copied: Plant, whole: Whole, cli: Any) -> None:
    unverified = copied.frame("seed_examples").filter(split="holdout", leaf=THANKS)
    with MisbehavingServer(in_order("filter"), answer=prefer_shorter) as server:
        judge = {"model": "critic", "server": {"base_url": server.base_url, "in_flight": 4, "tries": 2, "park_seconds": 0.2}}
        judge |= {"price": {"prompt": 1.0, "completion": 2.0}}
        copied.write_line(training=LINE["training"] | {"evaluation": {"problems_per_leaf": 2, "judge": judge}})
        foreseen = cli("estimate", "tiny", "--units", "1")
        assert not server.asked
        evaluate(copied)
        first, asked = copied.shelf().part("evaluation", "matches"), len(server.asked)
        with Ledger(copied.home.ledger("tiny")) as ledger:
            assert ledger.forget_failed() == 1
        evaluate(copied)
        assert len(server.asked) == asked + 1, "what was given up is asked again, and nothing else"
        matches, shown = copied.shelf().part("evaluation", "matches"), page(copied)
    assert first is not None and first.filter(outcome="unparsed").height == 1
    assert matches is not None and matches.height == unverified.height > 0 and set(matches["leaf"]) == {THANKS}
    unlike = matches.filter(pl.col("outcome") != "same")
    assert asked == 2 * unlike.height
    assert f"compares a new student's answers to {matches.height} held-out examples with those of the base" in foreseen.out
    assert f"up to {2 * matches.height} requests" in foreseen.out, "as if no two answers were alike"
    by_length = (unlike["response"].str.len_chars() < unlike["rival_response"].str.len_chars()).sum()
    assert unlike.filter(outcome="win").height == by_length
    rate = shown["win_rate_tuned_base"]
    assert shown["win_rate_tuned_base_low"] <= rate <= shown["win_rate_tuned_base_high"]
    assert (shown["unparsed_tuned_base"], shown["judged_tuned_base"]) == (0.0, matches.height)
    assert THANKS in shown["win_rates"] and "instruction | response | rival_response | outcome" in shown["compared"]
    told = "\n".join(tell_run(copied.home, copied.line, whole.ended.survey, whole.ended.spending, whole=True))
    assert f"against base {rate:.1%} [" in told and f"] of {matches.height} pairs" in told
    client = MlflowClient(f"sqlite:///{copied.home.mlflow / 'mlflow.db'}")
    logged = client.get_run(copied.shelf().facts("evaluation")["mlflow_run"]).data.metrics
    assert logged["win_rate_tuned_base"] == rate and logged[f"{THANKS}/win_rate_tuned_base"] == rate


def test_a_champion_is_foreseen_as_a_second_rival(copied: Plant) -> None:
    judge = {"model": "critic", "server": {"base_url": "http://127.0.0.1:9/v1"}}
    copied.write_line(training=LINE["training"] | {"evaluation": {"problems_per_leaf": 2, "judge": judge}})
    seeds, key = copied.frame("seed_examples"), dg.AssetKey(["tiny", "champion"])
    store = open_store(copied.home)
    history, stamp = store.read(key, None), store.stamp(key, None)
    assert history is not None and stamp is not None
    for promoted, rivals in ((False, 1), (True, 2)):
        store.write(key, None, history.with_columns(promoted=promoted), stamp)
        foreseen = foresee_matches(copied.home, copied.line, Models(), seeds)
        assert foreseen is not None and foreseen.rivals == rivals
        assert foreseen.requests == 2 * rivals * foreseen.problems > 0


def test_win_rates_of_an_earlier_evaluation_are_not_told(copied: Plant, whole: Whole) -> None:
    store, key = open_store(copied.home), dg.AssetKey(["tiny", "evaluation"])
    stamp, answers = store.stamp(key, None), store.read(key, None)
    assert stamp is not None and answers is not None and stamp.facts["judged"] is False
    known = dict.fromkeys(MATCH) | {"problem_id": "p", "leaf": THANKS, "rival": "base", "outcome": "win", "flipped": False}
    store.write(key, "matches", pl.DataFrame([known], schema=MATCH), stamp)
    copied.write_line(training=LINE["training"] | {"evaluation": {"problems_per_leaf": 2, "judge": {"model": "pico-teacher"}}})

    def tell() -> str:
        return "\n".join(tell_run(copied.home, copied.line, whole.ended.survey, whole.ended.spending, whole=True))

    assert "accuracy" in tell() and "win rate" not in tell()
    store.write(key, None, answers, replace(stamp, facts=stamp.facts | {"judged": True}))
    assert "against base 100.0%" in tell()


def test_without_a_judge_the_page_says_why_there_is_no_win_rate(made: Plant) -> None:
    assert "names no training.evaluation.judge" in page(made)["win_rates"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"judge": {"rubric": "mt_bench"}}, "rubric 'mt_bench' is of one response, for reward.judges or training.evaluation.grader"),
        (
            {"grader": {"rubric": "preference"}},
            "rubric 'preference' is of two responses, for reward.pairs.judge or training.evaluation.judge",
        ),
        ({"judge": {"rubric": "prefernce"}}, "no bundled rubric 'prefernce'; did you mean 'preference'?"),
        ({"judge": {"model": "nowhere"}}, "no model folder"),
    ],
)
def test_a_judge_that_cannot_judge_is_told_before_anything_is_made(fresh: Plant, cli: Any, section: dict[str, Any], told: str) -> None:
    fresh.write_line(training={"evaluation": section})
    said = cli("run", "tiny")
    assert said.code == 2 and told in said.err, said.err
