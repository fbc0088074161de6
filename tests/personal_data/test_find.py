"""The scan for personal data: what counts, what does not, where it stands; and that no value and no connection leaves it."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_world import clean_world

from factory.records import DOCUMENT, empty
from factory.validation.personal_data import FINDING, find_personal_data
from factory.validation.privacy import measure_privacy


def types_in(*texts: str) -> list[str]:
    records = pl.DataFrame({"record_id": [f"{at:02}" for at in range(len(texts))], "text": texts})
    return find_personal_data(records, ("text",))["type"].to_list()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pay with 4111 1111 1111 1111 please.", "CREDIT_CARD"),
        ("Mastercard 2223003122003222", "CREDIT_CARD"),
        ("My account is GB82 WEST 1234 5698 7654 32", "IBAN_CODE"),
        ("Kirim ke budi.santoso@kampus.ac.id ya", "EMAIL_ADDRESS"),
        ("He logged in from 86.121.97.248 at night", "IP_ADDRESS"),
        ("Her device is 00:1A:2B:3C:4D:5E", "MAC_ADDRESS"),
        ("SSN 460-89-9847", "US_SSN"),
        ("Write to me at +62 812 3456 7890", "PHONE_NUMBER"),
        ("Nomor saya 0812-3456-7890", "PHONE_NUMBER"),
        ("The front office has 541-714-1388", "PHONE_NUMBER"),
        ("phone: 9498777106", "PHONE_NUMBER"),
        ("NIK 3174096112900001", "ID_NIK"),
        ("His PAN card is ABCPE1234F", "IN_PAN"),
    ],
)
def test_personal_data_is_found(text: str, kind: str) -> None:
    assert kind in types_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is 1234567 * 2?\n2469134",
        "Compute 1234567890 * 2",
        "Find the largest number: 2125551234, 45, 9",
        "What is 7 * 23? 7 * 23 = 161",
        "47 + 85 = 132",
        "Add 12 days to 2024-03-25. 2024-04-06",
        "See https://example.org/page and 12/03/1999",
        "The router answers at 192.168.0.1 and 127.0.0.1",
        "Continue the sequence: 5, 9, 13, 17",
        "4111 1111 1111 1112 fails its checksum",
        "3600 minutes = 60 hours",
        '{"name": "Ana", "age": 31, "city": "Bogor"}',
        "The number 3174096112900001 is large",
        "profit: 0.75-0.25-0.10",
        "",
    ],
)
def test_what_names_nobody_is_not_found(text: str) -> None:
    assert types_in(text) == []


def test_places_count_from_the_beginning_of_their_field() -> None:
    records = pl.DataFrame(
        {
            "record_id": ["b", "a"],
            "instruction": ["What is her phone number?", "ana@mail.com"],
            "context": [None, "None here."],
            "response": ["It is 9498777106.", "or eva@mail.com"],
        }
    )
    found = find_personal_data(records, ("instruction", "context", "response"))
    assert found.schema == pl.Schema(FINDING)
    assert found.drop("score").rows() == [
        ("a", "instruction", "EMAIL_ADDRESS", 0, 12),
        ("a", "response", "EMAIL_ADDRESS", 3, 15),
        ("b", "response", "PHONE_NUMBER", 6, 16),
    ]


def test_no_value_stands_in_findings_or_report() -> None:
    world = clean_world(records=16, examples=6)
    secret = "carla.secret@mail.com"
    planted = world.accepted.with_columns(pl.lit(f"Ask {secret}").alias("response"))
    found = find_personal_data(planted, ("instruction", "response"))
    report = measure_privacy(planted, world.seeds, empty(DOCUMENT))
    assert found.height == planted.height
    assert "carla" not in found.write_ndjson() + report.write_ndjson()
    shares = report.filter((pl.col("metric") == "personal_data") & (pl.col("value") == 1))["subject"].to_list()
    assert shares == ["line", *sorted(planted["leaf"].unique()), "type=EMAIL_ADDRESS"]


def test_the_scan_opens_no_connection_and_writes_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the scan opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert types_in("ana@mail.museum", "ana@mail.nonsuch") == ["EMAIL_ADDRESS"]
    assert list(tmp_path.iterdir()) == []


def test_a_text_longer_than_spacys_limit_is_scanned_whole() -> None:
    assert types_in(" " * 1_000_001 + "ana@mail.com") == ["EMAIL_ADDRESS"]


def test_a_long_text_takes_time_that_grows_with_its_length() -> None:
    started = time.process_time()
    assert types_in("word " * 20_000 + "ana@mail.com") == ["EMAIL_ADDRESS"]
    assert time.process_time() - started < 15
