"""A run of 2,000 requests against a server that misbehaves in every way that the tests know. Run from the project's folder:

    .venv/bin/python bench/faults.py [--requests 2000] [--rate 0.05]

Each fault hits the share `rate` of all requests, those of later tries included, drawn anew for each. The run is killed once, half way, and
resumed. Ends with an error where an answer is lost, doubled, paid for twice or asked for again, or a record not accounted for.
"""

import argparse
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import polars as pl
from loopback import MisbehavingServer, claim, generate, read_seeds, run_until_killed, specify
from misbehaving_server import ANSWERED_ALIKE, FAULTS, reply, spread

EVERY_FAULT = (*FAULTS, "context", "duplicate")
DEADLINE_SECONDS = 1.0
"""What a request that hangs or drips costs."""


def count_reasons(frame: pl.DataFrame) -> Counter[str]:
    """How many records each reason kept from being made, by step and kind."""
    plain = [re.sub(r"prompt of .*", "prompt too long for the context", reason) for reason in frame["parse_fault"].drop_nulls()]
    return Counter(": ".join(re.sub(r"( made-up fault| within| \(|;).*", "", reason).split(": ")[:3]) for reason in plain)


def collect_texts(frame: pl.DataFrame) -> list[str]:
    """Every text of the records that a request gave, duplicates included."""
    return [*frame["instruction"].drop_nulls(), *frame["response"].drop_nulls()]


def show(server: MisbehavingServer, frame: pl.DataFrame, requests: int, rate: float, seconds: float) -> None:
    """The tables."""
    print(f"{requests:,} requests that must be answered, {len(EVERY_FAULT)} faults at {rate:.0%} each\n")
    print("| fault | times met |\n|---|---|")
    for fault in EVERY_FAULT:
        print(f"| {fault} | {server.met[fault]} |")
    print(f"| none | {server.met['none']} |\n\n| outcome | records |\n|---|---|")
    print(f"| made | {frame['parse_fault'].null_count()} |")
    for reason, count in count_reasons(frame).most_common():
        print(f"| {reason} | {count} |")
    print(f"\n{len(server.asked):,} requests in {seconds:.0f} s\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--in-flight", type=int, default=32)
    options = parser.parse_args()
    seeds = read_seeds()
    with tempfile.TemporaryDirectory() as work, MisbehavingServer(spread(options.rate, EVERY_FAULT), latency=0.02) as server:
        file, ledger = Path(work) / "seeds.parquet", Path(work) / "ledger.sqlite"
        seeds.write_parquet(file)
        spec = specify(server, options.requests, options.in_flight, deadline_seconds=DEADLINE_SECONDS)
        started = time.perf_counter()
        killed = run_until_killed(server, options.requests, spec, file, ledger)
        before_kill = server.answered.total()
        frame = generate(spec, seeds, ledger)
        seconds = time.perf_counter() - started
        show(server, frame, options.requests, options.rate, seconds)
        asked = len(server.asked)
        again = generate(spec, seeds, ledger)
        texts = Counter(collect_texts(frame))
        said = {reply(each.body) for each in server.asked if each.key in server.answered}
        made = frame["response"].is_not_null() ^ frame["parse_fault"].is_not_null()
        counts = [count for text, count in texts.items() if text != ANSWERED_ALIKE]
        again_paid, bound = len(server.duplicates), options.in_flight
        claim(
            {
                f"{frame.height:,} records are planned, and each is one row": frame.height
                == frame["record_id"].n_unique()
                == options.requests // 2,
                "each row is made, or says why not": bool(made.all()),
                "nothing is lost: the records hold as many texts as requests were answered": texts.total() == len(server.answered),
                "nothing is made up: each text is an answer": texts.keys() - said <= {ANSWERED_ALIKE},
                "nothing is doubled: each answer is in one record": max(counts) == 1,
                f"killed after {before_kill:,} answers, it paid again for {again_paid}, at most the {bound} in flight": killed
                and again_paid <= bound,
                "a second run gives the same rows and asks nothing": again.equals(frame) and len(server.asked) == asked,
            }
        )


if __name__ == "__main__":
    main()
