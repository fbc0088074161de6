"""`factory lm-eval-tasks`: the problems that a line's models were asked, and the command that asks them in the harness."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import polars as pl
import yaml
from plant import LEAVES, Plant, Said


def test_the_tasks_hold_what_the_evaluation_asked(made: Plant, cli: Callable[..., Said], tmp_path: Path) -> None:
    out = tmp_path / "tasks of the harness"
    said = cli("lm-eval-tasks", "tiny", "--out", str(out))
    assert said.code == 0, said.err
    asked = made.frame("evaluation").filter(model="tuned").sort("problem_id")
    written = pl.concat(pl.read_parquet(file) for file in (out / "tiny").glob("*.parquet")).sort("problem_id")
    assert written.select("problem_id", "leaf", "reference").equals(asked.select("problem_id", "leaf", "reference"))
    group = yaml.safe_load((out / "tiny/tiny.yaml").read_text())
    assert group["group"] == "tiny" and len(group["task"]) == len(LEAVES)
    assert (out / "tiny" / f"{group['task'][0]}.yaml").read_text().count("<|end|>") == 1, "the end of a turn, at which answers stop"

    command = shlex.split(said.out.splitlines()[-1])
    assert command[0] == "lm_eval" and command[command.index("--include_path") + 1] == str(out)
    assert f"pretrained={made.frame('student_sft')['model'][0]}" in command[command.index("--model_args") + 1]
    assert command[command.index("--tasks") + 1] == "tiny" and command[-1] == "--apply_chat_template"


def test_a_line_that_was_not_evaluated_is_told_so(fresh: Plant, cli: Callable[..., Said]) -> None:
    said = cli("lm-eval-tasks", "tiny", "--out", str(fresh.root / "out"))
    assert said.code == 2 and "Line tiny has no evaluation yet: `factory run tiny` makes one." in " ".join(said.err.split())
    assert not (fresh.root / "out").exists()


def test_problems_that_are_no_longer_the_lines_are_not_written(copied: Plant, cli: Callable[..., Said]) -> None:
    copied.write_line(seed=4)
    said = cli("lm-eval-tasks", "tiny", "--out", str(copied.root / "out"))
    assert said.code == 2 and "was changed since it was evaluated" in " ".join(said.err.split())
    assert not (copied.root / "out").exists()
