"""How long the four reports of a line take over many records, metric by metric. Run from the project's folder:

.venv/bin/python bench/text_validation.py                    # 10,000 accepted records of 15 leaves, against 30 seed examples of each

Records and seed examples are problems of the bundled writers. The first metric that needs a library waits for its import: that time is told
apart, as "imports".
"""

import argparse
import random
import resource
import sys
import time

import polars as pl

from factory.personal_data.records import find_personal_data
from factory.problems import WRITERS, write_problem
from factory.records import SEED, VERDICT
from factory.validation.evidence import Evidence
from factory.validation.metric import METRICS
from factory.validation.reports import REPORTS

SEED_NUMBER = 11
EXAMPLES = 30


def write_world(records: int) -> Evidence:
    """Evidence of a line with a leaf for each bundled writer."""
    rng = random.Random(SEED_NUMBER)
    rows: dict[str, list[dict[str, object]]] = {"seeds": [], "verdicts": []}
    for writer in sorted(WRITERS):
        about = {"leaf": f"compositional_skills/bench/{writer}", "kind": "compositional", "language": "id" if "_id" in writer else "en"}
        for at in range(EXAMPLES):
            problem = write_problem(writer, rng)
            texts = {"question": problem.instruction, "answer": problem.response, "split": "holdout" if at % 3 == 0 else "seed", "depth": 0}
            rows["seeds"].append(about | texts | {"record_id": f"s-{writer}-{at}", "groups": []})
        for at in range(records // len(WRITERS)):
            problem = write_problem(writer, rng, "pretraining")
            texts = {
                "instruction": problem.instruction,
                "response": problem.response,
                "verdict": "accepted",
                "reason": "accepted",
                "depth": 1,
            }
            rows["verdicts"].append(about | texts | {"record_id": f"r-{writer}-{at}", "groups": []})
    verdicts = pl.DataFrame(rows["verdicts"], schema=VERDICT)
    return Evidence(verdicts, pl.DataFrame(rows["seeds"], schema=SEED), verdicts=verdicts)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=10_000)
    evidence = write_world(options.parse_args().records)
    started = time.perf_counter()
    find_personal_data(evidence.accepted.head(1), ("instruction",))
    import sklearn.cluster
    import sklearn.ensemble
    import sklearn.feature_extraction.text  # noqa: F401

    imports = time.perf_counter() - started
    seconds = {}
    for key, each in METRICS.items():
        started = time.perf_counter()
        rows = list(each.measure(evidence.columns if each.of == "columns" else evidence))
        seconds[key] = time.perf_counter() - started
        if each.gate and not rows:
            sys.exit(f"{key} gave no row")
    for report in REPORTS:
        print(f"{report}: {sum(spent for key, spent in seconds.items() if METRICS[key].report == report):.1f} s")
    slowest = sorted(seconds.items(), key=lambda item: -item[1])[:8]
    print("slowest: " + ", ".join(f"{key} {spent:.1f} s" for key, spent in slowest))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{evidence.accepted.height:,} records: {sum(seconds.values()):.1f} s in all, imports {imports:.1f} s, peak {peak:.2f} GB")


if __name__ == "__main__":
    main()
