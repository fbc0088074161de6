"""What counts as a copy, of what, and which comes first."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from reward_rows import scored, seeds

from factory.faults import InputFaults
from factory.records import SEED, empty
from factory.reward.copies import COPY_REASONS, find_copies
from factory.reward_spec import RewardSpec

QUESTION = "Natalia sold clips to 48 of her friends in April and then she sold half as many in May."
FIRST = "natalia sold clips to 48 of her friends in april and then she"


def find(*rows: dict[str, Any], people: pl.DataFrame | None = None, **spec: Any) -> list[tuple[int, str, str, str]]:
    frame = scored(*rows).with_row_index("row")
    return list(find_copies(frame, empty(SEED) if people is None else people, RewardSpec.model_validate(spec)))


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "gsm8k.txt").write_text(f"An item.\n{QUESTION}\n")
    return {"sets": {"gsm8k": str(tmp_path / "gsm8k.txt")}}


def test_each_copy_says_what_it_matched_and_how(sets: dict[str, Any]) -> None:
    words = " ".join(f"word{n}" for n in range(40))
    people = seeds({"question": "Say hi."}, {"question": "Name a fish.", "split": "holdout"})
    found = find(
        {"instruction": words},
        {"instruction": words.upper()},
        {"instruction": f"{words} more"},
        {"instruction": "Name a fish"},
        {"instruction": "say hi."},
        {"instruction": "Solve it.", "response": f"Easy: {QUESTION}"},
        people=people,
        contamination=sets,
    )
    assert found == [
        (1, "duplicate", "c0", "exact"),
        (2, "near_duplicate", "c0", "near 0.98"),
        (3, "holdout_overlap", "s1", "near 1.00"),
        (4, "seed_copy", "s0", "exact"),
        (5, "contaminated", "gsm8k:2", FIRST),
    ]
    assert {reason for _, reason, *_ in found} <= {*COPY_REASONS}


def test_an_evaluation_set_counts_before_holdout_and_what_it_refuses_pushes_nothing_out(sets: dict[str, Any]) -> None:
    people = seeds({"question": QUESTION, "split": "holdout"})
    assert find({"instruction": QUESTION}, people=people, contamination=sets) == [(0, "contaminated", "gsm8k:2", FIRST)]
    rows = [{"instruction": "Solve it.", "response": QUESTION}, {"instruction": "Solve it."}, {"instruction": "Solve it."}]
    assert find(*rows, contamination=sets) == [(0, "contaminated", "gsm8k:2", FIRST), (2, "duplicate", "c1", "exact")]


def test_contexts_are_checked_against_evaluation_sets(sets: dict[str, Any]) -> None:
    assert find({"context": QUESTION}, contamination=sets)[0][1:3] == ("contaminated", "gsm8k:2")


def test_every_turn_of_a_dialogue_is_checked_against_evaluation_sets(sets: dict[str, Any]) -> None:
    turns = [("user", "Say hello."), ("assistant", QUESTION), ("user", "Thanks."), ("assistant", "Hello.")]
    row = {"turns": [{"role": role, "content": content} for role, content in turns]}
    assert find(row, contamination=sets) == [(0, "contaminated", "gsm8k:2", FIRST)]


def test_responses_of_one_unit_are_no_copies_of_each_other() -> None:
    one, other = {"instruction_id": "i", "seed": 1}, {"instruction_id": "i", "seed": 2}
    assert find(one, one, other, one) == [(2, "duplicate", "c0", "exact")]
    assert find({"seed": 1}, {"seed": 1}) == [(1, "duplicate", "c0", "exact")], "without an instruction id nothing says that they are one"


def test_one_unit_is_still_compared_with_what_people_made() -> None:
    one = {"instruction_id": "i", "seed": 1}
    assert find(one, one, people=seeds({"question": "Say hello."})) == [(0, "seed_copy", "s0", "exact"), (1, "seed_copy", "s0", "exact")]


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"instruction": f"Say {n % 50} to {'you ' * (n % 3)}and all the others that came here today."} for n in range(400)]
    whole = find(*rows)
    monkeypatch.setattr("factory.reward.copies._BATCH", 7)
    assert find(*rows) == whole
    assert 200 < len(whole) < 400


def test_verdicts_do_not_depend_on_the_seed_of_pythons_hash(tmp_path: Path) -> None:
    script = """
import random, sys
import polars as pl
from factory.reward.copies import find_copies
from factory.reward_spec import RewardSpec
good, people = pl.read_parquet(sys.argv[1]), pl.read_parquet(sys.argv[2])
print(list(find_copies(good, people, RewardSpec(near_duplicate=0.6))))
"""
    rng = random.Random(0)
    rows = [{"instruction": " ".join(rng.choices("abcdefgh", k=6)), "context": rng.choice([None, "a b c"])} for _ in range(300)]
    scored(*rows).with_row_index("row").write_parquet(tmp_path / "good.parquet")
    seeds({"question": "a b c d e f"}).write_parquet(tmp_path / "people.parquet")
    command = [sys.executable, "-c", script, str(tmp_path / "good.parquet"), str(tmp_path / "people.parquet")]
    runs = [
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True) for seed in "123"
    ]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.count("near") > 50


def test_a_set_that_cannot_be_read_is_told_before_anything_is_compared() -> None:
    with pytest.raises(InputFaults, match=r"nowhere\.txt: set mmlu: cannot be read"):
        find({}, contamination={"sets": {"mmlu": "nowhere.txt"}})
