"""What should a line choose? Plans of phases, replay, where examples come from, and preference tuning, all on one budget of tokens.

For each seed number the pico teacher writes candidates by the line's own flows and by Self-Instruct's one pool, the line's verdict decides,
and equally many records go into each arm: records of leaves with a verifier are of the one or the other, those of other leaves are the
same in all arms. Among the latter are the seed examples of the knowledge leaves, without which `lab` would begin with next to nothing: the
bundled teacher's own records there are refused. Every arm reads as many tokens; DPO and RPO read their pairs on top, told in the table of
phases. Same problems, same texts for what was forgotten. A seed number that is done is read back; a killed one goes on. From the project's
folder:

    .venv/bin/python bench/phases.py
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import polars as pl
from lab_vs_self_instruct import place_records
from study import Found, Material, Tuned, decide, prefer, read_material, read_texts, run_seeds, tune_plan, write_candidates, write_texts
from study_tables import print_accuracies, print_differences, print_forgetting, print_kinds, print_leaves, print_phases

from factory.line import load_line
from factory.records import TURNS, digest
from factory.reward.pairs import make_pairs
from factory.training import evaluate_model, make_problems
from factory.training_spec import PRESETS, PhaseSpec, TuningSpec

LEAF_LOCAL, POOL = "leaf-local", "self_instruct"
LINEAR, CONSTANT = TuningSpec(schedule="linear"), TuningSpec(schedule="constant")
STACKED, LAB = PRESETS["stacked"](LINEAR), PRESETS["lab"](CONSTANT)
SUPERVISED = {
    "stacked": (LEAF_LOCAL, STACKED),
    "stacked, constant rate": (LEAF_LOCAL, PRESETS["stacked"](CONSTANT)),
    "lab": (LEAF_LOCAL, LAB),
    "lab, linear rate": (LEAF_LOCAL, PRESETS["lab"](LINEAR)),
    "lab without replay": (LEAF_LOCAL, tuple(phase.model_copy(update={"replay": 0.0}) for phase in LAB)),
    "stacked on Self-Instruct": (POOL, STACKED),
}
"""Data and plan of each arm. The presets hold the rate constant in `lab` and bring it to 0 in `stacked`; each is tried with the other's
schedule too, which tells phases from schedule."""
PREFERRED = {
    "stacked + DPO": PhaseSpec(name="dpo", method="dpo", epochs=3, learning_rate=1e-4),
    "stacked + RPO": PhaseSpec(name="rpo", method="rpo", epochs=3, learning_rate=1e-4),
}
"""The phase after `stacked`."""
ARMS = (*SUPERVISED, *PREFERRED)
PAIRS = (
    ("stacked", "base"),
    ("lab", "stacked"),
    ("lab", "stacked, constant rate"),
    ("lab, linear rate", "stacked"),
    ("lab, linear rate", "lab"),
    ("stacked, constant rate", "stacked"),
    ("lab without replay", "lab"),
    ("stacked", "stacked on Self-Instruct"),
    ("stacked + DPO", "stacked"),
    ("stacked + RPO", "stacked"),
    ("stacked + DPO", "stacked + RPO"),
)
"""Which is held against which."""
READ = ("record_id", "leaf", "kind", "instruction", "context", "response", "turns", "verifier")
TEXTS = 300
"""New dialogues of the kind that the base was pretrained on."""


@dataclass(frozen=True)
class Amounts:
    """How much of everything: `instructions` of each leaf with `responses` to each, `tokens` that an arm reads."""

    instructions: int
    responses: int
    tokens: int


def write_verdicts(material: Material, seed: int, amounts: Amounts, ledger: Path) -> dict[str, pl.DataFrame]:
    """The candidates of both ways of writing, with their verdicts; those of the pool are of the leaves with a verifier and no context."""
    many = {"responses_per_instruction": amounts.responses, "candidates_per_leaf": amounts.instructions * amounts.responses}
    seeds = material.seeds
    pool = seeds.filter(pl.col("verifier").is_not_null() & pl.col("context").is_null())
    local = write_candidates(material, seeds["leaf"].unique().sort(), seed, ledger, many)
    pooled = Material(material.line, pool, material.documents)
    mixed = write_candidates(pooled, pool["leaf"].unique().sort(), seed, ledger, many | {"flows": {"*": POOL}})
    placed = place_records(mixed, pool).drop("placed")
    return {LEAF_LOCAL: decide(material, local, ledger), POOL: decide(pooled, placed, ledger)}


def choose_records(material: Material, verdicts: dict[str, pl.DataFrame], seed: int) -> dict[str, pl.DataFrame]:
    """Equally many records for each: of leaves with a verifier as many accepted ones as the poorer has; of the others the accepted
    leaf-local ones, and of knowledge the seed examples too."""
    accepted = {name: frame.filter(pl.col("verdict") == "accepted").select(READ) for name, frame in verdicts.items()}
    known = material.seeds.filter(kind="knowledge", split="seed").rename({"question": "instruction", "answer": "response"})
    real = known.with_columns(turns=pl.lit(None, TURNS), verifier=pl.lit(None, pl.String)).select(READ)
    shared = pl.concat([accepted[LEAF_LOCAL].filter(pl.col("verifier").is_null()), real])
    verified = {name: frame.filter(pl.col("verifier").is_not_null()) for name, frame in accepted.items()}
    least = min(frame.height for frame in verified.values())
    told = ", ".join(f"{name} {frame.height} of {verdicts[name].height}" for name, frame in accepted.items())
    print(f"seed {seed}: accepted {told}; {least} of leaves with a verifier and {shared.height} others in each arm", flush=True)
    return {name: pl.concat([frame.sample(least, seed=seed), shared]) for name, frame in verified.items()}


def tune_arms(material: Material, verdicts: dict[str, pl.DataFrame], seed: int, tokens: int, work: Path) -> dict[str, Tuned]:
    """The student of every arm; pairs are those whose chosen response the supervised arms read too."""
    student, records = material.line.training.student, choose_records(material, verdicts, seed)
    tuned = {}
    for arm, (data, plan) in SUPERVISED.items():
        tuned[arm] = tune_plan(plan, records[data], student, work / arm.replace(" ", "_"), seed, tokens)
        print(f"seed {seed}: {arm} tuned", flush=True)
    pairs = make_pairs(verdicts[LEAF_LOCAL], material.line.reward.pairs)
    pairs = pairs.filter(pl.col("chosen_id").is_in(records[LEAF_LOCAL]["record_id"].to_list()))
    for arm, phase in PREFERRED.items():
        folder = work / arm.replace(" ", "_")
        tuned[arm] = prefer(phase, pairs, verdicts[LEAF_LOCAL], tuned["stacked"].folder, folder, seed, material)
        print(f"seed {seed}: {arm} tuned on {tuned[arm].phases[0]['own']} of {pairs.height} pairs", flush=True)
    return tuned


def run_seed(material: Material, amounts: Amounts, ledger: Path, seed: int, work: Path) -> Found:
    """Everything of one seed number; `problem_id` and the texts are its own."""
    line = material.line
    verdicts = write_verdicts(material, seed, amounts, ledger)
    tuned = tune_arms(material, verdicts, seed, amounts.tokens, work)
    problems = make_problems(material.seeds, pl.concat(verdicts.values()), line.training.evaluation.problems_per_leaf, seed)
    models = {"base": line.training.student, "teacher": line.generation.teacher.model} | {arm: tuned[arm].folder for arm in ARMS}
    answers = pl.concat(evaluate_model(name, model, problems, line.training.evaluation) for name, model in models.items())
    texts = write_texts(material, seed, TEXTS)
    measured = pl.concat(read_texts(name, model, texts) for name, model in models.items() if name != "teacher")
    margins = {"margin_before": None, "margin_after": None}
    phases = pl.DataFrame([{"arm": arm} | margins | row for arm, of in tuned.items() for row in of.phases], infer_schema_length=None)
    number = pl.lit(seed).alias("seed")
    return Found(
        answers.with_columns(pl.col("problem_id") + f"/{seed}", number), measured.with_columns(number), phases.with_columns(number)
    )


def report(found: Found) -> None:
    """Prints the tables of docs/benchmarks.md."""
    print_accuracies(found.answers, ["base", *ARMS, "teacher"])
    print_differences(found.answers, PAIRS)
    print_kinds(found.answers, PAIRS)
    print_leaves(found.answers, ARMS)
    print_forgetting(found.texts, ["base", *ARMS], "base")
    print_phases(found.phases)
    print("\n| arm | margin before | after |\n|---|---|---|")
    for (arm,), rows in found.phases.drop_nulls("margin_before").group_by("arm", maintain_order=True):
        before, after = (", ".join(f"{value:.2f}" for value in rows[name]) for name in ("margin_before", "margin_after"))
        print(f"| {arm} | {before} | {after} |")


def main() -> None:
    """Parses the arguments, runs what is not done, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--line", type=Path, default=Path("lines/bundled.yaml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the seed numbers")
    parser.add_argument("--instructions", type=int, default=120, help="of each leaf")
    parser.add_argument("--responses", type=int, default=2, help="to each instruction; pairs need two")
    parser.add_argument("--tokens", type=int, default=200_000, help="that each arm reads")
    parser.add_argument("--work", type=Path, default=Path(".factory/bench/phases"))
    options = parser.parse_args()
    line, amounts = load_line(options.line), Amounts(options.instructions, options.responses, options.tokens)
    plans = [[phase.model_dump(mode="json") for phase in plan] for _, plan in SUPERVISED.values()]
    preferred = [phase.model_dump(mode="json") for phase in PREFERRED.values()]
    ledger = options.work / "ledger.sqlite"
    settings = digest([line.model_dump(mode="json"), [*ARMS], plans, preferred, asdict(amounts), TEXTS])[:12]
    material = read_material(line)
    report(run_seeds(options.seeds, options.work / settings, partial(run_seed, material, amounts, ledger)))


if __name__ == "__main__":
    main()
