"""Does filtering pay, and which? Students tuned on equally many records that were chosen in five ways, and their base.

Same teacher, same number of records, same steps, same evaluation problems; only the choice of records differs. Each seed number makes
its own candidates, its own draws and its own tuning. Run from the project's folder:

    .venv/bin/python bench/filtering.py --seeds 3
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from study import Material, read_material, write_candidates

from factory.line import Line, load_line
from factory.reward.models import open_reward_model
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts
from factory.reward_spec import RewardSpec
from factory.training import compare, evaluate_model, make_problems, summarise, train_phase
from factory.training.statistics import ALL

OPEN = {"scope": "all", "verifier": "ignored", "min_goodness": -1e9, "min_support": 0.0}
"""A policy that lets everything through that was scored."""
POLICIES: dict[str, dict[str, Any]] = {
    "unfiltered": OPEN,
    "reward": OPEN | {"min_goodness": 0.0},
    "verifier": OPEN | {"verifier": "decides"},
    "both": OPEN | {"verifier": "decides", "min_goodness": 0.0},
    "best of 4": OPEN,
}
"""How each arm chooses, beside the copies that all but `unfiltered` leave out. `verifier` lets through what has no verifier; `best of 4` is
of four responses to each instruction the one of greatest reward."""
RESPONSES = {"best of 4": 4}
PAIRS = (
    *((arm, "unfiltered") for arm in POLICIES if arm != "unfiltered"),
    ("both", "verifier"),
    ("both", "best of 4"),
    ("both", "base"),
    ("unfiltered", "base"),
)
"""Which is held against which."""


def score_all(material: Material, seed: int, responses: int, work: Path) -> pl.DataFrame:
    """Every candidate of one seed number with its scores: of each leaf as many instructions as the line says, `responses` to each."""
    line, ledger = material.line, work / "ledger.sqlite"
    change = {"responses_per_instruction": responses, "candidates_per_leaf": line.generation.candidates_per_leaf * responses}
    candidates = write_candidates(material, material.seeds["leaf"].unique().sort(), seed, ledger, change)
    reward = RewardSpec(model=line.reward.model, scope="all")
    return score_candidates(candidates, reward, lambda: open_reward_model(reward, ledger))


def choose_records(line: Line, scored: Mapping[int, pl.DataFrame], seeds: pl.DataFrame, seed: int) -> dict[str, pl.DataFrame]:
    """The records of each arm: as many as the arm with fewest has, drawn at random from all that it lets through."""
    chosen = {}
    for arm, policy in POLICIES.items():
        rows = scored[RESPONSES.get(arm, 1)]
        verdicts = decide_verdicts(rows, seeds, RewardSpec.model_validate({"model": line.reward.model} | policy))
        parsed = pl.col("parse_fault").is_null() if arm == "unfiltered" else pl.col("verdict") == "accepted"
        chosen[arm] = verdicts.filter(parsed)
    least = min(records.height for records in chosen.values())
    print(f"seed {seed}: let through {', '.join(f'{arm} {records.height}' for arm, records in chosen.items())}", flush=True)
    return {arm: records.sample(least, seed=seed) for arm, records in chosen.items()}


def run_seed(material: Material, seed: int, work: Path) -> pl.DataFrame:
    """Answers of base, every arm and the teacher on one set of problems; `problem_id` carries the seed number."""
    line, seeds = material.line, material.seeds
    scored = {responses: score_all(material, seed, responses, work) for responses in {1, *RESPONSES.values()}}
    problems = make_problems(seeds, pl.concat(scored.values()), line.training.evaluation.problems_per_leaf, seed)
    models = {"base": line.training.student, "teacher": line.generation.teacher.model}
    for arm, records in choose_records(line, scored, seeds, seed).items():
        base = line.training.student
        for phase in line.training.plan:
            trained = train_phase(phase, records, base, work / arm.replace(" ", "_") / phase.name, seed)
            base = str(trained.folder)
        models[arm] = base
        right = records["verified"].sum() / max(records["verified"].count(), 1)
        told = f"{trained.records} records, {right:.0%} of the verifiable right, {trained.steps} steps, {trained.tokens} tokens"
        print(f"seed {seed}, {arm}: {told}", flush=True)
    answers = pl.concat(evaluate_model(name, model, problems, line.training.evaluation) for name, model in models.items())
    return answers.with_columns(pl.col("problem_id") + f"/{seed}", seed=pl.lit(seed))


def report(answers: pl.DataFrame) -> None:
    """Prints the tables of docs/benchmarks.md."""
    print("\n| model | problems | accuracy | 95 % interval |\n|---|---|---|---|")
    for row in summarise(answers).filter(leaf=ALL, origin=ALL).sort("accuracy").iter_rows(named=True):
        print(f"| {row['model']} | {row['problems']} | {row['accuracy']:.1%} | {row['low']:.1%} to {row['high']:.1%} |")
    print("\n| difference | seeds | points | 95 % interval | McNemar p |\n|---|---|---|---|---|")
    for a, b in PAIRS:
        parts = {str(seed): answers.filter(seed=seed) for seed in answers["seed"].unique().sort()} | {"all": answers}
        for name, part in parts.items():
            found = compare(part, a, b)
            interval = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
            print(f"| {a} − {b} | {name} | {100 * found.difference:+.1f} | {interval} | {found.p_value:.2g} |")
    by_leaf = answers.group_by("leaf", "model").agg(pl.col("correct").mean()).pivot(on="model", index="leaf", values="correct").sort("leaf")
    columns = ["base", *POLICIES, "teacher"]
    print(f"\n| leaf | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for leaf, *values in by_leaf.select("leaf", *columns).iter_rows():
        print(f"| {leaf} | {' | '.join(f'{value:.0%}' for value in values)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--line", type=Path, default=Path("lines/bundled.yaml"))
    parser.add_argument("--seeds", type=int, default=3, help="how many seed numbers, from 0")
    parser.add_argument("--work", type=Path, default=Path(".factory/bench/filtering"))
    options = parser.parse_args()
    line = load_line(options.line)
    material = read_material(line)
    answers = []
    for seed in range(options.seeds):
        work = options.work / str(seed)
        work.mkdir(parents=True, exist_ok=True)
        answers.append(run_seed(material, seed, work))
    pl.concat(answers).write_parquet(options.work / "answers.parquet")
    report(pl.concat(answers))


if __name__ == "__main__":
    main()
