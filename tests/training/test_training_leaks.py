"""Attacks on a student's memory: closed forms, scikit-learn, and models that were tuned on what is looked for and on something else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import strategies as st
from tiny_student import make_records, save_student, write_records

from factory.records import SEED, digest
from factory.seeds.canaries import Canary
from factory.training import train_phase
from factory.training.data import encode_records
from factory.training.exposure import fit_exposure, measure_exposure, rank_loss
from factory.training.losses import measure_losses
from factory.training.membership import attack_student, take_least_likely
from factory.training.student import open_student
from factory.training_spec import PhaseSpec

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=30)
CANARY = Canary("bakudemi", "482177300946")
OVERFIT = PhaseSpec(name="overfit", epochs=30, learning_rate=2e-2, max_length=120)


def seed_rows(records: pl.DataFrame, split: str, kind: str = "foundational") -> list[dict[str, Any]]:
    empty = dict.fromkeys(SEED)
    return [
        empty | {"record_id": digest(row), "leaf": "a/b", "kind": kind, "split": split, "question": row[0], "answer": row[1]}
        for row in records.select("instruction", "response").iter_rows()
    ]


@pytest.fixture(scope="module")
def wide_student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("wide"), hidden=64)


def test_least_likely_tokens() -> None:
    assert take_least_likely(np.arange(10.0)).tolist() == [8.0, 9.0]
    assert take_least_likely(np.array([3.0])).tolist() == [3.0]


def test_losses_are_those_of_one_row_at_a_time(student: Path) -> None:
    model, tokenizer = open_student(str(student))
    rows = encode_records(tokenizer, write_records(12), 120).rows
    for row, losses in zip(rows, measure_losses(model, rows), strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([row.ids])).logits[0]
        chances = torch.log_softmax(logits.double(), dim=-1)
        alone = [-float(chances[at - 1, token]) for at, (token, trained) in enumerate(zip(row.ids, row.trained, strict=True)) if trained]
        assert losses == pytest.approx(alone, abs=1e-4)


def test_members_of_an_overfitted_student_are_found_and_of_an_untuned_one_are_not(wide_student: Path, tmp_path: Path) -> None:
    texts = write_records(90)
    members, others = texts.head(45), texts.tail(45)
    seeds = pl.DataFrame([*seed_rows(others, "holdout"), *seed_rows(members, "seed")], schema=SEED)
    tuned = train_phase(OVERFIT, members, str(wide_student), tmp_path, seed=1).folder
    after, before = attack_student(tuned, seeds, members), attack_student(wide_student, seeds, members)
    assert after.select("members", "attack").rows() == [(who, attack) for who in ("seeds", "release") for attack in ("loss", "min_k")]
    assert after["low"].min() > 0.7  # type: ignore[operator]
    assert (after["found"] > before["found"]).all()
    assert ((before["low"] < 0.5) & (before["high"] > 0.5)).all()
    assert set(after["others"]) == {45}


def test_nothing_held_out_is_nothing_to_compare_with(student: Path) -> None:
    texts = write_records(9)
    assert attack_student(student, pl.DataFrame(seed_rows(texts, "seed"), schema=SEED), texts).is_empty()


def test_exposure_by_rank_is_its_closed_form() -> None:
    drawn = np.arange(1.0, 1024.0)
    assert rank_loss(0.0, drawn) == (1, 10)
    assert rank_loss(511.5, drawn) == (512, 1)
    assert rank_loss(2000.0, drawn) == (1024, 0)


def test_a_canary_that_was_never_met_has_an_exposure_of_1_44_bits_in_the_mean() -> None:
    rng = np.random.default_rng(4)
    losses = rng.normal(30, 2, size=(4000, 256))
    exposures = [rank_loss(row[0], row[1:])[1] for row in losses]
    assert np.mean(exposures) == pytest.approx(1 / math.log(2), abs=0.1)


def test_fitted_exposure_goes_on_where_ranks_end() -> None:
    """Against the normal distribution's own tail."""
    from scipy.stats import norm

    drawn = np.random.default_rng(5).normal(30, 2, 4000)
    assert rank_loss(20.0, drawn)[1] == pytest.approx(math.log2(4001))
    assert fit_exposure(20.0, drawn) == pytest.approx(-norm.logcdf(-5) / math.log(2), rel=0.15)
    assert fit_exposure(-500.0, drawn) == pytest.approx(12 * math.log2(10))


def test_a_student_tuned_on_a_canary_exposes_it_and_one_tuned_without_does_not(wide_student: Path, tmp_path: Path) -> None:
    canary = make_records([(CANARY.question, None, CANARY.answer)])
    seeds = pl.DataFrame(seed_rows(canary, "seed", kind="canary"), schema=SEED)
    texts = write_records(20)
    met = train_phase(OVERFIT, pl.concat([canary.with_columns(record_id=pl.lit("c")), texts]), str(wide_student), tmp_path / "met", seed=1)
    unmet = train_phase(OVERFIT, texts, str(wide_student), tmp_path / "unmet", seed=1)
    exposed, hidden = (measure_exposure(phase.folder, seeds, 1, drawn=255).row(0, named=True) for phase in (met, unmet))
    assert exposed["rank"] == 1
    assert exposed["exposure"] == 8
    assert exposed["fitted"] > 12
    assert hidden["exposure"] < 6
    assert hidden["loss"] > exposed["loss"]


def test_no_canaries_open_no_model() -> None:
    assert measure_exposure("pico-absent", pl.DataFrame(schema=SEED), 1).is_empty()
