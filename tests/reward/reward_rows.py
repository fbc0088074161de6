"""Rows of the reward stage, made from the few values that a test is about."""

from __future__ import annotations

from typing import Any

import polars as pl

from factory.records import CANDIDATE, SCORED, SEED

POSITIONS = 128
"""Tokens that the tiny reward model of these tests reads."""


def candidates(*rows: dict[str, Any]) -> pl.DataFrame:
    """CANDIDATE rows; ids count up from "c0"."""
    return _frame(CANDIDATE, rows, "c", {"leaf": "leaf", "language": "en", "instruction": "Say hello.", "response": "Hello."})


def scored(*rows: dict[str, Any]) -> pl.DataFrame:
    """SCORED rows; ids count up from "c0". Without other values a row was found right by a verifier, and its context supports it."""
    default = {
        "leaf": "leaf",
        "language": "en",
        "instruction": "Say hello.",
        "response": "Hello.",
        "verifier": "word_count",
        "verified": True,
    }
    rows = tuple(({"support": 1.0} if row.get("context") else {}) | row for row in rows)
    return _frame(SCORED, rows, "c", default)


def judged(reward: float | None, **row: Any) -> dict[str, Any]:
    """A row of a leaf without a verifier."""
    return {"verifier": None, "verified": None, "reward": reward} | row


def seeds(*rows: dict[str, Any]) -> pl.DataFrame:
    """SEED rows; ids count up from "s0"."""
    return _frame(SEED, rows, "s", {"leaf": "leaf", "language": "en", "answer": "-", "split": "seed"})


def _frame(schema: dict[str, Any], rows: tuple[dict[str, Any], ...], prefix: str, default: dict[str, Any]) -> pl.DataFrame:
    whole = [dict.fromkeys(schema) | {"record_id": f"{prefix}{n}"} | default | row for n, row in enumerate(rows)]
    return pl.DataFrame(whole, schema=schema)
