"""Finds personal data in text with Presidio's pattern recognisers: its type, place and score, never the value."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import polars as pl

FINDING: dict[str, Any] = {
    "record_id": pl.String,
    "field": pl.String,
    "type": pl.String,
    "start": pl.Int64,  # characters from the beginning of the field
    "end": pl.Int64,
    "score": pl.Float64,  # 0 to 1
}
"""One piece of personal data. There is no column for the value: a report must not spread what it warns of."""

THRESHOLDS: dict[str, float] = {
    # Checksums decide (Luhn, ISO 7064, base58check, Verhoeff, DEA): 1.0 is right, all else is a number that looks like one.
    "CREDIT_CARD": 1.0,
    "IBAN_CODE": 1.0,
    "CRYPTO": 1.0,
    "IN_AADHAAR": 1.0,
    "MEDICAL_LICENSE": 1.0,
    # The domain's ending must be on the public suffix list.
    "EMAIL_ADDRESS": 1.0,
    # Pattern alone, 0.6; addresses that are not routed on the internet (127.0.0.1, 192.168.*) name nobody and are dropped.
    "IP_ADDRESS": 0.6,
    "MAC_ADDRESS": 0.6,
    # Bare digits score 0.4 and count only beside a word such as "phone"; "+62 …", "(021) …", "0812 …", "541-714-1388" score 0.6 alone.
    "PHONE_NUMBER": 0.6,
    # Grouped 3-2-4 with a valid area number scores 0.5; nine bare digits 0.05, so that they need "social security" and still fail.
    "US_SSN": 0.5,
    "US_ITIN": 0.5,
    # Five letters, the fourth a type of holder, four digits and a letter score 0.5; looser patterns 0.1 and 0.01.
    "IN_PAN": 0.5,
    # Sixteen digits of which six are a possible birth date score 0.4, and so does one number in twelve: only beside "NIK" or "KTP".
    "ID_NIK": 0.6,
}
"""Least score at which a finding of a type counts. Left out on purpose: dates and web addresses, which name nobody by themselves;
US bank, passport and licence numbers and the UK NHS number, which any run of digits satisfies; names and places, which need a model."""

PHONE_REGIONS = ("US", "GB", "ID", "IN", "DE", "FR", "NL", "ES", "IT", "SE", "PL", "BR", "AU", "ZA", "JP")

PHONE_DIGITS = 7
"""Fewest digits of a phone number; shorter ones are valid in a few towns, and are street numbers and postcodes anywhere else."""

PHONE_WORDS = ["phone", "telephone", "tel", "mobile", "cellphone", "fax", "sms", "whatsapp", "telepon", "telpon", "ponsel", "hp", "hubungi"]

NIK_WORDS = ["nik", "ktp", "penduduk", "kependudukan"]

NIK = r"\b[1-9]\d{5}(?:0[1-9]|[12]\d|3[01]|4[1-9]|[56]\d|7[01])(?:0[1-9]|1[0-2])\d{6}\b"
"""Indonesian identity number: region, day (+40 for women), month, year, serial."""

OTHER_CARDS = r"\b(?:2[2-7]\d{2}([- ]?)\d{4}\1\d{4}\1\d{4}|4\d{18}|(?:2131|1800)\d{11}|(?:50(?:18|20|38)|5[6-9]\d{2}|6\d{3})\d{8})\b"
"""Card numbers that Presidio's pattern misses: Mastercard's 2-series, Visa of 19 digits, JCB of 15, Maestro of 12 (ISO/IEC 7812 ranges)."""


def find_personal_data(records: pl.DataFrame, fields: tuple[str, ...]) -> pl.DataFrame:
    """Personal data in text columns of `records`, as FINDING rows in the order of record id, field and place.

    The fields of a record are read as one text, one a line, so that a number in a response is seen beside the word
    "phone" in its instruction. Each distinct text is scanned once. About 400 short texts a second on one core.
    """
    texts = records.select("record_id", *(pl.col(name).fill_null("") for name in fields))
    scanned: dict[str, list[tuple[str, int, int, float]]] = {}
    rows = []
    for record_id, *parts in texts.sort("record_id").iter_rows():
        text = "\n".join(parts)
        if text not in scanned:
            scanned[text] = _scan(text)
        for kind, start, end, score in scanned[text]:
            at = 0
            while start > len(parts[at]):
                start, end, at = start - len(parts[at]) - 1, end - len(parts[at]) - 1, at + 1
            rows.append((record_id, fields[at], kind, start, end, score))
    return pl.DataFrame(rows, schema=FINDING, orient="row")


def _scan(text: str) -> list[tuple[str, int, int, float]]:
    found = _analyzer().analyze(text, language=ANY_LANGUAGE)
    kept = [(each.entity_type, each.start, each.end, each.score) for each in found if each.score >= THRESHOLDS[each.entity_type]]
    return sorted(kept, key=lambda each: each[1:3])


ANY_LANGUAGE = "xx"
"""spaCy's code of its tokenizer for all languages: patterns of personal data do not depend on the language of the text."""


