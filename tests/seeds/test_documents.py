"""Chunks hold every word of a document in order, end where a heading starts, and are never too long."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaves import KNOWLEDGE, KNOWLEDGE_EXAMPLES, KNOWLEDGE_HEAD, write_leaf

from factory.faults import FactoryError
from factory.records import DOCUMENT
from factory.seeds import Leaf, collect_documents, read_taxonomy
from factory.seeds.documents import count_words, split_chunks, split_sections

LOCAL = KNOWLEDGE_HEAD + "factory:\n  language: id\n  documents: ['*.*d*', '*.txt']\n" + KNOWLEDGE_EXAMPLES


def make_leaf(root: Path, **files: str) -> Leaf:
    write_leaf(root, "knowledge/animals", LOCAL.replace("['*.*d*', '*.txt']", str([name.replace("__", ".") for name in files])), **files)
    taxonomy = read_taxonomy(root)
    assert taxonomy.faults == ()
    return taxonomy.leaves["knowledge/animals"]


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
    sections = [(section.headings, section.blocks) for section in split_sections(MARKDOWN, markdown=True)]
    assert sections == [
        ((), ("Text before any heading.",)),
        (("Animals of the sea",), ("The whale is large. It sings.",)),
        (("Animals of the sea", "Food"), ("- The whale eats krill.\n- The seal eats fish.", "```\n# no heading in code\n```")),
        (("Land animals", "Under a setext heading"), ("The cow eats grass.",)),
    ]


def test_plain_text_is_one_section_of_paragraphs() -> None:
    (section,) = split_sections("# not a heading\r\n\r\nOne\r\nparagraph.\n \nAnother.\n", markdown=False)
    assert section.headings == () and section.blocks == ("# not a heading", "One paragraph.", "Another.")


def test_a_chunk_knows_where_it_is_from(tmp_path: Path) -> None:
    leaf = make_leaf(tmp_path, sea__md="# Sea\n\n## Whales\n\nThe whale is large.\n", land__txt="The cow eats grass.\n")
    frame = collect_documents(leaf, 80)
    assert dict(frame.schema) == DOCUMENT
    land, sea = frame.rows(named=True)
    assert sea.pop("record_id") != land.pop("record_id")
    assert sea == {
        "leaf": "knowledge/animals",
        "language": "id",
        "document": "knowledge/animals/sea.md",
        "heading": "Sea > Whales",
        "text": "The whale is large.",
        "licence": "CC-BY-4.0",
        "document_digest": hashlib.sha256((leaf.folder / "sea.md").read_bytes()).hexdigest(),
        "depth": 0,
    }
    assert (land["document"], land["heading"], land["text"]) == ("knowledge/animals/land.txt", "", "The cow eats grass.")


def test_the_same_text_twice_under_one_heading_is_one_chunk(tmp_path: Path) -> None:
    paragraph = " ".join(["word"] * 20) + ".\n\n"
    frame = collect_documents(make_leaf(tmp_path, a__md=paragraph * 3), 20)
    assert frame.height == frame["record_id"].n_unique() == 1


def test_a_leaf_without_documents_of_its_own_has_no_chunks(tmp_path: Path) -> None:
    write_leaf(tmp_path, "knowledge/animals", KNOWLEDGE)
    frame = collect_documents(read_taxonomy(tmp_path).leaves["knowledge/animals"], 80)
    assert frame.is_empty() and dict(frame.schema) == DOCUMENT


def test_a_document_that_vanished_is_an_error(tmp_path: Path) -> None:
    leaf = make_leaf(tmp_path, a__md="text\n")
    (leaf.folder / "a.md").unlink()
    with pytest.raises(FactoryError, match=r"has changed since the taxonomy was read: .*a\.md:1:1: cannot be read"):
        collect_documents(leaf, 80)


def test_chunks_end_between_sentences_and_are_of_near_equal_length() -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(20))
    chunks = split_chunks((text,), 40)
    assert [count_words(chunk) for chunk in chunks] == [35, 35, 30]
    assert all(chunk.endswith(".") for chunk in chunks)


def test_paragraphs_stay_whole_where_they_fit() -> None:
    assert split_chunks(("one two three", "four five"), 5) == ["one two three\n\nfour five"]
    assert split_chunks(("one two three. four.", "five six. seven."), 4) == ["one two three. four.", "five six. seven."]


def test_a_sentence_without_end_is_cut_between_words() -> None:
    assert split_chunks(("a b c d e f g",), 3) == ["a b c", "d e f", "g"]


@pytest.mark.parametrize(
    ("text", "words", "chunks"),
    [
        ("鲸鱼很大。它唱歌。", 9, ["鲸鱼很大。", "它唱歌。"]),
        ("الحوت كبير؟ هو يغني.", 4, ["الحوت كبير؟ هو يغني."]),
        ("Paus itu besar. Ia bernyanyi!", 5, ["Paus itu besar. Ia bernyanyi!"]),
    ],
)
def test_other_scripts_are_counted_and_cut_by_their_own_marks(text: str, words: int, chunks: list[str]) -> None:
    assert count_words(text) == words
    assert split_chunks((text,), 5) == chunks


sentences = st.lists(
    st.sampled_from(["cat", "dog.", "hen!", "鲸鱼。", "it", "3.5", "(so)", "end?", "'quoted.'"]), min_size=1, max_size=40
).map(" ".join)


@settings(deadline=None)
@given(st.lists(sentences, min_size=1, max_size=5), st.integers(5, 40))
def test_nothing_is_lost_doubled_or_too_long(blocks: list[str], most: int) -> None:
    chunks = split_chunks(tuple(blocks), most)
    assert "".join("".join(chunks).split()) == "".join("".join(blocks).split())
    assert all(0 < count_words(chunk) <= most for chunk in chunks)
