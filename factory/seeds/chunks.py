"""Sections cut into chunks that fit a number of tokens: at blocks, then items and rows, sentences, words, and characters at last."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import regex

from factory.seeds.sections import UNSPACED, Block

CountTokens = Callable[[str], int]
SENTENCE_END = regex.compile(r"(?<=[.!?…؟۔।॥։።។။])[\"'”’»)\]]*\s+|(?<=[。！？｡][」』”’）]*)(?![」』”’）。！？｡])")
WORD_START = regex.compile(rf"(?<=\s)(?=\S)|(?<=[{UNSPACED}])")
CLUSTER = regex.compile(r"\X")
"""What a reader takes for one character (https://www.unicode.org/reports/tr29/)."""


def split_chunks(blocks: Sequence[Block], most: int, count: CountTokens) -> list[str]:
    """Texts of at most `most` tokens, of near-equal length, that hold every word of `blocks` in order.

    A block is divided only where it would not fit whole: a list between items, a table between rows under its head each time, text between
    sentences; a sentence between words, a word between characters. A single character of more tokens stays whole.
    """
    return _pack([piece for block in blocks for piece in _divide_block(block, most, count)], most, count)


Piece = tuple[str, str]
"""What joins a text to the text before it, and the text."""


def _pack(pieces: Sequence[Piece], most: int, count: CountTokens) -> list[str]:
    sizes = [count(text) for _, text in pieces]
    target = math.ceil(sum(sizes) / max(1, math.ceil(sum(sizes) / most)))
    chunks: list[str] = []
    held, size = "", 0
    for (joint, text), tokens in zip(pieces, sizes, strict=True):
        joined = held + joint + text
        if held and (size >= target or count(joined) > most):
            chunks.append(held)
            held, size = text, tokens
        else:
            held, size = (joined if held else text), size + tokens
    return [chunk for chunk in [*chunks, held] if chunk.strip()]


def _divide_block(block: Block, most: int, count: CountTokens) -> Iterator[Piece]:
    if count(block.text) <= most:
        yield "\n\n", block.text
        return
    room = most - count(f"{block.head}\n") if block.head else most
    if block.head and room > 0:
        rows = [piece for row in block.parts for piece in _divide_text(row, room, count, "\n")]
        for rows_that_fit in _pack(rows, room, count):
            yield "\n\n", f"{block.head}\n{rows_that_fit}"
        return
    for number, part in enumerate(block.parts if block.parts and not block.head else [block.text]):
        yield from _divide_text(part, most, count, "\n" if number else "\n\n")


def _divide_text(text: str, most: int, count: CountTokens, joint: str) -> Iterator[Piece]:
    """`text` whole where it fits, else its sentences, and of one that does not fit as many words as do."""
    if count(text) <= most:
        yield joint, text
        return
    for gap, sentence in _cut(text, [match.end() for match in SENTENCE_END.finditer(text)]):
        yield from _divide_sentence(sentence, most, count, gap or joint)
        joint = ""


def _divide_sentence(sentence: str, most: int, count: CountTokens, joint: str) -> Iterator[Piece]:
    if count(sentence) <= most:
        yield joint, sentence
        return
    for gap, run in _fill(sentence, [match.start() for match in WORD_START.finditer(sentence)], most, count):
        clusters = [match.end() for match in CLUSTER.finditer(run)]
        for inner, part in [("", run)] if count(run) <= most else _fill(run, clusters, most, count):
            yield joint + gap + inner, part
            joint = ""


def _fill(text: str, cuts: Sequence[int], most: int, count: CountTokens) -> list[Piece]:
    """`text` cut at as few of `cuts` as leave each part at most `most` tokens, where there is a cut that does."""
    places = sorted({*(cut for cut in cuts if 0 < cut < len(text)), len(text)})
    chosen, start, first = [], 0, 0
    while start < len(text):

        def too_long(place: int, start: int = start) -> bool:
            return count(text[start : places[place]].rstrip()) > most

        span = 1  # doubled until it is too long, so that no count reads far beyond a chunk
        while first + span < len(places) and not too_long(first + span):
            span *= 2
        within = range(first, min(first + span, len(places) - 1) + 1)
        last = max(first, first + bisect_left(within, True, key=too_long) - 1)
        while last > first and too_long(last):  # a tokenizer may count a longer text shorter
            last -= 1
        start, first = places[last], last + 1
        chosen.append(start)
    return list(_cut(text, chosen))


def _cut(text: str, cuts: Sequence[int]) -> Iterator[Piece]:
    """`text` divided at `cuts`, each part with the white space that stood before it."""
    gap = ""
    for start, end in pairwise([0, *(cut for cut in cuts if 0 < cut < len(text)), len(text)]):
        part = text[start:end].rstrip()
        if part:
            yield gap, part
        gap = text[start + len(part) : end] if part else gap + text[start:end]
