"""A process that generates from a server: `killed_server_run.py SEEDS SPEC LEDGER`. It is killed from outside."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from factory.generation.generate import generate_candidates
from factory.generation.ledger import Ledger
from factory.generation.teachers import open_teacher
from factory.line import GenerationSpec
from factory.records import DOCUMENT, empty

if __name__ == "__main__":
    seeds, given, ledger = sys.argv[1:]
    spec = GenerationSpec.model_validate_json(given)
    frame = pl.read_parquet(seeds)
    generate_candidates(frame["leaf"][0], frame, empty(DOCUMENT), spec, [open_teacher(spec.teacher)], Ledger(Path(ledger)), 7)
