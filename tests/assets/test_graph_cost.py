"""Quotas, budgets, costs and estimates in the graph and at the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import pytest
from plant import ADDITION, LEAVES, LINE, SORT, THANKS, Plant, Said

from assets.run import RunFailedError
from factory.generation.local_teacher import LocalTeacher
from resources.home import open_instance

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer

Call = Callable[..., Said]
LOCAL = {"model": "pico-teacher", "batch_size": 10}
TOKENS = 29
"""Of each request, as the server counts."""


def serve(plant: Plant, server: MisbehavingServer, sections: Mapping[str, Any] = MappingProxyType({}), **more: Any) -> None:
    served = {"base_url": server.base_url, "in_flight": 4, "tries": 2, "deadline_seconds": 1, "park_seconds": 60, "patience_seconds": 5}
    teacher = {"model": "granite", "server": served, "price": {"prompt": 1.0, "completion": 2.0}}
    plant.write_line(generation={"teacher": teacher, "candidates_per_leaf": 6, **more}, **sections)


def page(plant: Plant, leaf: str) -> dict[str, Any]:
    """What the page of a leaf's candidates shows."""
    with open_instance(plant.home) as instance:
        records = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey(["tiny", "candidates"]), [leaf]), limit=1).records
    shown = records[0].asset_materialization
    assert shown is not None
    return {name: value.value for name, value in shown.metadata.items()}


