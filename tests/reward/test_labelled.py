"""Files of labelled examples in each form, and what is wrong with others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from reward_rows import scored

from factory.faults import FactoryError, InputFaults
from factory.reward.labelled import label_by_verifiers, read_labelled
from factory.reward_spec import ATTRIBUTES

HH = "\n\nHuman: Why?\n\nAssistant: "
WRITERS: dict[str, Any] = {"jsonl": pl.DataFrame.write_ndjson, "csv": pl.DataFrame.write_csv, "parquet": pl.DataFrame.write_parquet}


def write(folder: Path, *rows: dict[str, Any], suffix: str = "jsonl") -> Path:
    file = folder / f"examples.{suffix}"
    WRITERS[suffix](pl.DataFrame(rows), file)
    return file


@pytest.mark.parametrize("suffix", WRITERS)
def test_labels_in_any_format_and_script(tmp_path: Path, suffix: str) -> None:
    rows = ({"prompt": "什么？", "response": "一只猫", "label": "good"}, {"prompt": "ما هذا؟", "response": "قط", "label": "bad"})
    found = read_labelled(write(tmp_path, *rows, suffix=suffix))
    assert found.kind == "singles"
    assert [(single.row["response"], single.good) for single in found.singles] == [("一只猫", True), ("قط", False)]
    assert found.digest == read_labelled(write(tmp_path, *rows, suffix="jsonl")).digest


@pytest.mark.parametrize("label", [True, 1, 1.0, "Right", "yes"])
def test_the_ways_to_say_good(tmp_path: Path, label: Any) -> None:
    (single,) = read_labelled(write(tmp_path, {"instruction": "a", "response": "b", "label": label})).singles
    assert single.good


def test_scores_are_good_from_a_number_that_must_be_given(tmp_path: Path) -> None:
    file = write(tmp_path, {"prompt": "a", "response": "b", "score": 3}, {"prompt": "a", "response": "c", "score": 4})
    assert [single.good for single in read_labelled(file, good_from=4).singles] == [False, True]
    with pytest.raises(FactoryError, match="--good-from"):
        read_labelled(file)


def test_chosen_and_rejected_stand_where_their_texts_say(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "chosen": f"better {n}", "rejected": f"worse {n}"} for n in range(40)]
    found = read_labelled(write(tmp_path, *rows))
    assert all((pair.a if pair.preferred == "a" else pair.b)["response"].startswith("better") for pair in found.pairs)
    assert 8 < sum(pair.preferred == "a" for pair in found.pairs) < 32
    turned = read_labelled(write(tmp_path, *({"prompt": r["prompt"], "chosen": r["rejected"], "rejected": r["chosen"]} for r in rows)))
    assert [pair.a for pair in turned.pairs] == [pair.a for pair in found.pairs]
    assert all(one.preferred != other.preferred for one, other in zip(found.pairs, turned.pairs, strict=True))


def test_pairs_of_whole_conversations(tmp_path: Path) -> None:
    before = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Why?"}]
    sides = {side: [*before, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    (pair,) = read_labelled(write(tmp_path, sides)).pairs
    assert pair.a["turns"][:3] == before and pair.a["instruction"] == "Hi"
    assert {pair.a["response"], pair.b["response"]} == {"chosen", "rejected"}


def test_winners_with_ties(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "response_a": "x", "response_b": "y", "winner": winner} for winner in ("model_a", "b", "tie")]
    found = [(pair.preferred, pair.a["response"]) for pair in read_labelled(write(tmp_path, *rows)).pairs]
    assert len({response for _, response in found}) == 1, "the place is that of the texts, whoever won"
    assert {preferred for preferred, _ in found} == {"a", "b", "tie"}


def test_rows_of_helpsteer2_with_several_turns(tmp_path: Path) -> None:
    prompt = "c#\n<extra_id_1>Assistant\nA language.\n<extra_id_1>User\nWhat is it for?"
    rows = [{"prompt": prompt, "response": f"r{n}", **dict.fromkeys(ATTRIBUTES, n)} for n in (2, 4)]
    low, high = read_labelled(write(tmp_path, *rows)).singles
    assert [turn["content"] for turn in low.row["turns"]] == ["c#", "A language.", "What is it for?", "r2"]
    assert [turn["role"] for turn in low.row["turns"]] == ["user", "assistant", "user", "assistant"]
    assert (low.good, high.good, high.attributes) == (False, True, dict.fromkeys(ATTRIBUTES, 4.0))


def test_so_many_are_taken_whatever_the_order(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "response": "r", "label": 1} for n in range(20)]
    one, other = (read_labelled(write(tmp_path, *each), most=5) for each in (rows, rows[::-1]))
    assert one == other and one.size == 5


def test_every_fault_of_a_file_is_named_with_its_row(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "response": "b", "label": "so-so"}, {"prompt": " ", "response": "b", "label": "good"}]
    with pytest.raises(InputFaults, match="2 faults") as caught:
        read_labelled(write(tmp_path, *rows))
    assert ".jsonl:1:1: label: expected one of" in str(caught.value)
    assert ".jsonl:2:1: prompt: the user's last message is empty" in str(caught.value)
    with pytest.raises(InputFaults, match="its columns are a, b; expected one of: prompt, chosen, rejected"):
        read_labelled(write(tmp_path, {"a": 1, "b": 2}))
    with pytest.raises(InputFaults, match=r"none\.csv: cannot be read: No such file"):
        read_labelled(tmp_path / "none.csv")
    with pytest.raises(InputFaults, match=r"expected a file of \.jsonl"):
        read_labelled(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.parquet", b"PAR1 no"),
        ("broken.jsonl", b"{broken\n"),
        ("empty.jsonl", b""),
        ("deep.json", b"[" * 100_000),
        ("damaged.csv.gz", gzip.compress(b"prompt,response,label\n" * 99, mtime=0)[:-20] + b"x" * 20),
        ("bare.jsonl", b"{}\n"),
    ],
)
def test_a_file_that_holds_no_example_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFaults, match=name):
        read_labelled(tmp_path / name)


ASKED = {"role": "user", "content": "Why?"}
SAID = {"prompt": "Why?", "response": "So."}


@pytest.mark.parametrize(
    ("row", "where"),
    [
        (SAID | {"score": "NaN"}, "score"),
        (SAID | {"score": float("nan")}, "score"),
        (SAID | {"score": float("inf")}, "score"),
        (SAID | {"score": 10**400}, "score"),
        (SAID | {"score": True}, "score"),
        (SAID | {"score": None}, "score"),
        (SAID | {"score": 1, "context": 5}, "context"),
        (SAID | {"score": 1, "language": ["en"]}, "language"),
        (SAID | {"score": 1, "prompt": {"role": "user"}}, "prompt"),
        (SAID | {"score": 1, "prompt": [{"role": "robot", "content": "Why?"}]}, "prompt"),
        (SAID | {"score": 1, "prompt": [ASKED, {"role": "assistant", "content": "So."}]}, "prompt"),
        (SAID | {"score": 1, "response": 7}, "response"),
        (SAID | {"label": ["good"]}, "label"),
        ({"chosen": f"{HH}a", "rejected": "\n\nHuman: Else?\n\nAssistant: b"}, "rejected"),
        ({"prompt": "Why?", "chosen": "a", "rejected": "a"}, "rejected"),
        ({"prompt": "Why?", "response_a": "a", "response_b": "b", "winner": "c"}, "winner"),
    ],
)
def test_what_no_example_may_hold_is_told_with_its_line(tmp_path: Path, row: dict[str, Any], where: str) -> None:
    sound = {"prompt": "Else?", "chosen": "a", "rejected": "b", "response": "a", "response_a": "a", "response_b": "b", "winner": "a"}
    sound = {name: sound.get(name, 1) for name in row} | {"context": None, "language": None}
    if "prompt" not in row:
        sound |= {"chosen": f"{HH}a", "rejected": f"{HH}b"}
    file = tmp_path / "examples.jsonl"
    file.write_text("\n".join(map(json.dumps, (sound, row))) + "\n{broken\n")
    with pytest.raises(InputFaults) as caught:
        read_labelled(file, good_from=1)
    assert [(fault.line, fault.where) for fault in caught.value.faults] == [(2, where), (3, "")]


def test_a_table_of_numbers_and_tabs_upper_case_and_packed_files_are_read(tmp_path: Path) -> None:
    lines = ["prompt,response,label", "6 * 7,42,1", "1,2,0"]
    contents = {"a.csv": "\n".join(lines), "a.TSV": "\n".join(lines).replace(",", "\t")}
    contents["a.json"] = json.dumps([dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]])
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    found = [read_labelled(file) for file in sorted(tmp_path.iterdir())]
    assert [(single.row["instruction"], single.row["response"], single.good) for single in found[0].singles] == [
        ("6 * 7", "42", True),
        ("1", "2", False),
    ]
    assert len(found) == 6 and len({each.digest for each in found}) == 1


def test_texts_of_hh_rlhf_are_read_as_their_messages(tmp_path: Path) -> None:
    talk = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:"
    whole = read_labelled(write(tmp_path, {"chosen": f"{talk} So.", "rejected": f"{talk} No."}))
    before = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, ASKED]
    parted = read_labelled(write(tmp_path, {"prompt": before, "chosen": "So.", "rejected": "No."}))
    marked = read_labelled(write(tmp_path, {"prompt": talk, "chosen": "So.", "rejected": "No."}))
    assert whole.digest == parted.digest == marked.digest
    assert whole.pairs[0].a["turns"][:3] == before


def test_sides_may_repeat_the_prompt(tmp_path: Path) -> None:
    sides = {side: [ASKED, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    (pair,) = read_labelled(write(tmp_path, {"prompt": "Why?", **sides})).pairs
    assert {pair.a["response"], pair.b["response"]} == {"chosen", "rejected"} and pair.a["turns"] is None
    with pytest.raises(InputFaults, match="not those of the column prompt"):
        read_labelled(write(tmp_path, {"prompt": "Else?", **sides}))


def test_what_verifiers_decided_is_labelled() -> None:
    found = label_by_verifiers(scored({"verified": True}, {"verified": False, "response": "no"}, {"verified": None}))
    assert [(single.row["response"], single.good) for single in found.singles] == [("Hello.", True), ("no", False)]
    with pytest.raises(FactoryError, match="no stored candidate"):
        label_by_verifiers(scored({"verified": None}))
