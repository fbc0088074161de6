"""Budgets: generation ends cleanly, over all leaves of a run, and a greater budget goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from misbehaving_server import MisbehavingServer
from polars.testing import assert_frame_equal

from factory.generation.cost import count_cost
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.generation.spending import BudgetSpentError, Spending
from factory.generation.teachers import open_teacher
from factory.line import BudgetSpec, GenerationSpec
from factory.records import DOCUMENT, empty

LEAF = "compositional_skills/words/reverse_words"
OTHER = "compositional_skills/words/sort_words"
TOKENS = 29
"""Of each request, as the server counts."""
MakeFrame = Callable[..., pl.DataFrame]


def specify(server: MisbehavingServer, candidates: int = 20, **more: Any) -> GenerationSpec:
    teacher = {"model": "granite", "server": {"base_url": server.base_url, "in_flight": 4}, "price": {"prompt": 1e6, "completion": 2e6}}
    return GenerationSpec.model_validate({"teacher": teacher, "candidates_per_leaf": candidates} | more)


def generate(leaf: str, spec: GenerationSpec, seeds: pl.DataFrame, ledger: Path, spending: Spending | None = None) -> pl.DataFrame:
    with Ledger(ledger) as store:
        return generate_candidates(leaf, seeds, empty(DOCUMENT), spec, [open_teacher(spec.teacher)], store, 7, spending=spending)


@pytest.mark.parametrize("budget", [{"tokens": 10 * TOKENS}, {"money": 10 * (20 + 2 * 9)}], ids=["tokens", "money"])
def test_a_budget_ends_generation_and_a_greater_one_goes_on(make_seeds: MakeFrame, tmp_path: Path, budget: dict[str, float]) -> None:
    seeds = make_seeds()
    with MisbehavingServer(latency=0.01) as server:
        spec = specify(server)
        whole = generate(LEAF, spec, seeds, tmp_path / "whole")
        server.asked.clear()
        server.answered.clear()
        spending = Spending(BudgetSpec.model_validate(budget))
        with pytest.raises(BudgetSpentError, match=f"leaf {LEAF}: .* of 20 candidates written") as raised:
            generate(LEAF, spec, seeds, tmp_path / "ledger", spending)
        assert 10 <= len(server.asked) < 10 + 4, "no more than what was in flight when the budget was reached"
        assert spending.requests == len(server.asked) and spending.tokens == TOKENS * len(server.asked)
        assert f"{spending.requests} requests" in raised.value.spent
        with Ledger(tmp_path / "ledger") as ledger:
            assert len(ledger) == len(server.asked), "everything answered is kept"

        greater = Spending(BudgetSpec(tokens=1000 * TOKENS))
        assert_frame_equal(generate(LEAF, spec, seeds, tmp_path / "ledger", greater), whole)
        assert len(server.asked) == 40 and not server.duplicates
        assert greater.requests == 40 - spending.requests, "what the ledger holds is free"


def test_a_budget_is_of_all_leaves_of_a_run_and_what_the_ledger_holds_is_still_made(make_seeds: MakeFrame, tmp_path: Path) -> None:
    seeds = pl.concat([make_seeds(), make_seeds(leaf=OTHER)])
    with MisbehavingServer() as server:
        spec = specify(server, 5)
        first = generate(LEAF, spec, seeds, tmp_path / "ledger")
        spending = Spending(BudgetSpec(tokens=4 * TOKENS))
        for _ in range(2):
            with pytest.raises(BudgetSpentError, match=OTHER):
                generate(OTHER, spec, seeds, tmp_path / "ledger", spending)
        assert 4 <= spending.requests < 4 + 4
        assert_frame_equal(generate(LEAF, spec, seeds, tmp_path / "ledger", spending), first)


def test_a_model_in_this_process_ends_with_the_batch_that_reaches_the_budget(
    tiny_teacher: LocalTeacher, make_seeds: MakeFrame, small_spec: GenerationSpec, tmp_path: Path
) -> None:
    seeds, spending = make_seeds(), Spending(BudgetSpec(tokens=1))
    with Ledger(tmp_path / "whole") as store:
        whole = generate_candidates(LEAF, seeds, empty(DOCUMENT), small_spec, [tiny_teacher], store, 7)
    with Ledger(tmp_path / "ledger") as store:
        with pytest.raises(BudgetSpentError):
            generate_candidates(LEAF, seeds, empty(DOCUMENT), small_spec, [tiny_teacher], store, 7, spending=spending)
        assert len(store) == spending.requests == tiny_teacher.batch_size
        again = generate_candidates(LEAF, seeds, empty(DOCUMENT), small_spec, [tiny_teacher], store, 7)
    assert again.write_ndjson() == whole.write_ndjson()


def test_cost_counts_each_request_once_by_leaf_step_and_model(make_seeds: MakeFrame, tmp_path: Path) -> None:
    seeds = pl.concat([make_seeds(), make_seeds(leaf=OTHER)])
    with MisbehavingServer(schedule=lambda asked: "400" if asked.number == 3 else None) as server:
        spec = specify(server, 4)
        frame = pl.concat([generate(leaf, spec, seeds, tmp_path / "ledger") for leaf in (LEAF, OTHER)])
        assert frame["parse_fault"].drop_nulls().str.contains("no answer").sum() == 1
        asked = len(server.asked)
    steps = count_cost(frame, ("step", "model"))
    assert steps["requests"].sum() == asked
    assert set(steps["model"]) == {"granite@served"} and steps["step"].to_list() == ["instruction", "response"]
    leaves = count_cost(frame, ("leaf",))
    assert leaves["leaf"].to_list() == [LEAF, OTHER]
    assert leaves["cost"].sum() == steps["cost"].sum() == (asked - 1) * (20 + 2 * 9)
    assert leaves["prompt_tokens"].sum() == frame["prompt_tokens"].sum()
