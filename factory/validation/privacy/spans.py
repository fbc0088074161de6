"""The longest run of words that each record shares with private text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from factory.validation.evidence import Evidence
from factory.validation.metric import LINE, Row, certain_row, metric, share_row
from factory.validation.privacy.flags import SCORE
from factory.validation.privacy.repetition import LONG_RUN, SHORT_RUN, find_sharing, private_texts
from factory.validation.published import list_texts, read_words
from factory.validation.suffixes import SuffixAutomaton
from factory.validation.text import hash_runs, ngrams

LENGTHS = (SHORT_RUN, 20, 30, LONG_RUN)
"""Words from which runs are counted: from what is rarely shared by chance to what counts as memorised."""
QUANTILES = (0.5, 0.9, 0.99)
SHOWN = 3
"""Records with the longest runs, which are named so that a person can look at them."""


@metric(
    "privacy",
    "info",
    "words in the longest run that any record shares with seeds or documents; rows `words>=` give the share of records with so long a run, "
    "`quantile=` its distribution over records, `record=` the records to look at",
    f"longest common substring of words by a suffix automaton (Blumer et al. 1985); 0 below {SHORT_RUN} words; "
    "what stands in the record's own context is no leak",
    SCORE,
)
def longest_span(evidence: Evidence) -> Iterator[Row]:
    spans = evidence.accepted.select("record_id", "leaf").join(_measure_spans(evidence), on="record_id", how="left").fill_null(0)
    size = spans.height
    if not size:
        yield Row(LINE, None)
        return
    yield certain_row(float(spans["words"].max() or 0), size)  # type: ignore[arg-type]
    for length in LENGTHS:
        yield share_row(f"words>={length}", int((spans["words"] >= length).sum()), size)
    for quantile in QUANTILES:
        yield Row(f"quantile={quantile:g}", spans["words"].quantile(quantile, "nearest"), size=size)
    for record_id, length in (
        spans.filter(pl.col("words") > 0)
        .sort("words", descending=True, maintain_order=True)
        .head(SHOWN)[["record_id", "words"]]
        .iter_rows()
    ):
        yield Row(f"record={record_id}", float(length), size=1)
    for leaf, longest, records in spans.group_by("leaf").agg(pl.col("words").max(), pl.len()).sort("leaf").iter_rows():
        yield Row(leaf, float(longest), size=records)


def _measure_spans(evidence: Evidence) -> pl.DataFrame:
    """record_id and words: the longest shared run of each record that has one of SHORT_RUN words.

    Only those records go into the automaton, of which a word costs far more memory than of a text; private text is read twice, one text
    at a time.
    """
    private = private_texts(evidence, "seed")
    runs = {
        record_id: np.concatenate([np.empty(0, np.uint64), *(hash_runs(piece, SHORT_RUN) for piece in pieces)])
        for record_id, pieces in _own_words(evidence.accepted)
    }
    sharing = pl.col("record_id").is_in(sorted(find_sharing(runs, private, SHORT_RUN)))
    held = dict(_own_words(evidence.accepted.filter(sharing)))
    lengths = measure_runs([piece for pieces in held.values() for piece in pieces], private()) if held else []
    rows, at = [], 0
    for record_id, pieces in held.items():
        rows.append((record_id, max(lengths[at : at + len(pieces)])))
        at += len(pieces)
    return pl.DataFrame(rows, schema={"record_id": pl.String, "words": pl.Int64}, orient="row")


def measure_runs(texts: Sequence[Sequence[str]], private: Iterable[Sequence[str]]) -> list[int]:
    """Words of the longest run that each text shares with any private text, in time linear in the words of both."""
    automaton = SuffixAutomaton(texts)
    for text in private:
        automaton.match(text)
    return automaton.longest_matches()


def _own_words(records: pl.DataFrame) -> Iterator[tuple[str, list[list[str]]]]:
    """Per record the words of its texts, cut where a run of SHORT_RUN words stands in its own context."""
    for record_id, context, texts in read_words(records, list_texts()):
        quoted = set(ngrams(context, SHORT_RUN))
        yield record_id, [piece for text in texts for piece in (_cut(text, quoted) if quoted else [text])]


def _cut(text: Sequence[str], quoted: set[tuple[str, ...]]) -> Iterator[list[str]]:
    piece: list[str] = []
    covered = 0
    for at, word in enumerate(text):
        if tuple(text[at : at + SHORT_RUN]) in quoted:
            covered = at + SHORT_RUN
        if at < covered:
            if piece:
                yield piece
            piece = []
        else:
            piece.append(word)
    if piece:
        yield piece
