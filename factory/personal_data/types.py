"""The types of personal data, and the least score at which a finding of each counts."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import polars as pl

from factory.personal_data.numbers import NUMBERS

FINDING: Final[dict[str, Any]] = {
    "record_id": pl.String,
    "field": pl.String,  # a column of the record; of the turns of a dialogue "turns[0]", "turns[1]", …
    "type": pl.String,
    "start": pl.Int64,  # characters from the beginning of the field
    "end": pl.Int64,
    "score": pl.Float64,  # 0 to 1
}
"""One piece of personal data. There is no column for the value: a report must not spread what it warns of."""


class Finding(NamedTuple):
    """Where in a text something stands, in characters, of which type, and how sure (0 to 1)."""

    start: int
    end: int
    type: str
    score: float


BARE = 0.3
"""Score of a number that passes its checksum and is written as any number may be: one in ten or in a hundred does by chance."""

WRITTEN = 0.6
"""Score of one in a form that hardly anything else has, and of a bare one beside a general word ("tax number")."""

GENERAL_WORD = 0.35
NAME = 0.5
"""What a general word, and what the number's own name ("NIK", "SSN"), adds to a score; together no more than 1."""

THRESHOLDS: Final[dict[str, float]] = {
    "EMAIL_ADDRESS": 0.6,
    "PHONE_NUMBER": 0.6,
    "IP_ADDRESS": 0.6,
    "MAC_ADDRESS": 0.6,
    "CREDIT_CARD": 0.6,
    "IBAN_CODE": 0.6,
    "CRYPTO": 0.6,
    "MEDICAL_LICENSE": 0.6,
    "US_MBI": 0.6,
    "UK_NINO": 0.5,  # two letters of a list, six digits and a letter from A to D: no checksum, and nothing else looks so
    "DE_SOCIAL_SECURITY": 0.6,
    "SG_NRIC_FIN": 0.6,
    "STREET_ADDRESS": 0.6,
} | {number.type: 0.6 for number in NUMBERS}
"""Least score at which a finding of a type counts, as measured in docs/personal-data.md."""

WEAK: Final[dict[str, float]] = {"URL": 0.5, "DATE_TIME": 0.5, "US_BANK_NUMBER": 0.3}
"""Types that are found only where a line names them: dates and web addresses name nobody by themselves; any long number near the word
"account" is a US bank number."""

NAMES: Final[dict[str, float]] = {"PERSON": 0.5, "LOCATION": 0.5}
"""Types that only a model finds, and that count as soon as a line names one."""

OTHER_NAMES: Final[dict[str, float]] = {"ORGANIZATION": 0.5, "NRP": 0.5, "AGE": 0.5, "TITLE": 0.5, "ZIP_CODE": 0.5}
"""Types that some models find beside those, and that count where a line names them. NRP: nationality, religion, politics."""

TYPES: Final = frozenset(THRESHOLDS | WEAK | NAMES | OTHER_NAMES)
