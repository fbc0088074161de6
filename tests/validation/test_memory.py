"""What a record costs in memory while it is measured."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import polars as pl

from factory.records import DOCUMENT, SEED, VERDICT, empty
from factory.validation.distances import compare_lengths
from factory.validation.evidence import Evidence
from factory.validation.privacy.repetition import find_long_runs


def weigh(measure: Callable[[], object]) -> float:
    """The most bytes that Python and numpy hold at once meanwhile."""
    tracemalloc.start()
    measure()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_long_runs_hold_no_run_of_words() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(words) for words in rng.choice([f"w{at}" for at in range(2_000)], (600, 300)).tolist()]
    rows = [{"record_id": f"{at}", "leaf": "knowledge/a", "instruction": "q", "response": text} for at, text in enumerate(texts)]
    document = pl.DataFrame([{"record_id": "d", "text": texts[0]}], schema=DOCUMENT)
    evidence = Evidence(pl.DataFrame(rows, schema=VERDICT), empty(SEED), document)
    assert find_long_runs(evidence) == {"0"}
    assert weigh(lambda: find_long_runs(evidence)) < 40_000 * len(texts)  # 251 runs of 50 words as tuples: 141,000 a record


def test_the_draws_of_a_large_leaf_are_not_held_together() -> None:
    lengths = np.random.default_rng(0).integers(3, 80, 8_000).tolist()
    texts = {"leaf": ([["word"] * length for length in lengths], [["word"] * length for length in lengths[:50]])}
    compare_lengths(texts, "loads what is imported on the way")
    assert weigh(lambda: compare_lengths(texts, "test")) < 2_000 * len(lengths)  # 200 draws of every record at once: 5,000 a record
