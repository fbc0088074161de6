"""Does filtering pay? Students tuned on accepted records against students tuned on unfiltered candidates, and both against their base.

Same teacher, same number of records, same steps, same evaluation problems; only the choice of records differs. Each seed number makes
its own candidates, its own draw of unfiltered ones and its own tuning. Run from the project's folder:

    .venv/bin/python bench/filtering.py --seeds 3
"""

import argparse
from functools import partial
from pathlib import Path

import polars as pl

from assets.seeds import count_text, read_seeds
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.line import Line, load_line
from factory.reward.models import open_reward_model
from factory.reward.score import score_candidates
from factory.reward.verdict import decide_verdicts
from factory.seeds import collect_documents, collect_examples
from factory.training import compare, evaluate_model, make_problems, summarise, train_phase
from factory.training.statistics import ALL

ARMS = ("accepted", "unfiltered")


def collect_seeds(line: Line) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Seed examples and document chunks of the line."""
    leaves, count = read_seeds(line).leaves.values(), partial(count_text, LocalTeacher(line.generation.teacher.model))
    examples = pl.concat(collect_examples(leaf, line.seeds.holdout) for leaf in leaves)
    return examples, pl.concat(collect_documents(leaf, line.seeds.chunk_tokens, count) for leaf in leaves)


def make_verdicts(line: Line, seed: int, seeds: pl.DataFrame, documents: pl.DataFrame, work: Path) -> pl.DataFrame:
    """Every candidate of one seed number with its verdict."""
    spec = line.generation
    teacher = LocalTeacher(spec.teacher.model, batch_size=spec.teacher.batch_size)
    with Ledger(work / "ledger.sqlite") as ledger:
        candidates = pl.concat(
            generate_candidates(leaf, seeds.filter(leaf=leaf), documents.filter(leaf=leaf), spec, [teacher], ledger, seed)
            for leaf in seeds["leaf"].unique().sort()
        )
    scored = score_candidates(candidates, line.reward, lambda: open_reward_model(line.reward, work / "ledger.sqlite"))
    return decide_verdicts(scored, seeds, line.reward)


def choose_records(verdicts: pl.DataFrame, seed: int) -> dict[str, pl.DataFrame]:
    """The records of each arm, equally many: all accepted ones, and as many drawn from everything that parsed."""
    accepted = verdicts.filter(verdict="accepted")
    return {"accepted": accepted, "unfiltered": verdicts.filter(pl.col("parse_fault").is_null()).sample(accepted.height, seed=seed)}


def run_seed(line: Line, seed: int, seeds: pl.DataFrame, documents: pl.DataFrame, work: Path) -> pl.DataFrame:
    """Answers of base, both arms and the teacher on one set of problems; `problem_id` carries the seed number."""
    verdicts = make_verdicts(line, seed, seeds, documents, work)
    problems = make_problems(seeds, verdicts, line.training.evaluation.problems_per_leaf, seed)
    models = {"base": line.training.student, "teacher": line.generation.teacher.model}
    for arm, records in choose_records(verdicts, seed).items():
        base = line.training.student
        for phase in line.training.phases:
            trained = train_phase(phase, records, base, work / arm / phase.name, seed)
            base = str(trained.folder)
        models[arm] = base
        print(f"seed {seed}, {arm}: {trained.records} records, {trained.steps} steps, {trained.tokens} tokens", flush=True)
    answers = pl.concat(evaluate_model(name, model, problems, line.training.evaluation) for name, model in models.items())
    return answers.with_columns(pl.col("problem_id") + f"/{seed}", seed=pl.lit(seed))


def report(answers: pl.DataFrame) -> None:
    """Prints the tables of docs/benchmarks.md."""
    print("\n| model | problems | accuracy | 95 % interval |\n|---|---|---|---|")
    for row in summarise(answers).filter(leaf=ALL, origin=ALL).sort("accuracy").iter_rows(named=True):
        print(f"| {row['model']} | {row['problems']} | {row['accuracy']:.1%} | {row['low']:.1%} to {row['high']:.1%} |")
    print("\n| difference | seeds | points | 95 % interval | McNemar p |\n|---|---|---|---|---|")
    for a, b in (("accepted", "unfiltered"), ("accepted", "base"), ("unfiltered", "base")):
        parts = {str(seed): answers.filter(seed=seed) for seed in answers["seed"].unique().sort()} | {"all": answers}
        for name, part in parts.items():
            found = compare(part, a, b)
            interval = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
            print(f"| {a} − {b} | {name} | {100 * found.difference:+.1f} | {interval} | {found.p_value:.2g} |")
    by_leaf = answers.group_by("leaf", "model").agg(pl.col("correct").mean()).pivot(on="model", index="leaf", values="correct").sort("leaf")
    print("\n| leaf | base | unfiltered | accepted | teacher |\n|---|---|---|---|---|")
    for leaf, *values in by_leaf.select("leaf", "base", "unfiltered", "accepted", "teacher").iter_rows():
        print(f"| {leaf} | {' | '.join(f'{value:.0%}' for value in values)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--line", type=Path, default=Path("lines/bundled.yaml"))
    parser.add_argument("--seeds", type=int, default=3, help="how many seed numbers, from 0")
    parser.add_argument("--work", type=Path, default=Path(".factory/bench/filtering"))
    options = parser.parse_args()
    line = load_line(options.line)
    seeds, documents = collect_seeds(line)
    answers = []
    for seed in range(options.seeds):
        work = options.work / str(seed)
        work.mkdir(parents=True, exist_ok=True)
        answers.append(run_seed(line, seed, seeds, documents, work))
    pl.concat(answers).write_parquet(options.work / "answers.parquet")
    report(pl.concat(answers))


if __name__ == "__main__":
    main()
