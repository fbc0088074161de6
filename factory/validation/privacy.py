"""Privacy: personal data in the accepted records, copies of private examples, and text repeated word for word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from factory.personal_data.records import find_personal_data
from factory.personal_data.types import THRESHOLDS
from factory.validation.metric import Evidence, Row, measure_report, metric, share_row, share_rows
from factory.validation.text import Gram, ngrams, plain, words

SCANNED = ("instruction", "context", "response")

LONG_RUN = 50
"""Words in a run that counts as memorised (Carlini et al. 2023, arXiv:2202.07646, whose unit is 50 tokens)."""

SHORT_RUN = 8
"""Words in a run that is rarely shared by chance (the 8-grams of PaLM's overlap analysis, Chowdhery et al. 2022, arXiv:2204.02311)."""

REPEATED = 0.5
"""Share of a response's 8-grams found in one body of private text from which the response counts as repeated."""

SCORE = "Wilson score"


def measure_privacy(accepted: pl.DataFrame, seeds: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """The privacy report of `accepted` (VERDICT) against `seeds` (SEED) and `documents` (DOCUMENT), as METRIC rows without verdicts.

    Private text is what a teacher was shown: seed examples of the split "seed", their contexts, and documents. What
    stands in a record's own context is not counted against its response, since the record publishes that context.
    """
    return measure_report("privacy", Evidence(accepted, seeds, documents))


@metric("privacy", "max", "share of records with personal data in instruction, context or response", "Presidio pattern recognisers", SCORE)
def personal_data(evidence: Evidence) -> Iterator[Row]:
    found = find_personal_data(evidence.accepted, SCANNED)
    size = evidence.accepted.height
    yield from _shares(evidence, set(found["record_id"]))
    for kind in THRESHOLDS:
        yield share_row(f"type={kind}", found.filter(pl.col("type") == kind)["record_id"].n_unique(), size)


@metric(
    "privacy",
    "max",
    "share of records whose instruction and response are those of a seed example",
    "identical but for case and space",
    SCORE,
)
def seed_copies(evidence: Evidence) -> Iterator[Row]:
    yield from _copies(evidence, "seed")


@metric(
    "privacy",
    "max",
    "share of records whose instruction and response are those of a held-out example",
    "identical but for case and space",
    SCORE,
)
def holdout_copies(evidence: Evidence) -> Iterator[Row]:
    yield from _copies(evidence, "holdout")


@metric("privacy", "max", "share of records with a run of 50 words of private text", "50-token rule (Carlini et al. 2023)", SCORE)
def long_runs(evidence: Evidence) -> Iterator[Row]:
    runs = _runs(evidence, ("instruction", "response"), LONG_RUN)
    shared = _shared(runs.values(), _private_texts(evidence, "seed"), LONG_RUN)
    yield from _shares(evidence, {record_id for record_id, (_, grams) in runs.items() if any(gram in shared for gram in grams)})


@metric(
    "privacy",
    "max",
    "share of records of whose response's 8-grams at least half are in private text",
    "n-gram containment (Broder 1997)",
    SCORE,
)
def repeated_responses(evidence: Evidence) -> Iterator[Row]:
    yield from _repeated(evidence, "seed")


@metric("privacy", "info", "repeated_responses against held-out examples, which no teacher saw", "n-gram containment (Broder 1997)", SCORE)
def repeated_by_chance(evidence: Evidence) -> Iterator[Row]:
    yield from _repeated(evidence, "holdout")


def _shares(evidence: Evidence, hits: set[str]) -> Iterator[Row]:
    yield from share_rows(evidence.accepted.select("leaf", pl.col("record_id").is_in(list(hits)).alias("hit")))


def _copies(evidence: Evidence, split: str) -> Iterator[Row]:
    examples = evidence.examples.filter(pl.col("split") == split).select(plain("question").alias("first"), plain("answer").alias("second"))
    texts = evidence.accepted.select("record_id", plain("instruction").alias("first"), plain("response").alias("second"))
    yield from _shares(evidence, set(texts.join(examples, on=["first", "second"], how="semi")["record_id"]))


def _repeated(evidence: Evidence, split: str) -> Iterator[Row]:
    runs = _runs(evidence, ("response",), SHORT_RUN)
    shared = _shared(runs.values(), _private_texts(evidence, split), SHORT_RUN)
    yield from _shares(
        evidence, {record_id for record_id, (total, grams) in runs.items() if sum(gram in shared for gram in grams) >= REPEATED * total}
    )


def _runs(evidence: Evidence, fields: tuple[str, ...], n: int) -> dict[str, tuple[int, list[Gram]]]:
    """Per record that has any: how many n-grams its fields have, and those of them that its own context does not hold."""
    tokens = evidence.accepted.select("record_id", words("context").alias("context"), *(words(name).alias(name) for name in fields))
    runs = {}
    for record_id, context, *texts in tokens.iter_rows():
        grams = [gram for text in texts for gram in ngrams(text, n)]
        if grams:
            own = set(ngrams(context, n))
            runs[record_id] = (len(grams), [gram for gram in grams if gram not in own])
    return runs


def _shared(runs: Iterable[tuple[int, list[Gram]]], private: Callable[[], Iterator[list[str]]], n: int) -> set[Gram]:
    """Which n-grams of the records stand in private text, of which one text at a time is held."""
    sought = {gram for _, grams in runs for gram in grams}
    return {gram for text in private() for gram in ngrams(text, n) if gram in sought} if sought else set()


def _private_texts(evidence: Evidence, split: str) -> Callable[[], Iterator[list[str]]]:
    """Words of the examples of a split and, beside the seeds, of all that the teacher read with them."""
    examples = evidence.examples.filter(pl.col("split") == split)
    columns = ("question", "answer", "context") if split == "seed" else ("question", "answer")
    texts = [examples.select(words(name).alias("text")) for name in columns]
    if split == "seed":
        texts.append(evidence.documents.select(words("text").alias("text")))

    def read() -> Iterator[list[str]]:
        for frame in texts:
            yield from frame["text"].to_list()

    return read
