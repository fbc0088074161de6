"""Does a reward model see what the verifiers see? Its AUC against their verdicts, by leaf, on the candidates of a finished home.

The AUC is the chance that of a right and a wrong response the right one has the greater reward: 0.5 knows nothing. Reads the frames of the
stage generation (FRAMES is `.factory/frames/<line>/candidates`) and writes nothing. Run from the project's folder after `factory run`:

    .venv/bin/python bench/reward_auc.py .factory/frames/bundled/candidates
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from factory.records import CANDIDATE
from factory.reward.models import open_reward_model
from factory.reward.score import score_candidates
from factory.reward_spec import RewardSpec
from factory.validation.intervals import seeded

DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--model", default="pico-reward", help="a bundled model, a folder or a hub id")
    options = parser.parse_args()
    spec = RewardSpec(model=options.model, scope="all")
    candidates = pl.concat(pl.read_parquet(file) for file in sorted(options.frames.rglob("*.parquet"))).select(*CANDIDATE)
    scored = score_candidates(candidates, spec, lambda: open_reward_model(spec, Path("unused.sqlite")))
    judged = scored.filter(pl.col("verified").is_not_null() & pl.col("reward").is_not_null())
    print("| leaf | candidates | right | AUC (95 %) |\n|---|---|---|---|")
    for (leaf,), rows in judged.sort("leaf").group_by("leaf", maintain_order=True):
        print(f"| {leaf} | {rows.height} | {rows['verified'].mean():.0%} | {describe(rows, str(leaf))} |")
    within = judged.with_columns(pl.col("reward") - pl.mean("reward").over("leaf"))
    print(f"| all, pooled | {judged.height} | {judged['verified'].mean():.0%} | {describe(judged, 'all')} |")
    print(f"| all, reward less its leaf's mean | {judged.height} | | {describe(within, 'within')} |")


def describe(rows: pl.DataFrame, name: str) -> str:
    """The AUC with a percentile bootstrap interval, right and wrong responses resampled each by themselves."""
    right, wrong = (rows.filter(pl.col("verified") == verdict)["reward"].to_numpy() for verdict in (True, False))
    if not len(right) or not len(wrong):
        return f"– (all {'right' if len(right) else 'wrong'})"
    # The AUC is the mean of this table (Mann & Whitney 1947), and a resample weighs its rows and columns.
    won = (np.sign(right[:, None] - wrong[None, :]) + 1) / 2
    rng = seeded(f"auc/{name}")
    of_right, of_wrong = (rng.multinomial(len(side), np.full(len(side), 1 / len(side)), DRAWS) / len(side) for side in (right, wrong))
    low, high = np.quantile(((of_right @ won) * of_wrong).sum(axis=1), [0.025, 0.975])
    return f"{won.mean():.2f} ({low:.2f}–{high:.2f})"


if __name__ == "__main__":
    main()
