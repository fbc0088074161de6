"""Documents as sections, by their suffix: Markdown, plain text, HTML and PDF."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import regex

from factory.faults import Fault, InputFaults
from factory.seeds.sections import Section, split_markdown, split_text
from factory.yaml_source import decode_text

if TYPE_CHECKING:
    from pypdf import PdfReader

LATIN = dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii"), "cp1252")
"""What browsers read for these labels: https://encoding.spec.whatwg.org/#names-and-labels."""
NO_TEXT = ("script", "style", "noscript", "template", "nav", "footer", "aside", "form", "iframe", "svg")
"""HTML elements that are around a text and not of it."""
BROKEN_WORD = regex.compile(r"(?<=\p{L})(?:\u00ad|-(?=\n\p{Ll}))\n")
"""A word that a printed line divides."""


def read_sections(name: str, content: bytes) -> list[Section]:
    """The sections of a document that hold text; `name` ends in one of SUFFIXES, and faults call the document so.

    Raises InputFaults where it cannot be read, and where there is no text in it.
    """
    suffix = suffix_of(name)
    try:
        sections = list(READERS[suffix](name, content))
    except RecursionError:
        raise _refuse(name, "its elements are nested too deeply to be read; save it anew, or leave it out") from None
    if not sections:
        advice = "; a scan holds pictures of text: give one with a text layer" if suffix == ".pdf" else ""
        raise _refuse(name, f"the document is empty, or holds headings alone{advice}")
    return sections


def suffix_of(name: str) -> str:
    """The suffix that tells the format of a document, in lower case; empty where there is none."""
    last = name.rpartition("/")[2]
    return f".{last.rpartition('.')[2].lower()}" if "." in last[1:] else ""


def _refuse(name: str, problem: str, line: int = 0, column: int = 0) -> InputFaults:
    return InputFaults("document", [Fault(name, line, column, "", problem)])


def _decode(name: str, content: bytes) -> str:
    text = decode_text(content, name)
    if isinstance(text, Fault):
        raise InputFaults("document", [text])
    return text


def _read_markdown(name: str, content: bytes) -> Iterator[Section]:
    return split_markdown(_decode(name, content))


def _read_text(name: str, content: bytes) -> Iterator[Section]:
    return split_text(_decode(name, content))


def _decode_html(name: str, content: bytes) -> str:
    """By the encoding that the page declares, else UTF-8; nothing is guessed, for a wrong guess reads as nonsense."""
    from bs4.dammit import EncodingDetector

    declared = EncodingDetector.find_declared_encoding(content, is_html=True, search_entire_document=False) or "utf-8"
    if declared in ("utf-8", "utf8"):
        return _decode(name, content)
    try:
        return content.decode(LATIN.get(declared, declared))
    except LookupError:
        raise _refuse(name, f"the page declares the encoding {declared!r}, which is none; save it as UTF-8") from None
    except UnicodeDecodeError as error:
        raise _refuse(name, f"the page declares the encoding {declared!r}, and byte {error.start} is none of it; save as UTF-8") from None


def _read_html(name: str, content: bytes) -> Iterator[Section]:
    """By way of Markdown, which has a heading, a list and a table for each of HTML's."""
    from bs4 import BeautifulSoup, Comment
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(_decode_html(name, content), "html.parser")
    for element in [*soup.find_all(NO_TEXT), *soup.find_all(string=lambda text: isinstance(text, Comment))]:
        element.extract()
    for text in soup.find_all(string=regex.compile(r"^\s*#")):
        if text.find_parent(["pre", "code"]) is None:
            text.replace_with(text.replace("#", "\\#", 1))
    body: Any = soup.find("main") or soup.find("body") or soup
    converter = MarkdownConverter(
        heading_style="ATX",
        bullets="-",
        strip=["a", "img"],
        escape_asterisks=False,
        escape_underscores=False,
        table_infer_header=True,
    )
    return split_markdown(converter.convert_soup(body))


def _read_pdf(name: str, content: bytes) -> Iterator[Section]:
    """A section for each run of pages under the same outline entry (bookmark); paragraphs as far as empty lines tell them."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of each blemish that it reads over
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _refuse(name, "is locked with a password; save a copy without one")
        pages = [_pair(page.extract_text()).strip() for page in reader.pages]
        outline = dict(_walk_outline(reader, reader.outline, ()))
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:  # pypdf lets its parser's own errors through
        raise _refuse(name, f"is no PDF that can be read ({error}); export it anew") from None
    headings: tuple[str, ...] = ()
    gathered: list[str] = []
    for number, text in enumerate(pages):
        if number in outline and outline[number] != headings:
            yield from split_text(_mend("\n".join(gathered)), headings)
            headings, gathered = outline[number], []
        gathered.append(text)
    yield from split_text(_mend("\n".join(gathered)), headings)


def _walk_outline(reader: PdfReader, entries: Sequence[Any], above: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The page and the path of titles of each entry, in order; a list holds what is below the entry before it."""
    path = above
    for entry in entries:
        if isinstance(entry, list):
            yield from _walk_outline(reader, entry, path)
            continue
        path = (*above, _pair(str(entry.title)).strip())
        page = reader.get_destination_page_number(entry)
        if page is not None and page >= 0:
            yield page, path


def _pair(text: str) -> str:
    """Text whose surrogates are joined to the characters that they stand for; one without its other half becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mend(text: str) -> str:
    return str(BROKEN_WORD.sub("", text))


READERS: dict[str, Callable[[str, bytes], Iterator[Section]]] = {
    ".md": _read_markdown,
    ".markdown": _read_markdown,
    ".txt": _read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".xhtml": _read_html,
    ".pdf": _read_pdf,
}
SUFFIXES = tuple(READERS)
