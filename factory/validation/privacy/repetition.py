"""Runs of words that records share with private text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import Row, metric
from factory.validation.privacy.flags import AT_MOST_ONE_IN_A_HUNDRED, SCORE, share_flagged
from factory.validation.text import Gram, ngrams, words
from factory.validation_spec import Gate

LONG_RUN = 50
"""Words in a run that counts as memorised (Carlini et al. 2023, arXiv:2202.07646, whose unit is 50 tokens)."""

SHORT_RUN = 8
"""Words in a run that is rarely shared by chance (the 8-grams of PaLM's overlap analysis, Chowdhery et al. 2022, arXiv:2204.02311)."""

REPEATED = 0.5
"""Share of a response's 8-grams found in one body of private text from which the response counts as repeated."""


@metric(
    "privacy",
    "max",
    "share of records with a run of 50 words of private text",
    "50-token rule (Carlini et al. 2023)",
    SCORE,
    gate=Gate(max=0.01),
    because=AT_MOST_ONE_IN_A_HUNDRED,
)
def long_runs(evidence: Evidence) -> Iterator[Row]:
    yield from share_flagged(evidence, find_long_runs(evidence))


def find_long_runs(evidence: Evidence) -> set[str]:
    """Ids of the accepted records that share LONG_RUN words in a row with what a teacher read."""
    runs = _runs(evidence, ("instruction", "response"), LONG_RUN)
    shared = _shared(runs.values(), private_texts(evidence, "seed"), LONG_RUN)
    return {record_id for record_id, (_, grams) in runs.items() if any(gram in shared for gram in grams)}


@metric(
    "privacy",
    "max",
    "share of records of whose response's 8-grams at least half are in private text",
    "n-gram containment (Broder 1997)",
    SCORE,
    gate=Gate(max=0.05),
    because="short answers to one question are alike in good faith; the rate by chance stands beside it as repeated_by_chance",
)
def repeated_responses(evidence: Evidence) -> Iterator[Row]:
    yield from _repeated(evidence, "seed")


@metric("privacy", "info", "repeated_responses against held-out examples, which no teacher saw", "n-gram containment (Broder 1997)", SCORE)
def repeated_by_chance(evidence: Evidence) -> Iterator[Row]:
    yield from _repeated(evidence, "holdout")


def _repeated(evidence: Evidence, split: str) -> Iterator[Row]:
    runs = _runs(evidence, ("response",), SHORT_RUN)
    shared = _shared(runs.values(), private_texts(evidence, split), SHORT_RUN)
    yield from share_flagged(
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


def private_texts(evidence: Evidence, split: str) -> Callable[[], Iterator[list[str]]]:
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
