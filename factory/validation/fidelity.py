"""Fidelity: do the accepted records look like the real examples that people wrote?"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.distances import Comparison, chi_square_p, share_distance
from factory.validation.metric import LINE, Evidence, Row, measure_report, metric

CORRECTED = "within each leaf, corrected for chance as (d - e)/(1 - e) (Hubert & Arabie 1985), mean over leaves"
BOOTSTRAP = "normal, standard error of 200 bootstrap draws of records within leaves (Efron & Tibshirani 1993)"
PERMUTED = "200 permutations of real and synthetic within leaves (Phipson & Smyth 2010)"
BALANCED = "from the seeds, each leaf weighing the same since each is asked for as many records"


def measure_fidelity(accepted: pl.DataFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """The fidelity report of `accepted` (VERDICT) against `seeds` (SEED, both splits), as METRIC rows without verdicts."""
    return measure_report("fidelity", Evidence(accepted, seeds))


@metric("fidelity", "min", "accepted records", "count")
def records(evidence: Evidence) -> Iterator[Row]:
    size = evidence.accepted.height
    yield Row(LINE, float(size), size=size)


@metric("fidelity", "min", "share of the leaves with seeds that have an accepted record", "count over count")
def leaf_coverage(evidence: Evidence) -> Iterator[Row]:
    leaves = evidence.seeds["leaf"].n_unique()
    yield Row(LINE, len(evidence.shared_leaves) / leaves if leaves else None, size=leaves)


@metric("fidelity", "max", "distance of instruction lengths in words", f"two-sample Kolmogorov-Smirnov D {CORRECTED}", BOOTSTRAP)
def instruction_words(evidence: Evidence) -> Iterator[Row]:
    yield from _compared(evidence.instruction_lengths)


@metric("fidelity", "info", "p value of instruction_words", PERMUTED)
def instruction_words_p(evidence: Evidence) -> Iterator[Row]:
    yield _tested(evidence.instruction_lengths)


@metric("fidelity", "max", "distance of response lengths in words", f"two-sample Kolmogorov-Smirnov D {CORRECTED}", BOOTSTRAP)
def response_words(evidence: Evidence) -> Iterator[Row]:
    yield from _compared(evidence.response_lengths)


@metric("fidelity", "info", "p value of response_words", PERMUTED)
def response_words_p(evidence: Evidence) -> Iterator[Row]:
    yield _tested(evidence.response_lengths)


@metric(
    "fidelity",
    "max",
    "divergence of word frequencies, digits made alike",
    f"Jensen-Shannon divergence in bits (Lin 1991) {CORRECTED}",
    BOOTSTRAP,
)
def vocabulary(evidence: Evidence) -> Iterator[Row]:
    yield from _compared(evidence.vocabularies)


@metric("fidelity", "info", "p value of vocabulary", PERMUTED)
def vocabulary_p(evidence: Evidence) -> Iterator[Row]:
    yield _tested(evidence.vocabularies)


@metric("fidelity", "max", "shift of the mix of kinds", f"total variation {BALANCED}", "normal, standard error of 200 bootstrap draws")
def kind_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shifted(evidence, "kind")


@metric("fidelity", "info", "p value of kind_shift", "Pearson's chi-square test of goodness of fit")
def kind_shift_p(evidence: Evidence) -> Iterator[Row]:
    yield _shift_tested(evidence, "kind")


@metric("fidelity", "info", "shift of the mix of languages", f"total variation {BALANCED}", "normal, standard error of 200 bootstrap draws")
def language_shift(evidence: Evidence) -> Iterator[Row]:
    yield _shifted(evidence, "language")


@metric("fidelity", "info", "p value of language_shift", "Pearson's chi-square test of goodness of fit")
def language_shift_p(evidence: Evidence) -> Iterator[Row]:
    yield _shift_tested(evidence, "language")


def _compared(comparison: Comparison) -> Iterator[Row]:
    yield Row(LINE, comparison.value, comparison.low, comparison.high, comparison.size)
    for leaf in comparison.leaves:
        yield Row(leaf.leaf, leaf.value, leaf.low, leaf.high, leaf.size)


def _tested(comparison: Comparison) -> Row:
    return Row(LINE, comparison.p, size=comparison.size)


def _shifted(evidence: Evidence, column: str) -> Row:
    measured = share_distance(evidence.counts(column), evidence.reference(column), f"fidelity:{column}")
    return Row(LINE, *measured, evidence.accepted.height) if measured else Row(LINE, None)


def _shift_tested(evidence: Evidence, column: str) -> Row:
    return Row(LINE, chi_square_p(evidence.counts(column), evidence.reference(column)), size=evidence.accepted.height)
