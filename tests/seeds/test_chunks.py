"""Chunks hold every word in order, end where a heading starts, fit the teacher, and keep lists, tables and characters whole."""

from __future__ import annotations

import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from leaves import count_quarters

from factory.seeds.chunks import split_chunks
from factory.seeds.sections import Block, split_markdown, split_text


def count(text: str) -> int:
    """A tokenizer for tests: a token for each word of letters, each Han or Thai character, each other sign."""
    return len(regex.findall(r"[\p{Han}\p{Thai}]|[^\s\p{Han}\p{Thai}\p{P}]+|\p{P}", text))


MARKDOWN = """\
---
title: front matter is no text
---
Text before any heading.

# Animals of *the* sea

<!-- a comment -->

The whale is large.
It sings.

## Food

- The whale eats krill.
- The seal eats fish.

```
# no heading in code
```

***

## Empty

# Land `animals`

Under a setext heading
----------------------

The cow eats grass.
"""


def test_sections_follow_the_headings_of_markdown() -> None:
    sections = [(section.headings, [block.text for block in section.blocks]) for section in split_markdown(MARKDOWN)]
    assert sections == [
        ((), ["Text before any heading."]),
        (("Animals of the sea",), ["The whale is large. It sings."]),
        (("Animals of the sea", "Food"), ["- The whale eats krill.\n- The seal eats fish.", "```\n# no heading in code\n```"]),
        (("Land animals", "Under a setext heading"), ["The cow eats grass."]),
    ]


def test_plain_text_is_one_section_of_paragraphs() -> None:
    (section,) = split_text("# not a heading\r\n\r\nOne\r\nparagraph.\n \nAnother.\n")
    assert section.headings == () and [block.text for block in section.blocks] == ["# not a heading", "One paragraph.", "Another."]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("鲸鱼很大，\n它唱歌。", "鲸鱼很大，它唱歌。"),
        ("クジラは\n大きい", "クジラは大きい"),
        ("고래는\n크다", "고래는 크다"),
        ("鲸鱼 whale\n很大", "鲸鱼 whale 很大"),
        ("10\u00a0000 和　二", "10\u00a0000 和　二"),
        ("می\u200cخواهم \u200fرا\u200e", "می\u200cخواهم \u200fرا\u200e"),
        (unicodedata.normalize("NFD", "é"), unicodedata.normalize("NFD", "é")),
    ],
)
def test_a_paragraph_on_one_line_is_the_same_text(written: str, read: str) -> None:
    for split in (split_text, split_markdown):
        assert [block.text for section in split(written) for block in section.blocks] == [read]


def test_chunks_end_between_sentences_and_are_of_near_equal_length() -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(20))
    chunks = split_chunks([Block(text)], 48, count)
    assert [count(chunk) for chunk in chunks] == [42, 42, 36]
    assert all(chunk.endswith(".") for chunk in chunks)


def test_paragraphs_stay_whole_where_they_fit() -> None:
    assert split_chunks([Block("one two three"), Block("four five")], 5, count) == ["one two three\n\nfour five"]
    assert split_chunks([Block("one two. three."), Block("four. five six.")], 6, count) == ["one two. three.", "four. five six."]


def test_a_list_is_whole_where_it_fits_and_else_divided_between_items() -> None:
    written = "- one two\n  - inner\n- three four\n- five six\n"
    ((block,),) = [section.blocks for section in split_markdown(written)]
    assert split_chunks([block], 20, count) == [written.strip()]
    assert split_chunks([block], 6, count) == ["- one two\n  - inner", "- three four\n- five six"]


def test_each_part_of_a_divided_table_has_its_head() -> None:
    head = "| a | b |\n| - | - |"
    ((block,),) = [section.blocks for section in split_markdown(f"{head}\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n")]
    size = count(f"{head}\n| 1 | 2 |\n| 3 | 4 |")
    assert split_chunks([block], size, count) == [f"{head}\n| 1 | 2 |\n| 3 | 4 |", f"{head}\n| 5 | 6 |"]


def test_a_sentence_without_end_is_cut_between_words_and_a_word_between_characters() -> None:
    assert split_chunks([Block("a b c d e f g")], 3, count) == ["a b c", "d e f", "g"]
    thai = "วาฬตัวใหญ่มากและร้องเพลง"
    chunks = split_chunks([Block(thai)], 5, count)
    assert "".join(chunks) == thai and all(count(chunk) <= 5 for chunk in chunks)
    assert [cluster for chunk in chunks for cluster in regex.findall(r"\X", chunk)] == regex.findall(r"\X", thai)


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("鲸鱼很大。它唱歌。", ["鲸鱼很大。", "它唱歌。"]),
        ("他说：“鲸鱼。”它唱歌。", ["他说：“鲸鱼。”", "它唱歌。"]),
        ("الحوت كبير جدا؟ هو يغني في البحر.", ["الحوت كبير جدا؟", "هو يغني في البحر."]),
        ("Paus itu besar sekali. Ia bernyanyi!", ["Paus itu besar sekali.", "Ia bernyanyi!"]),
        ("व्हेल बड़ी है। वह गाती है।", ["व्हेल बड़ी है।", "वह गाती है।"]),
    ],
)
def test_other_scripts_are_cut_by_their_own_marks(text: str, chunks: list[str]) -> None:
    most = max(map(count, chunks))
    assert split_chunks([Block(text)], most, count) == chunks


words = [
    "cat",
    "dog.",
    "hen!",
    "鲸鱼。",
    "它唱歌",
    "it",
    "3.5",
    "(so)",
    "end?",
    "'quoted.'",
    "حوت؟",
    "و\u200fلد",
    "é",
    "วาฬ",
    "👩🏽\u200d🚀",
]
sentences = st.lists(st.sampled_from(words), min_size=1, max_size=40).map(" ".join)
blocks = sentences.map(Block) | st.lists(sentences, min_size=1, max_size=5).map(
    lambda items: Block("\n".join(f"- {item}" for item in items), tuple(f"- {item}" for item in items))
)


@settings(deadline=None)
@given(st.lists(blocks, min_size=1, max_size=5), st.integers(5, 40))
def test_nothing_is_lost_doubled_or_too_long(given_blocks: list[Block], most: int) -> None:
    chunks = split_chunks(given_blocks, most, count)
    assert "".join("".join(chunks).split()) == "".join("".join(block.text for block in given_blocks).split())
    assert all(0 < count(chunk) <= most for chunk in chunks)


@settings(deadline=None)
@given(sentences, st.integers(8, 40))
def test_no_character_is_torn(text: str, most: int) -> None:
    chunks = split_chunks([Block(text)], most, count_quarters)
    assert regex.findall(r"\X", "".join(chunks).replace(" ", "")) == regex.findall(r"\X", text.replace(" ", ""))
    assert all(count_quarters(chunk) <= most for chunk in chunks)