def test_a_leaf_is_topped_up_to_its_quota_of_accepted_records(fresh: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.write_line(generation={"teacher": LOCAL, "candidates_per_leaf": 10, "accepted_per_leaf": 18, "yield_after": 40})
    fresh.run(SORT)
    candidates, accepted = fresh.frame("candidates"), fresh.frame("accepted")
    assert candidates.height == 80, "two rounds of whole windows"
    assert accepted.height >= 18
    shown = page(fresh, SORT)
    assert "instruction" in shown["cost_by_step"] and shown["requests"] == candidates["usage"].list.len().sum()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the teacher was asked")

    monkeypatch.setattr(LocalTeacher, "complete", refuse)
    stored = fresh.stored("candidates")
    fresh.run(SORT)
    assert fresh.stored("candidates") == stored
    fresh.run(SORT, refresh=True)
    assert fresh.frame("candidates").equals(candidates), "rounds are the same again, from the ledger"


def test_a_leaf_where_nothing_gets_through_stops_early_and_says_why(fresh: Plant, cli: Call) -> None:
    with MisbehavingServer() as server:
        serve(fresh, server, candidates_per_leaf=60, yield_after=12)
        said = cli("run", "tiny", "--leaf", SORT)
        assert len(server.asked) == 24
    assert said.code == 0
    told = " ".join(said.out.split())
    assert "1 leaf was stopped early" in told and f"{SORT}: stopped at 12 candidates" in told
    assert "the verifier or the reward model refused 12 of 12 (100%), most often by undecidable" in told
    assert told.count("undecidable: reply ") == 2 * 3, "three samples, while it runs and at its end"
    assert "cost 24 requests, 696 tokens, 0.000912 money" in told
    assert fresh.frame("candidates").height == 12
    assert "nothing of the first 12" in page(fresh, SORT)["stopped"]


def test_a_budget_ends_a_run_by_name_and_a_greater_one_goes_on(fresh: Plant, cli: Call) -> None:
    with MisbehavingServer() as server:
        serve(fresh, server, budget={"tokens": 16 * TOKENS})
        said = cli("run", "tiny", "--leaf", ADDITION, "--leaf", THANKS, "--leaf", SORT)
        asked = len(server.asked)
        assert said.code == 1 and 16 <= asked < 16 + 4
        made, *parked = sorted((ADDITION, THANKS, SORT))
        assert f"The run's budget is spent: {asked} requests, {asked * TOKENS} tokens" in said.err
        assert "of a budget of 464 tokens. 2 leaves are parked" in said.err
        assert all(f"leaf {leaf}: " in said.err and f"leaf {made}: " not in said.err for leaf in parked)
        assert "6 candidates written" in said.err and "The other 1 leaf is made and stored" in said.err
        assert list(fresh.stored("candidates")) == [made]

        stored = fresh.stored("candidates")[made]
        serve(fresh, server, budget={"tokens": 1000 * TOKENS})
        said = cli("run", "tiny", "--leaf", ADDITION, "--leaf", THANKS, "--leaf", SORT)
        assert said.code == 0, said.err
        assert len(server.asked) == 3 * 12 and not server.duplicates
        assert f"newly asked: {36 - asked} requests" in said.out
        assert fresh.stored("candidates")[made] == stored, "a budget is no reason to make a leaf anew"


def test_leaves_that_do_not_stand_side_by_side_share_the_budget_of_their_run(fresh: Plant) -> None:
    first, _, last = LEAVES
    with MisbehavingServer() as server:
        serve(fresh, server, budget={"tokens": 12 * TOKENS})
        with pytest.raises(RunFailedError, match=f"1 leaf is parked(.|\n)*leaf {last}: 0 of 6 candidates written"):
            fresh.run(first, last)
        assert len(server.asked) == 12
        fresh.run(last)
        assert len(server.asked) == 24, "another run has a budget of its own"


def test_a_server_that_answers_nobody_parks_leaves_by_name_and_the_rest_is_kept(fresh: Plant, cli: Call) -> None:
    with MisbehavingServer(schedule=lambda asked: "500" if asked.number >= 12 else None) as server:
        serve(fresh, server)
        said = cli("run", "tiny", "--leaf", ADDITION, "--leaf", THANKS, "--leaf", SORT)
    made, *parked = sorted((ADDITION, THANKS, SORT))
    assert said.code == 1
    assert f"2 leaves are parked, as their server does not answer: {', '.join(parked)}. The other 1 leaf is made" in said.err
    assert server.base_url in said.err and "See that it runs" in said.err
    assert list(fresh.stored("candidates")) == [made]


def test_an_estimate_says_what_a_run_then_asks(fresh: Plant, cli: Call) -> None:
    with MisbehavingServer() as server:
        serve(fresh, server, budget={"tokens": 20 * TOKENS})
        said = cli("estimate", "tiny", "--units", "3")
        told = " ".join(said.out.split())
        assert said.code == 0, said.err
        assert len(server.asked) == 6
        assert "18 candidates, still to be asked" in told and "freeform: 3 units of 3 of its 3 leaves" in told
        assert "all flows 30 600 270 0.00114" in told
        assert f"kept for the run: 6 requests, {6 * TOKENS} tokens" in told
        assert "about 1.5 runs are needed" in told and "Time: 0:00:00" in told
        serve(fresh, server)
        fresh.run(*LEAVES)
        assert len(server.asked) == 36
        said = cli("estimate", "tiny")
        told = " ".join(said.out.split())
        assert len(server.asked) == 36
        assert "all flows 0 0 0" in told and "the ledger holds it: 36 requests" in told and "nothing is left to be asked" in told
    assert cli("estimate", "tinny").code == 2


def test_an_estimate_of_a_dead_server_fails_in_plain_words(fresh: Plant, cli: Call) -> None:
    with MisbehavingServer() as server:
        serve(fresh, server)
    said = cli("estimate", "tiny")
    assert said.code == 1 and said.err.startswith(f"No estimate: server {server.base_url} is left alone")


def test_a_judge_whose_tokens_cannot_be_counted_is_told_before_anybody_is_asked(
    fresh: Plant, cli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with MisbehavingServer() as server:
        judge = {"model": "critic", "server": {"base_url": server.base_url, "tokenizer": "someone/never-fetched"}}
        serve(fresh, server, {"training": LINE["training"] | {"evaluation": {"judge": judge}}})
        said = cli("estimate", "tiny", "--units", "1")
        assert said.code == 2 and "model never-fetched: its tokenizer cannot be read" in said.err, said.err
        assert not server.asked