@cache
def _analyzer() -> Any:
    """Presidio's analyzer over pattern recognisers alone: nothing is downloaded, at the start or later."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer

    # By default the enhancer finds "tel" in "hotel" and looks before the number only.
    enhancer = LemmaContextAwareEnhancer(context_matching_mode="whole_word", context_suffix_count=1)
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=_recognizers(), supported_languages=[ANY_LANGUAGE]),
        nlp_engine=_tokenizer(),
        supported_languages=[ANY_LANGUAGE],
        context_aware_enhancer=enhancer,
    )


def _tokenizer() -> Any:
    """A spaCy engine that only splits words; the usual one downloads a model of 400 MB when it is opened."""
    import spacy
    from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

    class Tokenizer(SpacyNlpEngine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": ANY_LANGUAGE, "model_name": "blank"}])
            self.nlp = {ANY_LANGUAGE: spacy.blank(ANY_LANGUAGE)}
            self.nlp[ANY_LANGUAGE].max_length = sys.maxsize  # the limit of 1,000,000 characters is meant for parsers

        def process_text(self, text: str, language: str) -> Any:
            tokens = self.nlp[language](text)
            lowered = [token.lower_ for token in tokens]
            return NlpArtifacts([], tokens, [token.idx for token in tokens], lowered, nlp_engine=self, language=language)

    return Tokenizer()


def _recognizers() -> list[Any]:
    from presidio_analyzer import Pattern, PatternRecognizer
    from presidio_analyzer import predefined_recognizers as known

    plain = (
        known.CryptoRecognizer,
        known.IbanRecognizer,
        known.InAadhaarRecognizer,
        known.MacAddressRecognizer,
        known.MedicalLicenseRecognizer,
        known.UsItinRecognizer,
        known.UsSsnRecognizer,
    )
    # The weaker two patterns can never reach the threshold, and one of them takes time that grows with the square of the text.
    pan = [pattern for pattern in known.InPanRecognizer.PATTERNS if pattern.score >= THRESHOLDS["IN_PAN"]]
    cards = [*known.CreditCardRecognizer.PATTERNS, Pattern("other issuers", OTHER_CARDS, 0.3)]
    return [
        *(recognizer(supported_language=ANY_LANGUAGE) for recognizer in plain),
        *(recognizer(supported_language=ANY_LANGUAGE) for recognizer in _stricter_recognizers()),
        known.CreditCardRecognizer(patterns=cards, supported_language=ANY_LANGUAGE),
        known.InPanRecognizer(patterns=pan, supported_language=ANY_LANGUAGE),
        PatternRecognizer("ID_NIK", patterns=[Pattern("NIK", NIK, 0.4)], context=NIK_WORDS, supported_language=ANY_LANGUAGE),
    ]


def _stricter_recognizers() -> list[Any]:
    """Three of Presidio's recognisers, each mended in one point."""
    import ipaddress
    import re

    import tldextract
    from presidio_analyzer import predefined_recognizers as known

    bundled_suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    written_as_phone = re.compile(r"\+|\(?0\d|\(\d|1?[-. ]?\d{3}([-.])\d{3}\1\d{4}(?!\d)")

    class Email(known.EmailRecognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool:
            """As Presidio's, which fetches the public suffix list from the web and writes it under the home folder."""
            return bool(bundled_suffixes(pattern_text).fqdn)

    class Ip(known.IpRecognizer):  # type: ignore[misc]
        def invalidate_result(self, pattern_text: str) -> bool:
            return bool(super().invalidate_result(pattern_text)) or not ipaddress.ip_interface(pattern_text).ip.is_global

    class Phone(known.PhoneRecognizer):  # type: ignore[misc]
        def __init__(self, supported_language: str) -> None:
            super().__init__(context=PHONE_WORDS, supported_language=supported_language, supported_regions=PHONE_REGIONS)

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            if _digits(text) < PHONE_DIGITS:
                return []
            matched = [(each, text[each.start : each.end]) for each in super().analyze(text, entities, nlp_artifacts)]
            found = [each for each, number in matched if "/" not in number and _digits(number) >= PHONE_DIGITS]
            for each in found:
                each.score = 0.6 if written_as_phone.match(text, each.start, each.end) else self.SCORE
            return found

    return [Email, Ip, Phone]


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))
