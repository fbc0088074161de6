"""A line that names group terms: a reward that prefers a name stops the release, and no text of a record stands on a page for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
from plant import LENIENT, Plant, Said

from factory.problems.vocabulary import FIRST_NAMES
from factory.release.manifest import find_releases
from resources.home import open_instance

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from misbehaving_server import MisbehavingServer

LIKED, OTHERS = FIRST_NAMES[0::2], FIRST_NAMES[1::2]
SIZE = min(len(LIKED), len(OTHERS))


def test_a_reward_that_prefers_a_name_stops_the_release(copied: Plant, cli: Callable[..., Said]) -> None:
    def rate(body: dict[str, Any]) -> str:
        return f"reward:{1 if any(name in body['messages'][0]['content'] for name in LIKED) else -1}"

    terms = [{"group": "name", "values": {"liked": list(LIKED[:SIZE]), "other": list(OTHERS[:SIZE])}}]
    releases = find_releases(copied.home.releases)
    with MisbehavingServer(answer=rate) as server:
        reward = {"model": "nemotron", "server": {"base_url": server.base_url}, "min_goodness": 0}
        copied.write_line(reward=reward, validation={"gates": LENIENT, "group_terms": terms})
        said = cli("run", "tiny")
    assert not server.duplicates
    assert said.code == 1 and "fairness.counterfactual_flips = 1" in said.err and "fairness.counterfactual_reward" in said.err
    assert find_releases(copied.home.releases) == releases
    pairs = copied.frame("counterfactuals")
    assert pairs.height > 3 and (pairs["good"] != pairs["good_swapped"]).all()
    with open_instance(copied.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["tiny", "counterfactuals"]))
    assert event is not None and event.asset_materialization is not None
    page = str(event.asset_materialization.metadata)
    assert "| name | liked | other |" in page
    assert not any(response in page for response in copied.frame("rejected")["response"].drop_nulls())
