"""Documents in every format and script become chunks that know where they are from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from leaves import KNOWLEDGE_EXAMPLES, KNOWLEDGE_HEAD, count_quarters, write_leaf
from pdf import write_pdf

from factory.faults import InputFaults
from factory.records import DOCUMENT
from factory.seeds import Leaf, collect_documents, read_taxonomy
from factory.seeds.formats import read_sections

SCRIPTS = {
    "latin": "Der Wal läßt sich nicht fangen; l\u2019été aussi.",
    "arabic": "الحوت كبير، وهو يغنّي في البحر.",
    "persian": "نهنگ می\u200cخواند.",
    "chinese": "鲸鱼很大，它在海里唱歌。",
    "japanese": "クジラは大きい。",
    "decomposed": "E\u0301te\u0301",
    "mixed": "The word \u2067حوت\u2069 means 鲸鱼\u3000(whale).",
}


def make_leaf(root: Path, **files: str | bytes) -> Leaf:
    patterns = str([name.replace("__", ".") for name in files])
    head = KNOWLEDGE_HEAD + f"factory:\n  language: id\n  documents: {patterns}\n"
    write_leaf(root, "knowledge/animals", head + KNOWLEDGE_EXAMPLES, **files)
    taxonomy = read_taxonomy(root)
    assert taxonomy.faults == ()
    return taxonomy.leaves["knowledge/animals"]


def test_a_chunk_knows_where_it_is_from(tmp_path: Path) -> None:
    sea = "# Sea\n\n## Whales\n\nThe whale is large.\n"
    frame = collect_documents(make_leaf(tmp_path, sea__md=sea, land__txt="The cow eats grass.\n"), 80, count_quarters)
    assert dict(frame.schema) == DOCUMENT
    land, whales = frame.rows(named=True)
    assert whales.pop("record_id") != land.pop("record_id")
    assert whales == {
        "leaf": "knowledge/animals",
        "language": "id",
        "document": "knowledge/animals/sea.md",
        "heading": "Sea > Whales",
        "text": "The whale is large.",
        "licence": "CC-BY-4.0",
        "document_digest": hashlib.sha256(sea.encode()).hexdigest(),
        "depth": 0,
    }
    assert (land["document"], land["heading"], land["text"]) == ("knowledge/animals/land.txt", "", "The cow eats grass.")


def test_chunks_are_cut_by_the_counter_that_is_given(tmp_path: Path) -> None:
    leaf = make_leaf(tmp_path, a__txt="".join(f"One two {number}. " for number in range(30)))
    by_words = collect_documents(leaf, 30, lambda text: len(text.split()))
    assert max(len(text.split()) for text in by_words["text"]) <= 30
    assert collect_documents(leaf, 30, len).height > by_words.height


def test_the_same_text_twice_under_one_heading_is_one_chunk(tmp_path: Path) -> None:
    paragraph = " ".join(["word"] * 20) + ".\n\n"
    frame = collect_documents(make_leaf(tmp_path, a__md=paragraph * 3), 30, count_quarters)
    assert frame.height == frame["record_id"].n_unique() == 1


def test_a_leaf_without_documents_has_no_chunks() -> None:
    frame = collect_documents(Leaf("knowledge/animals", "en"), 80, count_quarters)
    assert frame.is_empty() and dict(frame.schema) == DOCUMENT


def test_every_document_that_cannot_be_read_any_more_is_named(tmp_path: Path) -> None:
    leaf = make_leaf(tmp_path, a__md="text\n", b__md="text\n", c__md="text\n")
    (tmp_path / "knowledge/animals/a.md").unlink()
    (tmp_path / "knowledge/animals/c.md").write_bytes(b"\xff")
    with pytest.raises(InputFaults) as caught:
        collect_documents(leaf, 80, count_quarters)
    assert [str(fault) for fault in caught.value.faults] == [
        "knowledge/animals/a.md: cannot be read: No such file or directory",
        "knowledge/animals/c.md:1:1: not UTF-8 (byte 0xff); save the file as UTF-8",
    ]


PAGE = """\
<!DOCTYPE html><html><head><title>T</title><style>p {}</style><script>menu()</script></head>
<body><nav>Home</nav><main><h1>The <em>sea</em></h1>
<p>The whale is
large &amp; <a href="x">sings</a>.</p><!-- no text -->
<h2>Food</h2><ul><li>krill</li><li>fish</li></ul>
<p># of whales: 5</p>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<pre>keep
  this</pre></main><footer>imprint</footer></body></html>
