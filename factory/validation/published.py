"""What a release publishes of its records in words: every turn of a dialogue, and what stands beside the texts in its columns."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from factory.validation.text import extract_words, words

NOTES = ("topic", "verifier_note", "reward_note")
"""Columns of words beside a record's texts; the notes of its judges are another (`join_votes`)."""

SLICE = 4_096
"""Records whose words are held at once."""

Words = list[str]


def join_votes() -> pl.Expr:
    """The notes of a record's judges as one text; null where it has no judges."""
    return pl.col("votes").list.eval(pl.element().struct.field("note")).list.drop_nulls().list.join("\n")


def list_texts() -> pl.Expr:
    """All texts of a VERDICT row but its context, each once: its turns, and what stands beside them."""
    return _list_distinct("instruction", _list_contents(pl.col("turns")), "response", *NOTES, join_votes())


def list_answers() -> pl.Expr:
    """All that the assistant says in a VERDICT row, each text once."""
    return _list_distinct(_list_contents(pl.col("turns").list.filter(pl.element().struct.field("role") == "assistant")), "response")


def join_texts() -> pl.Expr:
    """All texts of a VERDICT row as one, its context first."""
    return _list_distinct("context", list_texts()).list.join("\n")


def read_words(records: pl.DataFrame, texts: pl.Expr) -> Iterator[tuple[str, Words, list[Words]]]:
    """Of each record its id, the words of its context, and those of each of its texts, a list of strings."""
    for part in records.iter_slices(SLICE):
        yield from part.select("record_id", words("context"), texts.list.eval(extract_words(pl.element())).alias("texts")).iter_rows()


def list_exchanges(records: pl.DataFrame) -> pl.DataFrame:
    """record_id, leaf, instruction and response: those of the records, and of a dialogue each answer with what it answers."""
    columns = ["record_id", "leaf", "instruction", "response"]
    turn = pl.col("turns").struct
    answered = (
        records.select("record_id", "leaf", "turns")
        .explode("turns")
        .with_columns(instruction=turn.field("content").shift(1).over("record_id"), response=turn.field("content"))
        .filter(turn.field("role") == "assistant", pl.col("instruction").is_not_null())
    )
    return pl.concat([records.select(columns), answered.select(columns)]).unique(maintain_order=True)


def _list_contents(turns: pl.Expr) -> pl.Expr:
    return pl.coalesce(turns.list.eval(pl.element().struct.field("content")), pl.lit([], dtype=pl.List(pl.String)))


def _list_distinct(*parts: str | pl.Expr) -> pl.Expr:
    """Texts and lists of texts as one list: what is absent left out, and what stands in two of them once."""
    return pl.concat_list(*parts).list.drop_nulls().list.unique(maintain_order=True)
