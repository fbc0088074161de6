"""Writes PDFs for tests: a text on each page, any script, with an outline."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject, NumberObject


def write_pdf(pages: Sequence[str], outline: Sequence[tuple[str, int]] = (), password: str | None = None) -> bytes:
    """A PDF of `pages`, line by line; each entry of `outline` is a title with its page."""
    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(595, 842)
        codes = {character: number for number, character in enumerate(sorted(set(text) - {"\n"}), 1)}
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(_make_font(writer, codes))})}
        )
        shown = " ".join(f"<{''.join(f'{codes[character]:04x}' for character in line)}> Tj 0 -30 Td" for line in text.split("\n"))
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 20 Tf 50 780 Td {shown} ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content)
    for title, number in outline:
        writer.add_outline_item(title, number)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _make_font(writer: PdfWriter, codes: dict[str, int]) -> DictionaryObject:
    """A font that is not embedded, whose codes a map names: a reader of text needs no shapes."""
    mapped = "\n".join(f"<{code:04x}> <{character.encode('utf-16-be').hex()}>" for character, code in codes.items())
    to_unicode = DecodedStreamObject()
    to_unicode.set_data(
        f"begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange {len(codes)} beginbfchar\n{mapped}\nendbfchar endcmap".encode()
    )
    names = {"/Type": "/Font", "/Subtype": "/CIDFontType2", "/BaseFont": "/Test"}
    inner = DictionaryObject({NameObject(key): NameObject(value) for key, value in names.items()})
    inner[NameObject("/DW")] = NumberObject(500)
    inner[NameObject("/CIDSystemInfo")] = DictionaryObject()
    names = {"/Type": "/Font", "/Subtype": "/Type0", "/BaseFont": "/Test", "/Encoding": "/Identity-H"}
    font = DictionaryObject({NameObject(key): NameObject(value) for key, value in names.items()})
    font[NameObject("/DescendantFonts")] = ArrayObject([writer._add_object(inner)])
    font[NameObject("/ToUnicode")] = writer._add_object(to_unicode)
    return font
