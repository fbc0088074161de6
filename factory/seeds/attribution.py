"""Licences out of an attribution.txt, as SPDX expressions."""

from __future__ import annotations

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from factory.seeds_spec import UNKNOWN

LICENCE_LINE = re.compile(r"^[ \t]*licen[cs]e[ \t]*(?:of[ \t]+the[ \t]+work)?[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
CREATIVE_COMMONS = re.compile(r"\bcc\b|\bcc0\b|creative\s*commons", re.IGNORECASE)
TERMS = (
    (re.compile(r"\battribution\b"), "by"),
    (re.compile(r"\bnon-?\s?commercial\b"), "nc"),
    (re.compile(r"\bshare-?\s?alike\b"), "sa"),
    (re.compile(r"\bno-?\s?deriv\w*(?:\s+works)?"), "nd"),
)
FILLER = re.compile(
    r"a|cc|creative|commons|creativecommons|dedication|deed|domain|en|generic|https?|international|licen[cs]e[ds]?|org|public|publicdomain"
    r"|the|under|universal|unported|v|www"
)
NAMES = (
    (r"(the )?mit( licen[cs]e)?", "MIT"),
    (r"(the )?apache( software)?( licen[cs]e)?,?( version)? ?v?2(\.0)?", "Apache-2.0"),
    (r"(the )?(new |modified )?bsd[ -]?3([ -]clause)?( licen[cs]e)?", "BSD-3-Clause"),
    (r"(the )?(simplified )?bsd[ -]?2([ -]clause)?( licen[cs]e)?", "BSD-2-Clause"),
    (r"(the )?(gnu )?agpl ?-?v?3(\.0)?( licen[cs]e)?", "AGPL-3.0-only"),
    (r"(the )?(gnu )?lgpl ?-?v?3(\.0)?( licen[cs]e)?", "LGPL-3.0-only"),
    (r"(the )?(gnu )?gpl ?-?v?3(\.0)?( licen[cs]e)?", "GPL-3.0-only"),
    (r"(the )?(gnu )?gpl ?-?v?2(\.0)?( licen[cs]e)?", "GPL-2.0-only"),
    (r"(in )?(the )?public domain", "LicenseRef-Public-Domain"),  # SPDX has no id for it
)


def parse_spdx(text: str) -> str | None:
    """The SPDX expression that a licence line means (`CC BY-NC-SA 4.0` is `CC-BY-NC-SA-4.0`); null where it cannot be told.

    A Creative Commons licence without its version means none: its terms differ between versions.
    """
    text = " ".join(text.split()).strip(" .;\"'")
    return _canonical(text) or _named(text) or _creative_commons(text)


def read_licence(text: str) -> tuple[str, tuple[str, ...]]:
    """The licence of a leaf from its attribution.txt, and what could not be read of it.

    Several works under several licences give all of them, joined by AND; one unreadable line makes the whole "unknown".
    """
    lines = [match[1] for match in LICENCE_LINE.finditer(text)]
    if not lines:
        return UNKNOWN, ("no 'License of the work:' line",)
    licences = {line: parse_spdx(line) for line in lines}
    unread = tuple(f"the licence {line!r} is no SPDX id such as CC-BY-4.0" for line, spdx in licences.items() if spdx is None)
    if unread:
        return UNKNOWN, unread
    several = sorted({spdx for spdx in licences.values() if spdx})
    return several[0] if len(several) == 1 else " AND ".join(f"({spdx})" if " OR " in spdx else spdx for spdx in several), ()


def _canonical(text: str) -> str | None:
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


def _named(text: str) -> str | None:
    return next((spdx for name, spdx in NAMES if re.fullmatch(name, text.lower())), None)


def _creative_commons(text: str) -> str | None:
    if not CREATIVE_COMMONS.search(text):
        return None
    text = text.lower()
    for term, short in TERMS:
        text = term.sub(short, text)
    tokens = [token for token in re.findall(r"[0-9]+(?:\.[0-9]+)?|[a-z]+", text) if not FILLER.fullmatch(token)]
    if "cc0" in text.replace(" ", "") or "zero" in tokens:
        return "CC0-1.0" if not set(tokens) - {"zero", "0", "1.0", "1"} else None
    versions = {f"{token}.0" if token.isdigit() else token for token in tokens if token[0].isdigit()}
    ports = [token for token in tokens if not token[0].isdigit() and token not in ("by", "nc", "nd", "sa")]
    if len(versions) != 1 or len(ports) > 1 or "by" not in tokens:
        return None
    terms = [term for term in ("by", "nc", "nd", "sa") if term in tokens]
    return _canonical("-".join(["cc", *terms, *versions, *ports]))
