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
from factory.training import (
    Holdout,
    TrainedPhase,
    fingerprint_phase,
    fingerprint_preference,
    train_phase,
    train_preference,
)
from factory.training.phase_folder import PhaseFolder
from factory.training.preference import tune_preference
from factory.training.processes import Job
from factory.training.sft import tune_phase
from factory.training.worker import main
from factory.training_spec import PhaseSpec
from factory.tuning.ranks import join_ranks

SCALE = ScaleSpec(processes=2)
LOADED = ["factory.training", "torch", "accelerate", "transformers.trainer", "transformers.models.llama.modeling_llama"]


def fork_ranks(
    phase: PhaseSpec, frame: pl.DataFrame, student: Path, folder: Path, seed: int, holdout: Holdout | None = None
) -> TrainedPhase:
    """What two processes make of a phase of records or pairs, in the order in which they are tuned."""
    name, train = (fingerprint_phase, train_phase) if phase.method == "sft" else (fingerprint_preference, train_preference)
    work = PhaseFolder(folder, name(phase, frame, str(student), seed, holdout, SCALE))
    _fork_two(_tune, Job(phase, str(student), work, seed, SCALE), frame, holdout)
    return train(phase, frame, str(student), folder, seed, None, holdout, SCALE)


def fork_workers(job: Path, hub_cache: Path) -> None:
    """Runs the module that accelerate would launch, twice, where the hub is out of reach and its cache lies in `hub_cache`."""
    _fork_two(_work, job, hub_cache)


def _fork_two(target: Callable[..., None], *told: object) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    assert isinstance(context, ForkServerContext)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = [context.Process(target=target, args=(rank, port, *told)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
        assert rank.exitcode == 0


def _become(rank: int, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)


def _work(rank: int, port: int, job: Path, hub_cache: Path) -> None:
    from huggingface_hub import constants

    constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE = str(hub_cache), True
    _become(rank, port)
    os.dup2(os.pipe()[0], 0)  # an input to which nothing is written, as that of the launching process
    main(job)


def _tune(rank: int, port: int, job: Job, frame: pl.DataFrame, holdout: Holdout | None) -> None:
    _become(rank, port)
    with join_ranks():
        tune = tune_phase if job.phase.method == "sft" else tune_preference
        tune(job, frame, holdout, None)
