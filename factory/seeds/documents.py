"""The documents of a leaf as a frame of chunks, none of which crosses a heading."""

from __future__ import annotations

import hashlib

import polars as pl

from factory.faults import FactoryError, Fault, InputFaults
from factory.records import DOCUMENT, empty, record_id
from factory.seeds.chunks import CountTokens, split_chunks
from factory.seeds.formats import read_sections
from factory.seeds.leaf import Document, Leaf


def collect_documents(leaf: Leaf, chunk_tokens: int, count_tokens: CountTokens) -> pl.DataFrame:
    """Chunks of at most `chunk_tokens` tokens of the leaf's documents (DOCUMENT columns); no rows where it has no documents.

    `count_tokens` is the teacher's. Raises InputFaults with every document that cannot be read, or has changed since it was found.
    """
    rows: dict[str, dict[str, object]] = {}
    faults: list[Fault] = []
    for document in leaf.documents:
        try:
            content = _read(document)
            sections = read_sections(document.name, content)
        except InputFaults as error:
            faults += error.faults
            continue
        known = {"document_digest": hashlib.sha256(content).hexdigest(), "language": document.language, "licence": document.licence}
        for section in sections:
            for chunk in split_chunks(section.blocks, chunk_tokens, count_tokens):
                told = {"leaf": leaf.path, "document": document.name, "heading": " > ".join(section.headings), "text": chunk}
                row = {"record_id": record_id("document", told), **told, **known, "depth": 0}
                rows.setdefault(str(row["record_id"]), row)
    if faults:
        raise InputFaults(f"documents of leaf {leaf.path}", faults)
    return pl.DataFrame(list(rows.values()), schema=DOCUMENT) if rows else empty(DOCUMENT)


def _read(document: Document) -> bytes:
    """The content of a document. OSError is how every file system says that it cannot give one."""
    try:
        return document.read()
    except (OSError, FactoryError) as error:
        told = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputFaults("document", [Fault(document.name, 0, 0, "", told)]) from None
