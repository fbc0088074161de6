"""Runs of words that records share with private text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.validation.evidence import Evidence
from factory.validation.metric import Row, metric
from factory.validation.privacy.flags import AT_MOST_ONE_IN_A_HUNDRED, SCORE, share_flagged
from factory.validation.published import list_answers, list_texts, read_words
from factory.validation.text import hash_runs, words
from factory.validation_spec import Gate

Runs = NDArray[np.uint64]
"""Runs of words, by `hash_runs`."""
Private = Callable[[], Iterator[list[str]]]
"""Reads private text: the words of one text at a time."""

LONG_RUN = 50
"""Words in a run that counts as memorised (Carlini et al. 2023, arXiv:2202.07646, whose unit is 50 tokens)."""

SHORT_RUN = 8
"""Words in a run that is rarely shared by chance (the 8-grams of PaLM's overlap analysis, Chowdhery et al. 2022, arXiv:2204.02311)."""

REPEATED = 0.5
"""Share of the 8-grams of a record's answers found in one body of private text from which they count as repeated."""


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


def find_long_runs(evidence: Evidence, split: str = "seed") -> set[str]:
    """Ids of the accepted records that share LONG_RUN words in a row with what a teacher read, or with the examples of another split."""
    runs = {record_id: own for record_id, (_, own) in _list_runs(evidence.accepted, list_texts(), LONG_RUN).items()}
    return find_sharing(runs, private_texts(evidence, split), LONG_RUN)


@metric(
    "privacy",
    "max",
    "share of records of whose answers' 8-grams at least half are in private text",
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
    runs = _list_runs(evidence.accepted, list_answers(), SHORT_RUN)
    shared = find_shared([own for _, own in runs.values()], private_texts(evidence, split), SHORT_RUN)
    yield from share_flagged(
        evidence, {record_id for record_id, (total, own) in runs.items() if np.isin(own, shared).sum() >= REPEATED * total}
    )


def _list_runs(records: pl.DataFrame, texts: pl.Expr, n: int) -> dict[str, tuple[int, Runs]]:
    """Per record that has any: how many runs of n words its texts have, and those of them that its own context does not hold."""
    runs = {}
    for record_id, context, said in read_words(records, texts):
        each = np.concatenate([np.empty(0, np.uint64), *(hash_runs(text, n) for text in said)])
        if each.size:
            runs[record_id] = (each.size, each[~np.isin(each, hash_runs(context, n))])
    return runs


def find_sharing(runs: Mapping[str, Runs], private: Private, n: int) -> set[str]:
    """Ids of the records of whose runs of n words one at least stands in private text."""
    shared = find_shared(runs.values(), private, n)
    return {record_id for record_id, own in runs.items() if np.isin(own, shared).any()}


def find_shared(runs: Iterable[Runs], private: Private, n: int) -> Runs:
    """Which of the runs of n words stand in private text, of which one text at a time is held."""
    sought = np.unique(np.concatenate([np.empty(0, np.uint64), *runs]))
    there = np.zeros(sought.size, np.bool_)
    for text in private() if sought.size else ():
        read = hash_runs(text, n)
        places = np.searchsorted(sought, read).clip(max=sought.size - 1)
        there[places[sought[places] == read]] = True
    return sought[there]


def private_texts(evidence: Evidence, split: str) -> Private:
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
