"""The documents of a leaf as a frame of chunks: never across headings, whole paragraphs and sentences where they fit."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
from markdown_it import MarkdownIt
from markdown_it.token import Token

from factory.faults import FactoryError, Fault
from factory.records import DOCUMENT, empty, record_id
from factory.seeds.taxonomy import Leaf
from factory.yaml_source import read_text

FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
UNSPACED = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
"""A word: letters between spaces, or one character of a script that writes no spaces."""
SENTENCE_END = re.compile(r"(?<=[.!?…؟۔।])[\"'”’»)\]]*\s+|(?<=[。！？｡])")


@dataclass(frozen=True)
class Section:
    """The text under one heading, down to the next: `blocks` are its paragraphs, lists, tables …; `headings` lead to it."""

    headings: tuple[str, ...]
    blocks: tuple[str, ...]


def collect_documents(leaf: Leaf, chunk_words: int) -> pl.DataFrame:
    """Chunks of at most `chunk_words` words of the leaf's own documents (DOCUMENT columns); none where it has no documents.

    Raises FactoryError where a document cannot be read any more.
    """
    rows: dict[str, dict[str, object]] = {}
    for document in leaf.documents:
        text = read_text(document, str(document))
        if isinstance(text, Fault):
            raise FactoryError(f"a document of leaf {leaf.path} has changed since the taxonomy was read: {text}")
        name = f"{leaf.path}/{document.relative_to(leaf.folder).as_posix()}"
        for section in split_sections(text, markdown=document.suffix.lower() != ".txt"):
            for chunk in split_chunks(section.blocks, chunk_words):
                content = {"leaf": leaf.path, "document": name, "heading": " > ".join(section.headings), "text": chunk}
                row = {"record_id": record_id("document", content), **content, "document_digest": _digest(document)}
                rows.setdefault(str(row["record_id"]), row | {"language": leaf.language, "licence": leaf.licence, "depth": 0})
    return pl.DataFrame(list(rows.values()), schema=DOCUMENT) if rows else empty(DOCUMENT)


def _digest(document: Path) -> str:
    return hashlib.sha256(document.read_bytes()).hexdigest()


def count_words(text: str) -> int:
    """Words of `text`; in scripts without spaces, characters."""
    return sum(1 for _ in WORD.finditer(text))


def split_sections(text: str, *, markdown: bool) -> Iterator[Section]:
    """The sections of a document that hold text. A plain text is one section, its paragraphs divided by empty lines."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not markdown:
        blocks = tuple(" ".join(block.split()) for block in re.split(r"\n[ \t]*\n", text) if block.strip())
        if blocks:
            yield Section((), blocks)
        return
    headings: list[tuple[int, str]] = []
    blocks_here: list[str] = []
    text = FRONT_MATTER.sub("", text)
    lines = text.split("\n")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for position, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        if token.type == "heading_open":
            if blocks_here:
                yield Section(tuple(heading for _, heading in headings), tuple(blocks_here))
            depth = int(token.tag[1:])
            headings = [(above, heading) for above, heading in headings if above < depth]
            headings.append((depth, _plain(tokens[position + 1])))
            blocks_here = []
        elif block := _block(token, lines):
            blocks_here.append(block)
    if blocks_here:
        yield Section(tuple(heading for _, heading in headings), tuple(blocks_here))


def _plain(inline: Token) -> str:
    """The text of a heading without its markup."""
    return " ".join("".join(child.content or " " for child in inline.children or [] if child.type != "html_inline").split())


def _block(token: Token, lines: list[str]) -> str:
    """The source of one top-level block; a paragraph on one line."""
    start, end = token.map or (0, 0)
    source = "\n".join(lines[start:end]).strip("\n")
    if token.type in ("hr", "html_block") and not re.sub(r"<!--.*?-->|^[-*_ \t]+$", "", source, flags=re.DOTALL).strip():
        return ""
    return " ".join(source.split()) if token.type == "paragraph_open" else source


def split_chunks(blocks: tuple[str, ...], most: int) -> list[str]:
    """Texts of at most `most` words, of near-equal length, that hold every word of `blocks` in order.

    A block is divided between sentences only where it would not fit whole, a sentence between words likewise.
    """
    total = sum(map(count_words, blocks))
    target = math.ceil(total / max(1, math.ceil(total / most)))
    chunks: list[str] = []
    held, size = "", 0
    for joint, piece in _pieces(blocks, most):
        words = count_words(piece)
        if held and (size + words > most or size >= target):
            chunks.append(held)
            held, size = "", 0
        held, size = (held + joint + piece if held else piece), size + words
    return [chunk for chunk in [*chunks, held] if chunk.strip()]


def _pieces(blocks: tuple[str, ...], most: int) -> Iterator[tuple[str, str]]:
    """What chunks are packed from: a text, and what joins it to the text before it."""
    for block in blocks:
        for number, (joint, sentence) in enumerate([("", block)] if count_words(block) <= most else _divide(block, _sentence_starts)):
            parts = [("", sentence)] if count_words(sentence) <= most else _divide(sentence, lambda text: _word_starts(text, most))
            for position, (inner, part) in enumerate(parts):
                yield (inner if position else joint if number else "\n\n"), part


def _divide(text: str, starts: Callable[[str], list[int]]) -> list[tuple[str, str]]:
    """`text` cut at `starts`, each part with the white space before it."""
    cuts = [0, *starts(text), len(text)]
    parts, joint = [], ""
    for start, end in pairwise(cuts):
        part = text[start:end]
        parts.append((joint, part.rstrip()))
        joint = part[len(part.rstrip()) :]
    return [(joint, part) for joint, part in parts if part]


def _sentence_starts(text: str) -> list[int]:
    return [match.end() for match in SENTENCE_END.finditer(text) if 0 < match.end() < len(text)]


def _word_starts(text: str, most: int) -> list[int]:
    return [match.start() for number, match in enumerate(WORD.finditer(text)) if number and number % most == 0]
