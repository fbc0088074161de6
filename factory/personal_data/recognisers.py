"""Presidio's recognisers that need no download, some of them made stricter, and one for each kind of number that people are given."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from factory.personal_data.addresses import build_address
from factory.personal_data.numbers import NUMBERS, Number
from factory.personal_data.types import BARE, WRITTEN

ANY: Final = "xx"
"""The one language that all recognisers are registered for: what depends on a text's language is its context words alone."""

WORDS: Final[dict[str, tuple[str, str]]] = {
    "PHONE_NUMBER": ("", "phone"),
    "CREDIT_CARD": ("", "card"),
    "US_MBI": ("mbi|medicare", "identity"),
    "UK_NINO": ("nino|ni number|national insurance", "identity"),
    "DE_SOCIAL_SECURITY": ("rentenversicherungsnummer|svnr|sozialversicherungsnummer", "identity"),
    "SG_NRIC_FIN": ("nric|fin|singpass", "identity"),
    "MEDICAL_LICENSE": ("dea|dea number", "licence"),
    "US_BANK_NUMBER": ("", "account"),
} | {number.type: (number.names, number.group) for number in NUMBERS}
"""By type, its own names and the group of its general words (factory.personal_data.words)."""

UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
LETTER: Final = rf"(?![{UNSPACED}\p{{Hangul}}])\w"
BEFORE: Final = rf"(?<!{LETTER})(?<!\d[.,/-])(?:"
BEHIND: Final = rf")(?!{LETTER})(?![.,/-]\d)"
"""A number stands apart from letters, but for those of scripts that write no spaces, and of Korean, whose particles follow at once."""

CARD: Final = r"[3-6]\d{3}|2[2-7]\d{2}"
GROUPED_CARD: Final = rf"(?:{CARD})([ -])\d{{4}}\1\d{{4}}\1\d{{4}}|3[47]\d\d([ -])\d{{6}}\2\d{{5}}|30[0-5]\d([ -])\d{{6}}\3\d{{4}}"
BARE_CARD: Final = r"\d(?:[ -]?\d){11,18}"
"""A bare number counts only beside a word for a card, whatever its issuer (ISO/IEC 7812: at most 19 digits; Maestro has cards of 12)."""

PHONE_REGIONS: Final = ("US", "GB", "ID", "IN", "DE", "FR", "NL", "ES", "IT", "SE", "PL", "BR", "AU", "ZA", "JP")
PHONE: Final = r"(?:\+|\(\+?)?\d(?:[ ()./\-]{0,2}\d){6,14}(?: ?(?:x|ext\.? ?)\d{1,5})?"
"""Seven digits or more: shorter numbers are valid in a few towns, and are street numbers and postcodes anywhere else."""

HOSTS_OF_NOBODY: Final = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Domains that are kept for documentation (RFC 2606): an address there is nobody's."""

EMAILS: Final = (
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+'-][A-Za-z0-9._%+'-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])",
    rf"(?<![\w.%+-])(?:(?![{UNSPACED}])\w)(?:(?![{UNSPACED}])[\w.%+'-]){{0,63}}@(?:[\w-]{{1,63}}\.){{1,8}}[^\W\d_][\w-]{{1,62}}",
    rf"(?<!\w)[{UNSPACED}]{{1,20}}@(?:[\w-]{{1,63}}\.){{1,8}}[^\W\d_][\w-]{{1,62}}",
)
"""In ASCII, also where the text before it writes no spaces; of any letters (RFC 6531); of letters of scripts without spaces."""

VERSION: Final = r"(?:\b(?:v|ver|version|versi|release|section|chapter|clause|bab|pasal|§)\.? ?|[\w.]-?)$"


def build_recognisers() -> list[Any]:
    """All of them, those of weak types too: which types are looked for is asked for at each text."""
    from presidio_analyzer import predefined_recognizers as known

    plain = (
        known.CryptoRecognizer,
        known.MacAddressRecognizer,
        known.MedicalLicenseRecognizer,
        known.UsMbiRecognizer,
        known.UkNinoRecognizer,
        known.DeSocialSecurityRecognizer,
        known.SgFinRecognizer,
        known.UrlRecognizer,
        known.DateRecognizer,
        known.UsBankRecognizer,
    )
    # Presidio's own of cards, e-mail and IP addresses and telephones, each mended where our texts showed that it must be.
    return [
        *(recogniser(supported_language=ANY) for recogniser in plain),
        *(build() for build in (_build_card, _build_email, _build_iban, _build_ip, _build_phone)),
        build_address(),
        *(_build_number(number) for number in NUMBERS),
    ]


