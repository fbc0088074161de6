"""What a person sees while leaves are written: a funnel that fills, as a table on a terminal, as a line for each round elsewhere."""

from __future__ import annotations

import io
import re

import dagster as dg
import pytest
from rich.console import Console

from assets.console import ConsoleProgress


def watch(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    shown = io.StringIO()
    monkeypatch.setattr("assets.console.OUT", Console(file=shown, force_terminal=terminal, width=140))
    with ConsoleProgress().yield_for_execution(dg.build_init_resource_context()) as progress:
        progress.start("candidates", 2)
        progress.count("words/first", {"asked": 40, "parsed": 38, "judged": 31})
        progress.count("words/[second]", {"asked": 7, "parsed": 6, "judged": 5})
        progress.count("words/first", {"asked": 41, "parsed": 39, "judged": 32, "verified": 25, "unique": 23, "accepted": 17})
        progress.advance("candidates", "words/[second]", 1, 2)
        progress.stop("words/[second]", "nothing got through\x1b[2J")
    return shown.getvalue()


def test_on_a_terminal_the_funnel_stands_above_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = watch(monkeypatch, terminal=True)
    rows = [line.split() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()]
    assert ["leaf", "asked", "parsed", "judged", "verified", "unique", "accepted"] in rows
    assert ["words/first", "41", "39", "32", "25", "23", "17"] in rows
    assert ["words/[second]", "7", "6", "5", "–", "–", "–"] in rows


def test_elsewhere_each_round_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = watch(monkeypatch, terminal=False).splitlines()
    assert lines[0] == "  words/first: asked 41 → parsed 39 → judged 32 → verified 25 → unique 23 → accepted 17"
    assert lines[1] == "  words/[second]: nothing got through\N{REPLACEMENT CHARACTER}[2J"
