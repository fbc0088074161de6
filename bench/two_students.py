"""LABRADORITE and MERLINITE in small: a Llama and a Mistral base, each tuned by the line and on a plain set of the same size.

LAB (Sudalairaj et al. 2024) tuned Llama 2 13B and Mistral 7B. Here the bases are the bundled pico-student and a Mistral of like size,
with a sliding window and grouped queries, that this script pretrains from random weights on the first part of what the student has read.
The line's arms: its accepted records, by the preset `lab` and by `stacked`. The plain arm: as many records of the same teacher as it
wrote them, from Self-Instruct's one pool, without the taxonomy's guidance and without filters, by `stacked`: so that of `stacked` and
`plain` the data alone differ. All read as many tokens. For each seed number the records, the draws, the tuning and the problems are anew.
From the project's folder:

    .venv/bin/python bench/two_students.py
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import polars as pl
from phases import LAB, LEAF_LOCAL, POOL, READ, STACKED, Amounts, choose_records, write_verdicts
from study import Found, Material, read_material, read_texts, run_seeds, tune_plan, write_texts
from study_tables import print_accuracies, print_differences, print_forgetting, print_kinds, print_leaves, print_phases

from factory.line import load_line
from factory.pico.corpus import Corpus
from factory.pico.family import read_excluded
from factory.pico.models import model_revision
from factory.pico.pretrain import pretrain_language_model
from factory.pico.recipe import STUDENT, Recipe
from factory.records import digest
from factory.training import evaluate_model, make_problems
from factory.training.student import open_tokenizer

WINDOW, KEY_VALUE_HEADS = 128, 2
DIALOGUES = 24_000
"""Of the 60,000 that the bundled student has read."""
SECOND = replace(STUDENT, model="pico-mistral", intermediate=384, stages=tuple(replace(s, dialogues=DIALOGUES) for s in STUDENT.stages))
PLANS = {"lab": LAB, "stacked": STACKED, "plain": STACKED}
PAIRS = (("lab", "base"), ("stacked", "base"), ("plain", "base"), ("lab", "plain"), ("stacked", "plain"))
TEXTS = 300


def pretrain_second(recipe: Recipe, taxonomy: Path, folder: Path) -> str:
    """The Mistral base in `folder`, made where it is not there."""
    from transformers import MistralConfig

    if not (folder / "recipe.json").is_file():
        configure = partial(_configure, MistralConfig)
        pretrain_language_model(Corpus(read_excluded(taxonomy)), recipe, open_tokenizer(STUDENT.model), folder, print, configure)
    print((folder / "recipe.json").read_text(encoding="utf-8"), flush=True)
    return str(folder)


def _configure(kind: type, **sizes: object) -> object:
    return kind(**sizes | {"num_key_value_heads": KEY_VALUE_HEADS, "sliding_window": WINDOW})


def choose_sets(material: Material, verdicts: Mapping[str, pl.DataFrame], seed: int) -> dict[str, pl.DataFrame]:
    """The records of the arms: those that the line takes, and as many that the pool's teacher wrote and that parsed."""
    taken = choose_records(material, dict(verdicts), seed)[LEAF_LOCAL]
    written = verdicts[POOL].filter(pl.col("parse_fault").is_null())
    right = written["verified"].sum() / written.height
    print(f"seed {seed}: {taken.height} records in each arm; of what the plain arm is drawn from, {right:.0%} verify as right", flush=True)
    return {"lab": taken, "stacked": taken, "plain": written.sample(taken.height, seed=seed).select(READ)}


def run_seed(material: Material, bases: Mapping[str, str], amounts: Amounts, ledger: Path, seed: int, work: Path) -> Found:
    """Answers, losses on texts and phases of every base with its students, in one seed number."""
    line = material.line
    verdicts = write_verdicts(material, seed, amounts, ledger)
    problems = make_problems(material.seeds, pl.concat(verdicts.values()), line.training.evaluation.problems_per_leaf, seed)
    sets, texts = choose_sets(material, verdicts, seed), write_texts(material, seed, TEXTS)
    models, phases = {}, []
    for base, student in bases.items():
        models[f"{base} base"] = student
        for arm, plan in PLANS.items():
            tuned = tune_plan(plan, sets[arm], student, work / base / arm, seed, amounts.tokens)
            models[f"{base} {arm}"] = tuned.folder
            phases += [{"arm": f"{base} {arm}"} | row for row in tuned.phases]
            print(f"seed {seed}: {base} {arm} tuned", flush=True)
    answers = pl.concat(evaluate_model(name, model, problems, line.training.evaluation) for name, model in models.items())
    measured = pl.concat(read_texts(name, model, texts) for name, model in models.items())
    number = pl.lit(seed).alias("seed")
    return Found(
        answers.with_columns(pl.col("problem_id") + f"/{seed}", number),
        measured.with_columns(number),
        pl.DataFrame(phases).with_columns(number),
    )


def report(found: Found, bases: Mapping[str, str]) -> None:
    """Prints the tables of docs/benchmarks.md."""
    print_accuracies(found.answers, [f"{base} {arm}" for base in bases for arm in ("base", *PLANS)])
    pairs = [(f"{base} {a}", f"{base} {b}") for base in bases for a, b in PAIRS]
    print_differences(found.answers, pairs)
    print_kinds(found.answers, pairs)
    print_leaves(found.answers, [f"{base} {arm}" for base in bases for arm in PLANS])
    for base in bases:
        print_forgetting(found.texts, [f"{base} {arm}" for arm in ("base", *PLANS)], f"{base} base")
    print_phases(found.phases)


def main() -> None:
    """Parses the arguments, makes what is not there yet, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--line", type=Path, default=Path("lines/bundled.yaml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the seed numbers")
    parser.add_argument("--instructions", type=int, default=120, help="of each leaf")
    parser.add_argument("--tokens", type=int, default=200_000, help="that each arm reads")
    parser.add_argument("--work", type=Path, default=Path(".factory/bench/two_students"))
    parser.add_argument("--ledger", type=Path, default=Path(".factory/bench/phases/ledger.sqlite"), help="shared with bench/phases.py")
    options = parser.parse_args()
    line, amounts = load_line(options.line), Amounts(options.instructions, 2, options.tokens)
    material = read_material(line)
    second = pretrain_second(SECOND, line.seeds.taxonomy, options.work / f"{SECOND.model}-{DIALOGUES}")
    bases = {"Llama": line.training.student, "Mistral": second}
    plans = [[phase.model_dump(mode="json") for phase in plan] for plan in PLANS.values()]
    revisions = [model_revision(base) for base in bases.values()]
    settings = digest([line.model_dump(mode="json"), plans, revisions, asdict(amounts), TEXTS])[:12]
    run = partial(run_seed, material, bases, amounts, options.ledger)
    report(run_seeds(options.seeds, options.work / settings, run), bases)


if __name__ == "__main__":
    main()
