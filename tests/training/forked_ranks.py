"""Two processes that tune together, forked from one that has the libraries loaded: a second instead of ten, and no launcher between."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import polars as pl
import torch

from factory.scale_spec import ScaleSpec
from factory.training import TrainedPhase, train_phase, train_preference
from factory.training_spec import PhaseSpec
from factory.tuning.ranks import join_ranks

SCALE = ScaleSpec(processes=2)
LOADED = ["factory.training", "torch", "accelerate", "transformers.trainer", "transformers.models.llama.modeling_llama"]


def fork_ranks(
    phase: PhaseSpec, frame: pl.DataFrame, student: Path, folder: Path, seed: int, holdout: pl.DataFrame | None = None
) -> TrainedPhase:
    """What two processes make of a phase of records or pairs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    assert isinstance(context, ForkServerContext)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    arguments = (port, phase, frame, str(student), folder, seed, holdout)
    ranks = [context.Process(target=_tune, args=(rank, *arguments)) for rank in range(SCALE.processes)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
        assert rank.exitcode == 0
    return _choose(phase)(phase, frame, str(student), folder, seed, None, holdout, SCALE)


def _tune(
    rank: int, port: int, phase: PhaseSpec, frame: pl.DataFrame, student: str, folder: Path, seed: int, holdout: pl.DataFrame | None
) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with join_ranks():
        _choose(phase)(phase, frame, student, folder, seed, None, holdout, SCALE)


def _choose(phase: PhaseSpec) -> Callable[..., TrainedPhase]:
    return train_phase if phase.method == "sft" else train_preference
