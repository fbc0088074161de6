"""Postal addresses by their form: a street's name with what calls it a street and a number, and post boxes. No list of places, no model."""

from __future__ import annotations

from typing import Any, Final

from factory.personal_data.types import WRITTEN

NAME: Final = r"(?:\p{Lu}[\p{L}'’.-]{1,30}|\p{Lu}\.?|\d{1,3}(?:st|nd|rd|th))"
"""A word of a street's name: capitalised, an initial, or an ordinal."""

NUMBER: Final = r"\d{1,5}(?: ?[-–/] ?\d{1,4})?(?:[ -]?[a-zA-Z](?!\p{L}))?"
"""A house's number: 12, 12a, 12-14, 12/3."""

ENGLISH: Final = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Drive|Dr|Lane|Ln|Boulevard|Blvd|(?<!(?:Supreme|District|Circuit|County|Appeals|High) )Court|Ct|Square"
    r"|Sq|Terrace|Parkway|Pkwy|Highway|Hwy|Crescent|Cres|Circle|Cir|Trail|Trl|Turnpike|Esplanade|Mews|Gardens|Grove|Heights|Close)"
)
"""Words that follow the name of a street and are hardly ever the last word of another name with a number before it."""

AHEAD: Final = (
    r"(?:[Rr]ue|[Aa]venue|[Bb]oulevard|Bd|[Qq]uai|[Cc]hemin|[Aa]llée|Via|[Vv]iale|[Cc]orso|[Pp]iazza|[Cc]alle|[Aa]venida|[Aa]vda|[Pp]aseo"
    r"|[Rr]ua|[Tt]ravessa|[Jj]alan|[Jj]ln?|Gang|[Uu]l|[Uu]lica|[Aa]leja)\.?"
)
"""Words that stand before it: French, Italian, Spanish, Portuguese, Indonesian, Malay, Polish."""

JOINED: Final = (
    r"\p{Lu}\p{L}{2,30}(?:straße|strasse|str\.|gasse|allee|platz|weg|damm|ufer|straat|laan|plein|gracht|kade|gatan|vägen|gränd|gata|vegen|veien"
    r"|vej|vænget|gade(?<!Brigade)|katu|kuja|polku)|\p{Ll}{3,30}(?:straße|strasse|straat|gracht|gatan|vägen|vej|vænget|katu)"
)
"""Streets of one word, by what it ends in: German, Dutch, Swedish, Norwegian, Danish, Finnish."""

BEHIND: Final = r"(?:Straße|Strasse|Str\.|Gasse|Allee|Platz|Weg|gate|vei|utca|u\.|út|tér|krt\.)"
"""Words that follow a name and stand before the number: German, Norwegian, Hungarian."""

HOME: Final = r"(?:,?\s{1,4}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|RT|RW)\.? ?#?\d{1,5}\w?)?"
"""The part of a house, which belongs to its address."""

AFTER: Final = r"(?![\p{L}\d%]|[.,]\d)"

POSTCODE: Final = r"(?:,\s{1,4}\p{Lu}[\p{L} .'-]{1,40},?\s{1,4}(?:[A-Z]{2},?\s{1,4})?\d{5}(?:-\d{4})?)?"
"""A place and its code of five digits, with or without a state between."""

FORMS: Final = {
    "number, name, street": rf"(?<![\p{{L}}\d.,$€£%/+*-]){NUMBER}(?:,? {NAME}){{1,4}} {ENGLISH}\b\.?{HOME}{POSTCODE}",
    "number, street, name": rf"(?<![\p{{L}}\d.,$€£%/+*-]){NUMBER},? {AHEAD}(?: (?:d[aeiu]l?s?|l[ae]s?|el)\b| [dl]['’])*(?: ?{NAME}){{1,4}}",
    "street, name, number": (
        rf"(?<!\p{{L}}){AHEAD}(?: (?:d[aeiou]l?s?|l[ae]s?|el)\b| [dl]['’])*(?: ?{NAME}){{1,4}}"
        rf"(?:,? (?:[Nn]o|[Nn]r|[Nn]omor|[Nn][°º])\.? ?|,? ){NUMBER}{AFTER}{HOME}{POSTCODE}"
    ),
    "street in one word, number": rf"(?<!\p{{L}})(?:{JOINED}) {NUMBER}{AFTER}{HOME}",
    "street in two words, number": rf"(?<!\p{{L}})(?:{NAME} ){{1,2}}{BEHIND} {NUMBER}{AFTER}{HOME}",
    "name, number, part of a house": (
        rf"(?<!\p{{L}})(?:\d{{1,6}} )?(?:{NAME} ){{1,4}}\d{{1,5}}\w?\.?,?\s{{1,4}}(?:Apt|Apartment|Suite|Ste)\.? ?#?\d{{1,5}}"
    ),
    "post box": r"(?<!\p{L})(?:P\.? ?O\.? ?[Bb]ox|[Pp]ostfach|[Aa]partado|PSC \d{3,4},? Box|Unit \d{3,4},? Box|Kotak Pos) ?#?\d{1,6}",
}
"""Patterns by what they are a form of."""


def build_address() -> Any:
    """The recogniser of STREET_ADDRESS, for texts of any language."""
    from presidio_analyzer import Pattern, PatternRecognizer

    patterns = [Pattern(name, form, WRITTEN) for name, form in FORMS.items()]
    return PatternRecognizer("STREET_ADDRESS", name="STREET_ADDRESS", patterns=patterns, supported_language="xx", global_regex_flags=0)
