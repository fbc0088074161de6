"""The scan for personal data: what counts, what does not, where it stands; and that no value and no connection leaves it."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.personal_data.find import find
from factory.personal_data.records import find_personal_data
from factory.personal_data.spec import PersonalDataSpec
from factory.personal_data.types import FINDING

SCRIPTS = {"ASCII": 0x30, "full-width": 0xFF10, "Arabic-Indic": 0x660, "Persian": 0x6F0, "Devanagari": 0x966, "Thai": 0xE50}


def types_in(text: str, language: str | None = None, **spec: Any) -> list[str]:
    return [each.type for each in find(text, language, PersonalDataSpec.model_validate(spec))]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pay with 4111 1111 1111 1111 please.", "CREDIT_CARD"),
        ("Mastercard 2223003122003222", "CREDIT_CARD"),
        ("Kartu kredit 4111111111111111", "CREDIT_CARD"),
        ("My account is GB82 WEST 1234 5698 7654 32", "IBAN_CODE"),
        ("gb82west12345698765432", "IBAN_CODE"),
        ("Kirim ke budi.santoso@kampus.ac.id ya", "EMAIL_ADDRESS"),
        ("He logged in from 86.121.97.248 at night", "IP_ADDRESS"),
        ("Her device is 00:1A:2B:3C:4D:5E", "MAC_ADDRESS"),
        ("SSN 460-89-9847", "US_SSN"),
        ("Write to me at +62 812 3456 7890", "PHONE_NUMBER"),
        ("Nomor saya 0812-3456-7890", "PHONE_NUMBER"),
        ("The front office has 541-714-1388", "PHONE_NUMBER"),
        ("phone: 9498777106", "PHONE_NUMBER"),
        ("Passport number C01X00T47, please", "PASSPORT"),
    ],
)
def test_personal_data_is_found(text: str, kind: str) -> None:
    assert kind in types_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is 1234567 * 2?\n2469134",
        "Compute 1234567890 * 2",
        "Compute 48953908 + 537172762.",
        "Find the largest number: 2125551234, 45, 9",
        "What is 7 * 23? 7 * 23 = 161",
        "phones: 10000-2500 = 7500 phones",
        "There are 400-120-200=80 students",
        "Add 12 days to 2024-03-25. 2024-04-06",
        "See https://example.org/page and 12/03/1999",
        "The router answers at 192.168.0.1 and 127.0.0.1",
        "Install version 2.10.3.4 of it",
        "Continue the sequence: 5, 9, 13, 17",
        "4111 1111 1111 1112 fails its checksum",
        "4111111111111111 is odd",
        "3600 minutes = 60 hours",
        '{"name": "Ana", "age": 31, "city": "Bogor"}',
        "The number 3174096112900001 is large",
        "profit: 0.75-0.25-0.10",
        "Write to john@example.com or root@localhost",
        "Dial (212) 555-0123",
        "",
    ],
)
def test_what_names_nobody_is_not_found(text: str) -> None:
    assert types_in(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Tulis ke юзер@почта.рф segera", "юзер@почта.рф"),
        ("An müller@web.de schreiben", "müller@web.de"),
        ("邮箱是zhang@qq.com请回复", "zhang@qq.com"),
        ("联系 张三@例子.中国 吧", "张三@例子.中国"),
        ("ａｎａ＠ｍａｉｌ．ｃｏｍ", "ａｎａ＠ｍａｉｌ．ｃｏｍ"),
        ("Schreib an info@münchen.de.", "info@münchen.de"),
    ],
)
def test_addresses_of_any_script(text: str, value: str) -> None:
    assert [text[each.start : each.end] for each in find(text)] == [value]


@given(
    script=st.sampled_from(sorted(SCRIPTS)),
    separator=st.sampled_from(["", " ", ".", "-", "\u00a0", "\u2011", "\u200b", "\u00ad", "\u200e"]),
    before=st.text(st.characters(categories=("Lo", "Ll", "Zs", "So")), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_a_number_in_any_digits_and_with_any_separator_is_found_at_its_own_place(script: str, separator: str, before: str) -> None:
    shown = "".join(chr(SCRIPTS[script] + int(digit)) for digit in "3174096112900001")
    value = separator.join([shown[:6], shown[6:12], shown[12:]])
    text = f"{before} NIK: {value}."
    assert [(each.type, text[each.start : each.end]) for each in find(text, "id")] == [("ID_NIK", value)]


def test_the_language_of_a_text_picks_the_words_beside_a_number() -> None:
    assert types_in("hubungi 9498777106 ya", "id") == ["PHONE_NUMBER"]
    assert types_in("hubungi 9498777106 ya", "en-GB") == []
    assert types_in("hubungi 9498777106 ya") == ["PHONE_NUMBER"]
    assert types_in("call 9498777106", "id") == ["PHONE_NUMBER"]
    assert types_in("遇到问题请打电话9498777106", "zh") == ["PHONE_NUMBER"]
    assert types_in("a hotel 9498777106", "en") == []


def test_thresholds_of_types() -> None:
    text = "Jam 2024-03-25, https://mail.com/a, +62 812 3456 7890"
    assert types_in(text) == ["PHONE_NUMBER"]
    assert types_in(text, types={"PHONE_NUMBER": None}) == []
    assert types_in(text, types={"PHONE_NUMBER": 0.9}) == []
    assert types_in(text, types={"URL": 0.5, "DATE_TIME": 0.5}) == ["DATE_TIME", "URL", "PHONE_NUMBER"]


def test_of_findings_that_overlap_one_stands_for_all_that_they_cover() -> None:
    (found,) = find("nomor ktp atau telepon 3174096112900001 ya", "id")
    assert (found.type, found.end - found.start) == ("ID_NIK", 16)


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


def test_messages_of_a_dialogue_are_fields_and_what_is_known_is_found_wherever_it_is_repeated() -> None:
    turns = [("user", "My phone is 9498777106."), ("assistant", "Thanks. " + "And so on. " * 20 + "9498777106 it is.")]
    records = pl.DataFrame({"record_id": ["a"], "language": ["en"], "turns": [[{"role": who, "content": said} for who, said in turns]]})
    found = find_personal_data(records, ("turns",))
    assert [(row["field"], row["start"]) for row in found.to_dicts()] == [("turns[0]", 12), ("turns[1]", 228)]


def test_the_scan_opens_no_connection_writes_no_cache_and_logs_no_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the scan opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    with caplog.at_level(logging.DEBUG):
        text = "canary@mail.museum, canary@mail.nonsuch, SSN 460-89-9847, card 4111111111111111, phone +62 812 3456 7890"
        assert types_in(text) == ["EMAIL_ADDRESS", "US_SSN", "CREDIT_CARD", "PHONE_NUMBER"]
    assert not any(value in caplog.text for value in ("canary", "9847", "4111", "3456"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("filler", ["word ", "1", "a", "1 ", "a.", "@", "12-", "A ", "1 Via ", "1 Main "])
def test_a_long_text_is_scanned_whole_in_time_that_grows_with_its_length(filler: str) -> None:
    text = filler * (100_000 // len(filler)) + " NIK 3174096112900001, ana@mail.com"
    assert types_in(text)[-2:] == ["ID_NIK", "EMAIL_ADDRESS"]
