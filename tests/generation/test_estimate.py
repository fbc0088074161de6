"""Estimates: right where units are alike, bracketed where they are not, and nothing that was asked for them is asked again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from misbehaving_server import MisbehavingServer
from shaped_answers import SCRIPTS, write_shaped

from factory.generation.cost import count_cost
from factory.generation.estimate import Estimate, estimate_line
from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.local_teacher import LocalTeacher
from factory.generation.models import Teacher
from factory.generation.teachers import open_teacher
from factory.line import GenerationSpec
from factory.records import DOCUMENT, empty

LEAVES = ("compositional_skills/words/reverse_words", "compositional_skills/words/sort_words")
MakeFrame = Callable[..., pl.DataFrame]


@pytest.fixture
def seeds(make_seeds: MakeFrame) -> pl.DataFrame:
    return pl.concat([make_seeds(leaf=leaf) for leaf in LEAVES])


def serve(server: MisbehavingServer, **more: Any) -> GenerationSpec:
    served = {"model": "granite", "server": {"base_url": server.base_url, "in_flight": 4}, "price": {"prompt": 1.0, "completion": 2.0}}
    return GenerationSpec.model_validate({"teacher": served, "candidates_per_leaf": 30} | more)


def estimate(spec: GenerationSpec, seeds: pl.DataFrame, ledger: Path, teacher: Teacher | None = None, **more: Any) -> Estimate:
    teacher = teacher or open_teacher(spec.teacher)
    with Ledger(ledger) as store:
        return estimate_line(LEAVES, seeds, empty(DOCUMENT), spec, [teacher], store, 7, **more)


def generate(spec: GenerationSpec, seeds: pl.DataFrame, ledger: Path, teacher: Teacher | None = None) -> pl.DataFrame:
    teacher = teacher or open_teacher(spec.teacher)
    with Ledger(ledger) as store:
        return pl.concat([generate_candidates(leaf, seeds, empty(DOCUMENT), spec, [teacher], store, 7) for leaf in LEAVES])


def test_alike_units_are_estimated_exactly_and_the_trial_is_not_wasted(seeds: pl.DataFrame, tmp_path: Path) -> None:
    with MisbehavingServer(latency=0.01) as server:
        spec = serve(server)
        told = estimate(spec, seeds, tmp_path / "ledger", units=6)
        assert len(server.asked) == told.asked.requests == told.held == 12 and told.rests_on == {"freeform": (6, 2, 2)}
        assert [(figure.step, figure.model, figure.requests.value) for figure in told.figures] == [
            ("instruction", "granite@served", 54), ("response", "granite@served", 54),
        ]  # fmt: skip
        total = told.total
        assert (total.requests.low, total.requests.value, total.requests.high) == (108, 108, 108)
        assert (total.prompt_tokens.value, total.completion_tokens.value) == (108 * 20, 108 * 9)
        assert total.cost.value == pytest.approx(108 * 38 / 1e6)
        assert told.seconds is not None and 108 * 0.01 / 4 <= told.seconds[0] <= told.seconds[1]
        generate(spec, seeds, tmp_path / "ledger")
        assert len(server.asked) == 120 and not server.duplicates
        told = estimate(spec, seeds, tmp_path / "ledger", units=6)
        assert (told.total.requests.value, told.held, told.asked.requests, told.seconds) == (0, 120, 0, None)


@pytest.mark.parametrize("flow", ["open_questions", "writing_tasks", "two_turn"])
def test_flows_that_part_and_repeat_are_estimated_by_whole_units(seeds: pl.DataFrame, tmp_path: Path, flow: str) -> None:
    with MisbehavingServer(answer=write_shaped(SCRIPTS["Latin"])) as server:
        spec = serve(server, flows={"*": flow})
        told = estimate(spec, seeds, tmp_path / "ledger", units=1)
        assert told.rests_on[flow] == (1, 1, 2)
        done = len(server.asked)
        generate(spec, seeds, tmp_path / "ledger")
        # The last unit of a leaf is cut where its candidates end: it is counted as a part of one, though its first steps are asked whole.
        assert done + told.total.requests.value == pytest.approx(len(server.asked), rel=0.03)


def test_what_a_run_left_half_done_is_counted_from_where_it_stands(seeds: pl.DataFrame, tmp_path: Path) -> None:
    with MisbehavingServer() as server:
        spec = serve(server)
        generate(spec.model_copy(update={"candidates_per_leaf": 10}), seeds, tmp_path / "ledger")
        asked = len(server.asked)
        told = estimate(spec, seeds, tmp_path / "ledger")
        assert len(server.asked) == asked, "twenty units in the ledger are sample enough"
        assert (told.held, told.total.requests.value) == (40, 80)


def test_units_that_differ_have_an_interval_and_a_model_in_this_process_keeps_its_bytes(
    seeds: pl.DataFrame, tiny_teacher: LocalTeacher, small_spec: GenerationSpec, tmp_path: Path
) -> None:
    told = estimate(small_spec, seeds, tmp_path / "ledger", tiny_teacher, units=10)
    assert told.asked.requests > 0 and told.held == 0
    with Ledger(tmp_path / "ledger") as store:
        assert len(store) == 0, "an answer of a local model depends on its batch, and the run will have other batches"
    spent = count_cost(generate(small_spec, seeds, tmp_path / "ledger", tiny_teacher), ("flow",)).row(0, named=True)
    wrote = told.total.completion_tokens
    assert wrote.low is not None and wrote.high is not None and wrote.low < wrote.value < wrote.high
    assert wrote.low <= spent["completion_tokens"] <= wrote.high
    assert told.seconds is not None


def test_one_unit_has_no_interval(seeds: pl.DataFrame, tmp_path: Path) -> None:
    with MisbehavingServer() as server:
        told = estimate(serve(server), seeds, tmp_path / "ledger", units=1)
    assert told.total.requests.value == 118 and told.total.requests.low is None
