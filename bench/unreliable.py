"""What an unreliable server and a killed run cost: 2,000 requests with every fault at 5 %, and 20 kills at random moments.

.venv/bin/python bench/unreliable.py

The server is that of the tests, on loopback. Every claim printed is counted, on the server's side where it is about requests; the script
ends with an error where one does not hold.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "generation"
sys.path.insert(0, str(TESTS))

from misbehaving_server import FAULTS, MisbehavingServer, spread  # noqa: E402

from factory.generation.generate import generate_candidates  # noqa: E402
from factory.generation.ledger import Ledger  # noqa: E402
from factory.generation.teachers import open_teacher  # noqa: E402
from factory.line import GenerationSpec  # noqa: E402
from factory.records import DOCUMENT, empty  # noqa: E402
from factory.seeds import collect_examples, read_taxonomy  # noqa: E402

LEAF = "compositional_skills/words/reverse_words"
SEED = 7
REQUESTS_OF_A_CANDIDATE = 2
ALL_FAULTS = (*FAULTS, "context", "duplicate")
RATE = 0.05


def specify(server: MisbehavingServer, candidates: int, in_flight: int, **settings: object) -> GenerationSpec:
    """A line's generation section for the server."""
    served = {"base_url": server.base_url, "in_flight": in_flight, "deadline_seconds": 1.0, "park_seconds": 1.0} | settings
    return GenerationSpec.model_validate({"teacher": {"model": "mock", "server": served}, "candidates_per_leaf": candidates})


def generate(spec: GenerationSpec, seeds: pl.DataFrame, ledger: Path) -> pl.DataFrame:
    """The leaf's candidates."""
    with Ledger(ledger) as store:
        return generate_candidates(LEAF, seeds, empty(DOCUMENT), spec, [open_teacher(spec.teacher)], store, SEED)


def check(holds: bool, claim: str) -> None:
    """Prints a claim that was counted, or ends with it."""
    if not holds:
        sys.exit(f"does not hold: {claim}")
    print(f"- {claim}")


def meet_faults(seeds: pl.DataFrame, candidates: int, work: Path) -> None:
    """Every fault at RATE of the requests; then the same again, which must ask nothing."""
    print(f"\n### {candidates * REQUESTS_OF_A_CANDIDATE:,} requests, each of {len(ALL_FAULTS)} faults at {RATE:.0%} of them\n")
    with MisbehavingServer(spread(RATE, ALL_FAULTS), latency=0.02) as server:
        spec, began = specify(server, candidates, 64, tries=5), time.perf_counter()
        frame = generate(spec, seeds, work / "faults.sqlite")
        seconds, asked, met = time.perf_counter() - began, len(server.asked), dict(server.met)
        print("| fault | met |\n|---|---|")
        for fault in ALL_FAULTS:
            print(f"| {fault} | {met.get(fault, 0)} |")
        lost = frame.filter(pl.col("parse_fault").is_not_null())
        reasons = lost.select(pl.col("parse_fault").str.extract(r"^\w+: (no answer|prompt of|[\w ]+)")).to_series().value_counts(sort=True)
        print(f"\n{asked:,} requests in {seconds:.0f} s; {frame.height - lost.height} records made, accounted for: {reasons.rows()}\n")
        check(frame.height == frame["record_id"].n_unique() == candidates, f"{candidates:,} records planned, each once in the frame")
        check(lost["parse_fault"].str.contains(": (no answer: |prompt of )").all(), "each that was not made carries its reason")
        check(not server.duplicates, "no right answer was paid for twice")
        server.asked.clear()
        again = generate(spec, seeds, work / "faults.sqlite")
        check(again.equals(frame) and not server.asked, "a second run gives the same rows and asks nothing")


def survive_kills(seeds: pl.DataFrame, candidates: int, kills: int, work: Path) -> None:
    """SIGKILL at random moments, each run going on with the ledger of the one before."""
    in_flight, draw = 16, random.Random(SEED)
    print(f"\n### {candidates * REQUESTS_OF_A_CANDIDATE:,} requests, {kills} kills at random moments, {in_flight} in flight\n")
    seeds.write_parquet(work / "seeds.parquet")
    with MisbehavingServer(latency=0.02) as server:
        # A deadline that a loaded machine passes by itself would make the least more than it is.
        spec = specify(server, candidates, in_flight, deadline_seconds=5.0)
        whole = generate(spec, seeds, work / "whole.sqlite")
        least, planned = len(server.asked), {each.key for each in server.asked}
        check(least == candidates * REQUESTS_OF_A_CANDIDATE, f"the run without kills asked {least:,} times, once for each request")
        server.asked.clear()
        command = [str(TESTS / "killed_server_run.py"), str(work / "seeds.parquet"), spec.model_dump_json(), str(work / "killed.sqlite")]
        moments = sorted(draw.sample(range(1, least), kills))
        for moment in moments:
            run = subprocess.Popen([sys.executable, *command], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
            while len(server.asked) < moment and run.poll() is None:
                time.sleep(0.001)
            run.kill()
            if run.wait() != -9:
                sys.exit(f"the run at request {moment} ended before it was killed")
        resumed = generate(spec, seeds, work / "killed.sqlite")
        asked = len(server.asked)
        print(f"killed at requests {moments}; {asked:,} requests where {least:,} is the least\n")
        check(resumed.write_ndjson() == whole.write_ndjson(), "the rows equal those of the run without kills, byte for byte")
        check({each.key for each in server.asked} == planned, "what was asked is what the plan holds, no more and no less")
        check(asked - least <= kills * in_flight, f"{asked - least} requests above the least, {(asked - least) / kills:.1f} a kill")


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    seeds = collect_examples(read_taxonomy(ROOT / "taxonomy").leaves[LEAF], 0.3)
    candidates = options.requests // REQUESTS_OF_A_CANDIDATE
    with tempfile.TemporaryDirectory() as folder:
        meet_faults(seeds, candidates, Path(folder))
        survive_kills(seeds, candidates, options.kills, Path(folder))


if __name__ == "__main__":
    main()
