"""The structure of a text: sections under their headings, and in them paragraphs, lists, tables and code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
UNSPACED = "\u2e80-\u312f\u31a0-\uabff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\U00020000-\U0003ffff"
"""Han and kana with their punctuation, which write no spaces (Hangul does): https://www.w3.org/TR/css-text-3/#line-break-transform."""
BREAK_INSIDE = re.compile(rf"(?<=[{UNSPACED}])[ \t]*\n[ \t]*(?=[{UNSPACED}])")
SPACES = re.compile(r"[ \t\n\r\f\v]+")
"""White space that is layout. No-break and ideographic spaces are text, as are the marks of direction and the joiners."""


@dataclass(frozen=True)
class Block:
    """A paragraph, list, table or code. Where `parts` (items, rows, lines) are given, it is divided between them before all else;
    `head` (a table's first rows) stands over each division."""

    text: str
    parts: tuple[str, ...] = ()
    head: str = ""


@dataclass(frozen=True)
class Section:
    """The blocks under one heading, down to the next; `headings` lead to it."""

    headings: tuple[str, ...]
    blocks: tuple[Block, ...]


def flow(text: str) -> str:
    """A paragraph on one line: a line break is a space, and nothing between characters that are written without spaces."""
    return SPACES.sub(" ", BREAK_INSIDE.sub("", text)).strip(" ")


def split_text(text: str, headings: tuple[str, ...] = ()) -> Iterator[Section]:
    """A plain text as one section, its paragraphs divided by empty lines."""
    blocks = tuple(Block(flow(block)) for block in re.split(r"\n[ \t]*\n", _unify_breaks(text)) if block.strip())
    if blocks:
        yield Section(headings, blocks)


def split_markdown(text: str) -> Iterator[Section]:
    """The sections of a Markdown text that hold more than a heading; front matter and comments are no text."""
    headings: list[tuple[int, str]] = []
    blocks: list[Block] = []
    text = FRONT_MATTER.sub("", _unify_breaks(text))
    lines = text.split("\n")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for position, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        if token.type == "heading_open":
            if blocks:
                yield Section(tuple(heading for _, heading in headings), tuple(blocks))
            depth = int(token.tag[1:])
            headings = [(above, heading) for above, heading in headings if above < depth]
            headings.append((depth, _plain(tokens[position + 1])))
            blocks = []
        elif block := _read_block(tokens, position, lines):
            blocks.append(block)
    if blocks:
        yield Section(tuple(heading for _, heading in headings), tuple(blocks))


def _unify_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _plain(inline: Token) -> str:
    """The text of a heading without its markup."""
    return flow("".join(child.content or " " for child in inline.children or [] if child.type != "html_inline"))


def _read_block(tokens: Sequence[Token], position: int, lines: list[str]) -> Block | None:
    """The source of one top-level block; none for a rule, a comment or the definition of a link."""
    token = tokens[position]
    start, end = token.map or (0, 0)
    source = "\n".join(lines[start:end]).strip("\n")
    match token.type:
        case "hr":
            return None
        case "html_block":
            return Block(source) if re.sub(r"<!--.*?-->", "", source, flags=re.DOTALL).strip() else None
        case "paragraph_open":
            return Block(flow(source))
        case "bullet_list_open" | "ordered_list_open":
            return Block(source, _list_items(tokens, position, lines))
        case "table_open":
            rows = source.split("\n")
            return Block(source, tuple(rows[2:]), "\n".join(rows[:2]))
        case "fence" | "code_block":
            return Block(source, tuple(source.split("\n")))
    return Block(source) if source.strip() else None


def _list_items(tokens: Sequence[Token], position: int, lines: list[str]) -> tuple[str, ...]:
    """The source of each item of the list that opens at `position`."""
    items = []
    for token in tokens[position + 1 :]:
        if token.level == 0:
            break
        if token.type == "list_item_open" and token.level == 1 and token.map:
            items.append("\n".join(lines[token.map[0] : token.map[1]]).strip("\n"))
    return tuple(items)
