"""Files of labelled examples in each form, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from reward_rows import scored

from factory.faults import FactoryError, InputFaults
from factory.reward.labelled import label_by_verifiers, read_labelled
from factory.reward_spec import ATTRIBUTES

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
    assert "row 1: label: expected one of" in str(caught.value) and "row 2: prompt: expected text" in str(caught.value)
    with pytest.raises(FactoryError, match="its columns are a, b; expected one of: prompt, chosen, rejected"):
        read_labelled(write(tmp_path, {"a": 1, "b": 2}))
    with pytest.raises(FactoryError, match="There is no file"):
        read_labelled(tmp_path / "none.csv")
    with pytest.raises(FactoryError, match=r"expected a \.jsonl"):
        read_labelled(tmp_path / "none.txt")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(FactoryError, match="cannot be read"):
        read_labelled(tmp_path / "broken.parquet")


def test_what_verifiers_decided_is_labelled() -> None:
    found = label_by_verifiers(scored({"verified": True}, {"verified": False, "response": "no"}, {"verified": None}))
    assert [(single.row["response"], single.good) for single in found.singles] == [("Hello.", True), ("no", False)]
    with pytest.raises(FactoryError, match="no stored candidate"):
        label_by_verifiers(scored({"verified": None}))
