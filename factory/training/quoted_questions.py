"""Preference pairs of which a response holds the whole question of an example, in words in a row, that its prompt does not hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import polars as pl

from factory.reward.contamination import LEAST_WORDS, measure_word
from factory.reward.words import read_tokens
from factory.validation.evidence import Evidence

_BATCH: Final = 1024
"""Texts that are split into words at a time; it bounds memory."""


def find_quoting(evidence: Evidence) -> dict[str, set[str]]:
    """Ids of those pairs, by the split of the example.

    A question of less than LEAST_WORDS words stands in a text by chance. Of an example with a context the question alone says little.
    """
    examples = evidence.examples.filter(pl.col("context").is_null())
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for split, words in zip(examples["split"], _list_words(examples["question"]), strict=True):
        if len(words) >= LEAST_WORDS * measure_word(words):
            splits[_join(words)].add(split)
    said = _find_held(splits, evidence.pairs, "chosen", "rejected")
    asked = _find_held(splits, evidence.pairs.filter(pl.col("record_id").is_in([*said])), "prompt")
    found: defaultdict[str, set[str]] = defaultdict(set)
    for record_id, questions in said.items():
        for question in questions - asked.get(record_id, set()):
            for split in splits[question]:
                found[split].add(record_id)
    return found


def _find_held(questions: Mapping[str, object], pairs: pl.DataFrame, *columns: str) -> dict[str, set[str]]:
    """Which of the questions stand in the messages of those columns, of each pair that holds any.

    Looked for by their first words, all in one pass over a text, whose time and memory do not grow with the length of the questions.
    """
    opening: defaultdict[str, list[str]] = defaultdict(list)
    for question in questions:
        opening[_join(question.split()[:LEAST_WORDS])].append(question)
    texts = pl.concat_list(columns).list.eval(pl.element().struct.field("content"))
    rows = pairs.select("record_id", text=texts).explode("text").drop_nulls()
    if rows.is_empty() or not opening:
        return {}
    distinct = rows["text"].unique(maintain_order=True)
    joined = pl.Series([_join(words) for words in _list_words(distinct)])
    openings = joined.str.extract_many([*opening], overlapping=True).list.unique(maintain_order=True)
    held = {
        text: {question for opened in found for question in opening[opened] if question in words}
        for text, words, found in zip(distinct, joined, openings, strict=True)
        if len(found)
    }
    by_pair: defaultdict[str, set[str]] = defaultdict(set)
    for record_id, text in rows.iter_rows():
        if held.get(text):
            by_pair[record_id] |= held[text]
    return by_pair


def _list_words(texts: pl.Series) -> list[list[str]]:
    """The words of each text, as the verdict reads them to find copies."""
    words: list[list[str]] = []
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH].to_list()
        tokens = read_tokens(batch)
        words += [tokens.list_words(number) for number in range(len(batch))]
    return words


def _join(words: list[str]) -> str:
    """With a space on both sides of each word, so that only whole words are found."""
    return f" {' '.join(words)} "