def _build_number(number: Number) -> Any:
    """A recogniser that drops what fails the validator, and leaves it to the words beside it whether a bare number counts."""
    from presidio_analyzer import Pattern, PatternRecognizer

    valid = _load_validator(number.validator)

    class NumberRecogniser(PatternRecognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool | None:
            """None leaves the score of the pattern; Presidio's recognisers call any number of right checksum certain."""
            return None if valid(pattern_text) else False

    forms = [("written", number.written, WRITTEN), ("bare", number.bare, BARE)]
    patterns = [Pattern(name, f"{BEFORE}{form}{BEHIND}", score) for name, form, score in forms if form]
    return NumberRecogniser(number.type, name=number.type, patterns=patterns, supported_language=ANY)


def _load_validator(name: str | None) -> Callable[[str], bool]:
    if name is None:
        return lambda text: any(map(str.isdigit, text))
    module = import_module(f"stdnum.{name}")

    def valid(text: str) -> bool:
        together = "".join(character for character in text if character not in " ./-")
        # A hyphen or a slash may be part of the number, as the sign of the century is in the north.
        return len(set(together)) > 2 and bool(module.is_valid(text) or module.is_valid(together))

    return valid


def _build_card() -> Any:
    from presidio_analyzer import Pattern
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer

    class Card(CreditCardRecognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool | None:
            return None if super().validate_result(pattern_text) else False

    patterns = [Pattern("grouped", f"{BEFORE}{GROUPED_CARD}{BEHIND}", WRITTEN), Pattern("bare", f"{BEFORE}{BARE_CARD}{BEHIND}", BARE)]
    return Card(patterns=patterns, supported_language=ANY)


def _build_email() -> Any:
    import tldextract
    from presidio_analyzer import Pattern
    from presidio_analyzer.predefined_recognizers import EmailRecognizer

    bundled_suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class Email(EmailRecognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool:
            """As Presidio's, which fetches the public suffix list from the web and writes it under the home folder."""
            host = pattern_text.rpartition("@")[2].lower()
            reserved = any(host == each or host.endswith(f".{each}") for each in HOSTS_OF_NOBODY)
            return not reserved and ".." not in pattern_text and bool(bundled_suffixes(host).top_domain_under_public_suffix)

    patterns = [Pattern(f"e-mail {place}", pattern, WRITTEN) for place, pattern in enumerate(EMAILS)]
    return Email(patterns=patterns, supported_language=ANY)


def _build_iban() -> Any:
    import regex
    from presidio_analyzer.predefined_recognizers import IbanRecognizer

    class Iban(IbanRecognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool | None:
            return super().validate_result(pattern_text.upper())  # type: ignore[no-any-return]

    return Iban(supported_language=ANY, regex_flags=regex.DOTALL | regex.MULTILINE | regex.IGNORECASE)


def _build_ip() -> Any:
    import ipaddress

    import regex
    from presidio_analyzer.predefined_recognizers import IpRecognizer

    version = regex.compile(VERSION, regex.IGNORECASE)

    class Ip(IpRecognizer):  # type: ignore[misc]
        def invalidate_result(self, pattern_text: str) -> bool:
            return bool(super().invalidate_result(pattern_text)) or not ipaddress.ip_interface(pattern_text).ip.is_global

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None, regex_flags: int | None = None) -> list[Any]:
            """Without versions and sections, which are four numbers with dots as well."""
            found = super().analyze(text, entities, nlp_artifacts, regex_flags)
            return [each for each in found if not version.search(text, max(0, each.start - 12), each.start)]

    return Ip(supported_language=ANY)


def _build_phone() -> Any:
    import phonenumbers
    import regex
    from presidio_analyzer import RecognizerResult
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    phone = regex.compile(rf"(?<!\+){BEFORE}{PHONE}{BEHIND}")
    date = regex.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(?: \d.*)?$")
    written_as_phone = regex.compile(r"\+|\(?0\d(?:\d{7}|\d*\D)|\(\d{2,4}\) ?\d|1?[-. ]?\(?\d{3}\)?([-.])\d{3}\1\d{4}(?!\d)")
    fictional = regex.compile(r"(?:\+?1)?[2-9]\d\d55501\d\d$")

    class Phone(PhoneRecognizer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(supported_language=ANY, supported_regions=PHONE_REGIONS)

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            """What is valid somewhere and written as a telephone number is one; other runs of digits need a word such as "phone"."""
            found = []
            for match in phone.finditer(text):
                number = match.group()
                digits = "".join(filter(str.isdigit, number))
                slashed = "/" in number and not number.startswith(("0", "+", "(0"))
                if not date.match(number) and not slashed and not fictional.match(digits) and len(set(digits)) > 2:
                    score = WRITTEN if written_as_phone.match(number) and self._is_valid(number) else BARE
                    told = {RecognizerResult.RECOGNIZER_NAME_KEY: self.name, RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id}
                    found.append(RecognizerResult("PHONE_NUMBER", match.start(), match.end(), score, recognition_metadata=told))
            return found

        def _is_valid(self, number: str) -> bool:
            regions = [None] if "+" in number else self.supported_regions
            return any(next(iter(phonenumbers.PhoneNumberMatcher(number, region)), None) is not None for region in regions)

    return Phone()
