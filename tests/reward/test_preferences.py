"""What a reward model is trained on: every public form is read, and every fault is told with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from factory.faults import InputFaults
from factory.generation.chat import Message
from factory.reward.preferences import Pair, Rated, read_pairs, read_rated
from factory.reward_spec import ATTRIBUTES

ASKED, GOOD, BAD = Message("user", "What is 2 + 2?"), Message("assistant", "4"), Message("assistant", "5")
PAIR = Pair((ASKED, GOOD), (ASKED, BAD))
HH = "\n\nHuman: What is 2 + 2?\n\nAssistant: "
RATINGS = dict(zip(ATTRIBUTES, (3, 4, 4, 1, 0), strict=True))


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


PROMPT, FOUR, FIVE = [say("user", "What is 2 + 2?")], [say("assistant", "4")], [say("assistant", "5")]


def write(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": PROMPT, "chosen": FOUR, "rejected": FIVE, "margin": 1.0},
        {"chosen": PROMPT + FOUR, "rejected": PROMPT + FIVE},
        {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"},
        {"chosen": f"{HH}4", "rejected": f"{HH}5"},
        {"prompt": HH.removesuffix("\n\nAssistant: "), "chosen": " 4", "rejected": " 5"},
    ],
)
def test_every_form_of_a_pair_is_the_same_pair(row: dict[str, Any], tmp_path: Path) -> None:
    assert read_pairs(write(tmp_path / "pairs.jsonl", row)) == [PAIR]


def test_dialogues_of_several_turns_and_of_one_who_speaks_twice(tmp_path: Path) -> None:
    text = "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nAssistant: How are you?\n\nHuman: Well.\n\nAssistant:"
    (pair,) = read_pairs(write(tmp_path / "pairs.jsonl", {"chosen": f"{text} Good.", "rejected": text}))
    before = (Message("user", "Hi."), Message("assistant", "Hello.\n\nHow are you?"), Message("user", "Well."))
    assert pair == Pair((*before, Message("assistant", "Good.")), (*before, Message("assistant", "")))


def test_parquet_and_gzip_are_read(tmp_path: Path) -> None:
    pl.DataFrame([{"prompt": PROMPT, "chosen": FOUR, "rejected": FIVE}]).write_parquet(tmp_path / "pairs.parquet")
    lines = json.dumps({"chosen": f"{HH}4", "rejected": f"{HH}5"}).encode()
    (tmp_path / "pairs.jsonl.gz").write_bytes(gzip.compress(lines))
    assert read_pairs(tmp_path / "pairs.parquet") == read_pairs(tmp_path / "pairs.jsonl.gz") == [PAIR]


def test_the_pairs_of_a_line_are_read_as_they_are_stored(tmp_path: Path) -> None:
    from factory.records import PREFERENCE

    row = dict.fromkeys(PREFERENCE) | {"prompt": PROMPT, "chosen": FOUR, "rejected": FIVE, "leaf": "a/b"}
    pl.DataFrame([row], schema=PREFERENCE).write_parquet(tmp_path / "pairs.parquet")
    assert read_pairs(tmp_path / "pairs.parquet") == [PAIR]


def test_every_fault_of_a_file_of_pairs_is_told_with_its_line(tmp_path: Path) -> None:
    file = write(
        tmp_path / "pairs.jsonl",
        {"prompt": PROMPT, "chosen": FOUR},
        {"prompt": PROMPT, "chosen": FOUR, "rejected": FIVE},
        {"prompt": [say("human", "Hi.")], "chosen": 5, "rejected": FIVE},
        {"chosen": "4", "rejected": f"{HH}5"},
        {"prompt": PROMPT + FOUR, "chosen": FOUR, "rejected": FIVE + FIVE},
        ["a list"],
    )
    file.write_text(file.read_text() + "{broken\n")
    with pytest.raises(InputFaults) as caught:
        read_pairs(file)
    told = [(fault.line, fault.where, fault.message) for fault in caught.value.faults]
    assert [(line, where) for line, where, _ in told] == [
        (1, "rejected"),
        (3, "chosen"),
        (3, "prompt"),
        (4, "chosen"),
        (5, "prompt"),
        (5, "rejected"),
        (6, ""),
        (7, ""),
    ]
    said = str(caught.value)
    for part in (
        "there is no such column; the row has prompt, chosen",
        "the role is 'human'; expected one of system, user, assistant",
        "expected a text or a list of messages, found the number 5",
        "does not end with the assistant's message, and there is no column prompt",
        "the message before the response is not the user's",
        "not JSON",
        str(file),
    ):
        assert part in said


def test_a_file_of_another_form_is_told_once_and_not_in_every_row(tmp_path: Path) -> None:
    with pytest.raises(InputFaults, match="and 50 more faults") as caught:
        read_pairs(write(tmp_path / "pairs.jsonl", *[{"text": "4"}] * 50))
    assert len(caught.value.faults) == 51


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.jsonl", None), ("pairs.txt", b"x"), ("empty.jsonl", b""), ("cut.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:20])],
)
def test_a_file_that_cannot_be_read_is_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFaults, match=name):
        read_pairs(tmp_path / name)


def test_rated_responses_of_helpsteer2(tmp_path: Path) -> None:
    several = "Hi.\n<extra_id_1>Assistant\nHello.\n<extra_id_1>User\nWhat is 2 + 2?"
    file = write(
        tmp_path / "rated.jsonl",
        {"prompt": "What is 2 + 2?", "response": "4", **RATINGS},
        {"prompt": several, "response": "4", **RATINGS, "verbosity": None},
    )
    first, second = read_rated(file)
    assert first == Rated((ASKED, GOOD), {name: float(value) for name, value in RATINGS.items()})
    assert second.dialogue == (Message("user", "Hi."), Message("assistant", "Hello."), ASKED, GOOD)
    assert second.attributes["verbosity"] is None and second.attributes["correctness"] == 4


def test_every_fault_of_rated_responses_is_told(tmp_path: Path) -> None:
    file = write(
        tmp_path / "rated.jsonl",
        {"prompt": "What is 2 + 2?", "response": "4", **RATINGS, "helpfulness": "high", "coherence": float("nan")},
        {"prompt": "What is 2 + 2?", "response": "4"},
        {"prompt": "", **RATINGS, "verbosity": True},
    )
    with pytest.raises(InputFaults) as caught:
        read_rated(file)
    assert [(fault.line, fault.where) for fault in caught.value.faults] == [
        (1, "coherence"),
        (1, "helpfulness"),
        (2, ""),
        (3, "prompt"),
        (3, "response"),
        (3, "verbosity"),
    ]
    assert "no attribute is rated; expected some of the columns helpfulness" in str(caught.value)
