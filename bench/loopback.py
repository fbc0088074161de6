"""What faults.py and kills.py share: seeds of a bundled leaf, a flow of two requests a candidate, a loopback server, a run to be killed."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.teachers import open_teacher
from factory.line import GenerationSpec
from factory.records import DOCUMENT, empty
from factory.seeds import collect_examples, read_taxonomy

LEAF = "compositional_skills/words/sort_words"
TESTS = Path(__file__).parents[1] / "tests" / "generation"
sys.path.append(str(TESTS))

from misbehaving_server import MisbehavingServer  # noqa: E402

SEED = 7
"""The line's seed number in TESTS / killed_server_run.py."""


def read_seeds() -> pl.DataFrame:
    """Seed examples of LEAF, as the bundled line has them."""
    return collect_examples(read_taxonomy(Path("taxonomy")).leaves[LEAF], 0.2)


def specify(server: MisbehavingServer, requests: int, in_flight: int, **settings: Any) -> GenerationSpec:
    """A line's section that takes `requests` requests, where none goes wrong: the flow freeform asks two for a candidate."""
    place = {"base_url": server.base_url, "in_flight": in_flight, "park_seconds": 1.0} | settings
    return GenerationSpec.model_validate({"teacher": {"model": "loopback", "server": place}, "candidates_per_leaf": requests // 2})


def generate(spec: GenerationSpec, seeds: pl.DataFrame, ledger: Path) -> pl.DataFrame:
    """The candidates, by a teacher that knows nothing of earlier runs."""
    with Ledger(ledger) as store:
        return generate_candidates(LEAF, seeds, empty(DOCUMENT), spec, [open_teacher(spec.teacher)], store, SEED)


def run_until_killed(server: MisbehavingServer, moment: int, spec: GenerationSpec, seeds: Path, ledger: Path) -> bool:
    """Generates in a process of its own, and kills it by SIGKILL once the server was asked `moment` times in all.

    Whether it was killed; false where it ended before. Raises SystemExit with its words where it failed.
    """
    command = [sys.executable, str(TESTS / "killed_server_run.py"), str(seeds), spec.model_dump_json(), str(ledger)]
    run = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(TESTS.parents[1])}, stderr=subprocess.PIPE)
    while len(server.asked) < moment and run.poll() is None:
        time.sleep(0.001)
    run.kill()
    _, told = run.communicate()
    if run.returncode not in (0, -9):
        raise SystemExit(f"the run failed by itself: {told.decode(errors='replace')}")
    return run.returncode == -9


def claim(claims: dict[str, bool]) -> None:
    """Prints each claim that holds. Raises SystemExit with those that do not."""
    for said, holds in claims.items():
        if holds:
            print(f"- {said}")
    if broken := [said for said, holds in claims.items() if not holds]:
        raise SystemExit("\n".join(f"DOES NOT HOLD: {said}" for said in broken))
