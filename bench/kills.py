"""A run of 2,000 requests, killed by SIGKILL at 20 random moments and resumed each time. Run from the project's folder:

    .venv/bin/python bench/kills.py [--requests 2000] [--kills 20] [--in-flight 16]

A moment is a number of requests that the server got, drawn from all of them. Ends with an error where the rows differ from those of a run
without kills, or more requests were spent than the in-flight bound for each kill.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from loopback import MisbehavingServer, claim, generate, read_seeds, run_until_killed, specify


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    seeds = read_seeds()
    moments = sorted(random.Random(options.seed).sample(range(1, options.requests), options.kills))
    with tempfile.TemporaryDirectory() as work, MisbehavingServer(latency=0.02) as server:
        file, ledger = Path(work) / "seeds.parquet", Path(work) / "killed.sqlite"
        seeds.write_parquet(file)
        spec = specify(server, options.requests, options.in_flight, deadline_seconds=60.0)
        whole = generate(spec, seeds, Path(work) / "whole.sqlite")
        least, keys = len(server.asked), {each.key for each in server.asked}
        server.asked.clear()
        server.answered.clear()
        started = time.perf_counter()
        print("| kill | at request | requests spent twice so far |\n|---|---|---|")
        killed = 0
        for number, moment in enumerate(moments, start=1):
            # What earlier kills cost comes on top, so that the last moments still lie inside of the run.
            spent = len(server.asked) - len({each.key for each in server.asked})
            killed += run_until_killed(server, moment + spent, spec, file, ledger)
            at = len(server.asked)
            print(f"| {number} | {at} | {at - len({each.key for each in server.asked})} |", flush=True)
        resumed = generate(spec, seeds, ledger)
        asked, seconds = len(server.asked), time.perf_counter() - started
        above, bound = asked - least, options.kills * options.in_flight
        print(f"\n{least:,} requests without kills; {asked:,} with {killed}, the last run included, in {seconds:.0f} s\n")
        claim(
            {
                f"the run was killed {options.kills} times": killed == options.kills,
                "the rows are those of the run without kills, byte for byte": resumed.write_ndjson() == whole.write_ndjson(),
                "the same requests were made, and no others": {each.key for each in server.asked} == keys,
                f"{above} requests above the least, at most {options.kills} × {options.in_flight} in flight = {bound}": 0 <= above <= bound,
            }
        )


if __name__ == "__main__":
    main()
