"""The real texts that a student's forgetting is measured on: files that a line names, or the documents of its leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from factory.faults import Fault, InputFaults
from factory.records import digest, empty
from factory.seeds.chunks import split_chunks
from factory.seeds.formats import read_sections

TEXT: Final[dict[str, Any]] = {
    "text_id": pl.String,  # digest of the text, or of a document's chunk the record_id
    "document": pl.String,  # name of the file that it is from
    "text": pl.String,
}
"""A piece of text that people wrote."""

PIECE_BYTES: Final = 4096
"""Most bytes of UTF-8 of a piece of a file: some thousand tokens, whatever the tokenizer, so that models of several cut alike."""
MOST_TEXTS: Final = 500
"""Pieces that are read, the first by id (a hash, as good as random): reading a corpus would cost more than tuning a small student."""


def read_texts(files: Sequence[str | Path]) -> pl.DataFrame:
    """The documents in `files` (plain text, Markdown, HTML, PDF) as TEXT rows by id, MOST_TEXTS at most, the same text once.

    A document is divided where the seeds stage would, but across headings, into pieces of near-equal length. Raises InputFaults with every
    file that cannot be read or holds no text.
    """
    rows: list[dict[str, str]] = []
    faults: list[Fault] = []
    for file in map(Path, files):
        try:
            sections = read_sections(str(file), file.read_bytes())
        except InputFaults as error:
            faults += error.faults
        except OSError as error:
            faults.append(Fault(str(file), 0, 0, "", f"cannot be read: {error.strerror}"))
        else:
            blocks = [block for section in sections for block in section.blocks]
            pieces = split_chunks(blocks, PIECE_BYTES, lambda text: len(text.encode()))
            rows += ({"text_id": digest(["text", piece]), "document": file.name, "text": piece} for piece in pieces)
    if faults:
        raise InputFaults("training.evaluation.texts", faults)
    return _choose(pl.DataFrame(rows, schema=TEXT) if rows else empty(TEXT))


def take_documents(documents: pl.DataFrame) -> pl.DataFrame:
    """The chunks of a line's documents (records.DOCUMENT) as TEXT rows by id, MOST_TEXTS at most."""
    return _choose(documents.select("document", "text", text_id=pl.col("record_id")).select(list(TEXT)))


def _choose(texts: pl.DataFrame) -> pl.DataFrame:
    return texts.unique("text", keep="first", maintain_order=True).sort("text_id").head(MOST_TEXTS)
