"""Evaluation sets in the graph: what they hold decides, wherever they lie, and nothing but the verdict is made again."""

from __future__ import annotations

import json

import polars as pl
from plant import LEAVES, Plant


def test_what_evaluation_sets_hold_decides_and_only_the_verdict_is_made_again(copied: Plant) -> None:
    before = copied.frame("accepted")
    scored, item = copied.stored("scored"), before.sort("record_id").row(0, named=True)
    evaluation = copied.root / "sets" / "mine.jsonl"
    evaluation.parent.mkdir()
    evaluation.write_text(json.dumps({"question": item["instruction"], "answer": "no matter"}) + "\n")

    copied.write_line(reward={"contamination": {"sets": {"mine": "sets/mine.jsonl#question"}}})
    copied.run(*LEAVES)
    refused = copied.frame("rejected").filter(reason="contaminated")
    assert refused.filter(record_id=item["record_id"])["matched_id"].to_list() == ["mine:1"]
    assert item["record_id"] not in copied.frame("accepted")["record_id"]
    assert copied.stored("scored") == scored

    moved = evaluation.rename(copied.root / "other.jsonl")
    copied.write_line(reward={"contamination": {"sets": {"mine": "other.jsonl#question"}}})
    copied.run(*LEAVES)
    assert copied.frame("rejected").filter(reason="contaminated").equals(refused)

    moved.write_text(json.dumps({"question": "something else altogether, and at some length, so that nothing holds it"}) + "\n")
    copied.run(*LEAVES)
    assert copied.frame("rejected").filter(reason="contaminated").is_empty()
    assert copied.frame("accepted").select("record_id").sort("record_id").equals(before.select("record_id").sort(pl.col("record_id")))
