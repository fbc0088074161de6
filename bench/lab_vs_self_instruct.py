"""Does sampling inside a leaf pay? LAB's leaf-local examples against Self-Instruct's one pool, at the same number of requests.

Same teacher, same candidates for each leaf of the bundled taxonomy that has a verifier; only where a prompt's examples come from differs.
A record counts for the leaf whose verifier understands its instruction, whichever leaf it was written for; of leaves that share a
verifier, for the one with the seed example most like it. Run from the project's folder:

    .venv/bin/python bench/lab_vs_self_instruct.py --candidates 120
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.line import GenerationSpec, Line, load_line
from factory.problems import WRITERS
from factory.records import DOCUMENT, empty
from factory.reward.duplicates import jaccard, read_key
from factory.reward.models import open_reward_model
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts
from factory.reward.verifiers import SETTINGS, verify
from factory.reward.words import normalise
from factory.seeds import collect_examples, read_taxonomy
from factory.validation.text import distinct

METHODS = {"LAB": "freeform", "Self-Instruct": "self_instruct"}
COLOURS = {"LAB": "#1f6f8b", "Self-Instruct": "#dba53a"}


def collect_seeds(line: Line) -> pl.DataFrame:
    """Seed examples of the leaves that have a verifier."""
    leaves = read_taxonomy(line.seeds.taxonomy, verifiers=SETTINGS, problems=WRITERS).leaves.values()
    examples = pl.concat(collect_examples(leaf, line.seeds.holdout) for leaf in leaves)
    return examples.filter(pl.col("verifier").is_not_null() & pl.col("context").is_null())


def write_records(line: Line, flow: str, seeds: pl.DataFrame, candidates: int, work: Path) -> tuple[pl.DataFrame, int]:
    """The candidates of every leaf by `flow`, and the requests that they took."""
    spec = GenerationSpec.model_validate(line.generation.model_dump() | {"flows": {"*": flow}, "candidates_per_leaf": candidates})
    teacher = LocalTeacher(spec.teacher.model, batch_size=spec.teacher.batch_size)
    work.mkdir(parents=True, exist_ok=True)
    with Ledger(work / f"{flow}-{candidates}.sqlite") as ledger:
        frames = [
            generate_candidates(leaf, seeds, empty(DOCUMENT), spec, [teacher], ledger, line.seed) for leaf in seeds["leaf"].unique().sort()
        ]
    written = pl.concat(frames)
    return written, int(written["usage"].list.len().sum())


def place_records(written: pl.DataFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """The records with the leaf (and its verifier and language) that each turns out to belong to; unplaced ones keep theirs, `placed` says
    which."""
    about = {row["leaf"]: row for row in seeds.unique("leaf", keep="first").iter_rows(named=True)}
    keys = {
        leaf: [read_key(question, None, row["language"]).instruction for question in seeds.filter(leaf=leaf)["question"]]
        for leaf, row in about.items()
    }
    placed = []
    for row in written.select("leaf", "language", "instruction").iter_rows(named=True):
        fitting = [] if row["instruction"] is None else [leaf for leaf in sorted(about) if understands(about[leaf], row["instruction"])]
        asked = None if not fitting else read_key(row["instruction"], None, row["language"]).instruction
        best = max(fitting, key=lambda leaf: max(jaccard(asked, key) for key in keys[leaf])) if asked is not None else None
        home = about[best or row["leaf"]]
        placed.append({"leaf": home["leaf"], "verifier": home["verifier"], "language": home["language"], "placed": best is not None})
    return written.drop("leaf", "verifier", "language").hstack(pl.DataFrame(placed)).select(*written.columns, "placed")


def understands(seed: Mapping[str, str], instruction: str) -> bool:
    """Whether the verifier of a leaf can tell right from wrong answers to `instruction`."""
    return verify(seed["verifier"], instruction, "", settings=seed["verifier_settings"]).right is not None


def measure(records: pl.DataFrame, verdicts: pl.DataFrame, requests: int, leaves: Sequence[str]) -> dict[str, float]:
    """One column of the table; shares are of 1."""
    placed = records.filter("placed")
    accepted = verdicts.filter(verdict="accepted")
    counts = [accepted.filter(leaf=leaf).height for leaf in leaves]
    total = sum(counts)
    evenness = -sum(count / total * math.log(count / total) for count in counts if count) / math.log(len(leaves)) if total else 0.0
    texts = [normalise(text) for text in placed["instruction"]]
    within = [distinct([normalise(text).split() for text in part["instruction"]], 2) for part in placed.partition_by("leaf")]
    return {
        "requests": requests,
        "candidates": records.height,
        "belong to a leaf": placed.height / max(records.height, 1),
        "leaves with an accepted record": sum(count > 0 for count in counts) / len(leaves),
        "least accepted in a leaf": min(counts),
        "evenness of the accepted over leaves": evenness,
        "distinct instructions": len(set(texts)) / max(len(texts), 1),
        "distinct word pairs inside a leaf (mean)": sum(within) / max(len(within), 1),
        "distinct word pairs over all": distinct([text.split() for text in texts], 2),
        "accepted": accepted.height,
        "accepted for each request": accepted.height / max(requests, 1),
    }


def draw_leaves(accepted: Mapping[str, Sequence[int]], leaves: Sequence[str], file: Path) -> None:
    """Accepted records of each leaf, by method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.36 * len(leaves) + 1), layout="constrained")
    axes = figure.subplots()
    for number, (method, counts) in enumerate(accepted.items()):
        places = [place + 0.4 * (number - 0.5) for place in range(len(leaves))]
        axes.barh(places, counts, height=0.38, label=method, color=COLOURS[method])
    axes.set_yticks(range(len(leaves)), [leaf.split("/", 1)[1] for leaf in leaves])
    axes.invert_yaxis()
    axes.set_xlabel("accepted records, at the same number of requests for each leaf")
    axes.legend(frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--line", type=Path, default=Path("lines/bundled.yaml"))
    parser.add_argument("--candidates", type=int, default=120, help="of each leaf")
    parser.add_argument("--work", type=Path, default=Path(".factory/bench/lab_vs_self_instruct"))
    options = parser.parse_args()
    line = load_line(options.line)
    seeds = collect_seeds(line)
    leaves = seeds["leaf"].unique().sort().to_list()
    table: dict[str, dict[str, float]] = {}
    accepted: dict[str, list[int]] = {}
    for method, flow in METHODS.items():
        written, requests = write_records(line, flow, seeds, options.candidates, options.work)
        records = place_records(written, seeds)
        open_model = partial(open_reward_model, line.reward, options.work / "ratings.sqlite")
        scored = score_candidates(records.drop("placed"), line.reward, open_model)
        verdicts = decide_verdicts(scored, seeds, line.reward)
        table[method] = measure(records, verdicts, requests, leaves)
        accepted[method] = [verdicts.filter(leaf=leaf, verdict="accepted").height for leaf in leaves]
    print(f"\n{len(leaves)} leaves, {options.candidates} candidates each, seed {line.seed}\n")
    print(f"| | {' | '.join(METHODS)} |\n|---|{'---|' * len(METHODS)}")
    for name in table["LAB"]:
        values = [table[method][name] for method in METHODS]
        print(f"| {name} | {' | '.join(f'{value:,}' if isinstance(value, int) else f'{value:.3f}' for value in values)} |")
    plot = options.work / "leaves.png"
    draw_leaves(accepted, leaves, plot)
    print(f"\nplot: {plot}")


if __name__ == "__main__":
    main()