"""


def test_html_gives_headings_lists_tables_and_code_and_nothing_around_them() -> None:
    sections = read_sections("a.html", PAGE.encode())
    assert [(section.headings, [block.text for block in section.blocks]) for section in sections] == [
        (("The sea",), ["The whale is large & sings."]),
        (
            ("The sea", "Food"),
            ["- krill\n- fish", "\\# of whales: 5", "| a | b |\n| --- | --- |\n| 1 | 2 |", "```\nkeep\n  this\n```"],
        ),
    ]


def test_html_is_read_in_the_encoding_that_it_declares() -> None:
    page = '<html><head><meta charset="shift_jis"></head><body><p>クジラは大きい。</p></body></html>'
    (section,) = read_sections("a.htm", page.encode("shift_jis"))
    assert section.blocks[0].text == "クジラは大きい。"
    (section,) = read_sections("a.htm", '<meta charset="iso-8859-1"><p>\u201cÉté\u201d</p>'.encode("cp1252"))
    assert section.blocks[0].text == "\u201cÉté\u201d"


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("utf-8", r"a\.htm:2:4: not UTF-8 \(byte 0xff\)"),
        ("shift_jis", "byte 30 is none of it; save as UTF-8"),
        ("klingon", "the encoding 'klingon', which is none"),
    ],
)
def test_html_in_another_encoding_than_it_declares_is_refused(declared: str, told: str) -> None:
    with pytest.raises(InputFaults, match=told):
        read_sections("a.htm", f'<meta charset="{declared}">\n'.encode() + b"<p>\xff\xfe\xfa word</p>")


def test_a_pdf_follows_its_outline_and_mends_divided_words() -> None:
    pages = ["About the book.", "The whale is large.\nIt eats plank-\nton.", "It sings.", "Cows eat grass."]
    sections = read_sections("a.PDF", write_pdf(pages, [("Sea", 1), ("Land", 3)]))
    assert [(section.headings, [block.text for block in section.blocks]) for section in sections] == [
        ((), ["About the book."]),
        (("Sea",), ["The whale is large. It eats plankton. It sings."]),
        (("Land",), ["Cows eat grass."]),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no pdf", r"is no PDF that can be read"),
        (write_pdf(["text"], password="secret"), r"is locked with a password; save a copy without one"),
        (write_pdf([""]), r"is empty, or holds headings alone; a scan holds pictures of text"),
        (write_pdf(["text"])[:400], r"is no PDF that can be read|is empty"),
    ],
)
def test_a_pdf_without_text_says_why(content: bytes, told: str) -> None:
    with pytest.raises(InputFaults, match=told):
        read_sections("a.pdf", content)


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_comes_through_every_format_unharmed(tmp_path: Path, text: str) -> None:
    rows = f"<p>{text}</p>"
    leaf = make_leaf(tmp_path, a__md=f"# {text}\n\n{text}\n", b__txt=text, c__html=f"<html><meta charset=utf-8><body>{rows}</body></html>")
    frame = collect_documents(leaf, 60, count_quarters)
    assert frame["text"].to_list() == [text] * 3
    assert frame["heading"].to_list() == [text, "", ""]


def test_html_that_is_nested_too_deeply_is_a_fault_of_its_file() -> None:
    with pytest.raises(InputFaults, match=r"a\.html: its elements are nested too deeply to be read"):
        read_sections("a.html", b"<ul><li>" * 3000 + b"x")


def test_half_a_character_in_a_pdf_becomes_a_mark_that_can_be_recorded() -> None:
    content = write_pdf(["a\ua500b"]).replace(b"<a500>", b"<d800>")
    assert [block.text for section in read_sections("a.pdf", content) for block in section.blocks] == ["a\ufffdb"]


@pytest.mark.parametrize("text", ["The whale sings.", "鲸鱼很大，它唱歌。", "クジラは大きい。"])
def test_a_pdf_keeps_text_that_runs_from_left_to_right(text: str) -> None:
    assert read_sections("a.pdf", write_pdf([text]))[0].blocks[0].text == text


def test_a_pdf_gives_arabic_in_the_order_in_which_it_is_read() -> None:
    text = "الحوت كبير"
    assert read_sections("a.pdf", write_pdf([text[::-1]]))[0].blocks[0].text == text  # a page holds it as it is drawn
