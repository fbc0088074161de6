"""The card shows how far the judges and the reward model agree with labels, and the version does not depend on it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from made_up_line import MODELS, MadeUpLine

from factory.records import USAGE
from factory.release.card import render_html, render_markdown
from factory.release.contents import Judged, arrange_contents
from factory.release.writer import Release, publish_release
from factory.reward.agreement import measure_kappa, share
from factory.reward.calibration import Calibration, Length

LABELS, VERDICTS = ["good"] * 20 + ["bad"] * 20, ["good"] * 18 + ["bad"] * 20 + ["unparsed"] * 2
NOTHING = share(0, 0)
FIGURES = Calibration(
    role="judge",
    model="critic@7",
    rubric="pair",
    key="k",
    examples="<b>labelled|.csv",
    examples_digest="d",
    kind="singles",
    size=40,
    accuracy=share(36, 40),
    accuracy_parsed=share(36, 38),
    kappa=measure_kappa(LABELS, VERDICTS),
    unparsed=share(2, 40),
    confusion={},
    area=None,
    calibration_error=None,
    position=None,
    length=Length(longer=NOTHING, shorter=NOTHING, baseline=NOTHING, correlation=NOTHING),
    attributes={},
)
JUDGED = (Judged("reward model", "scorer@1", None, ()), Judged("judge", "critic@7", "pair", (FIGURES,)))


def test_the_cards_show_the_figures_or_that_there_are_none(made_up: MadeUpLine) -> None:
    frames = (made_up.line, made_up.accepted, made_up.seeds, made_up.funnel, made_up.gates, made_up.verdicts, MODELS)
    contents = arrange_contents(*frames, JUDGED)
    markdown, html = render_markdown(contents), render_html(contents)
    assert "factory calibrate FILE --line " in markdown and "factory calibrate FILE --line " in html
    assert "| scorer@1 | reward model | **not calibrated** |" in markdown and "not calibrated" in html
    assert "| critic@7 | pair | &lt;b&gt;labelled&#124;.csv (responses) | 40 | 0.90 (0.77 to 0.96) |" in markdown
    assert "&lt;b&gt;labelled|.csv (responses)" in html and "0.05 (0.01 to 0.17)" in html
    without = arrange_contents(*frames)
    assert "Judges and reward model" not in render_markdown(without) + render_html(without)
    assert without.version == contents.version


def test_what_was_found_later_changes_no_published_card(made_up: MadeUpLine, release: Release, tmp_path: Path) -> None:
    frames = (made_up.line, made_up.accepted, made_up.seeds, made_up.funnel, made_up.gates, made_up.verdicts)
    first = publish_release(tmp_path, *frames, models=MODELS, judged=JUDGED[:1])
    again = publish_release(tmp_path, *frames, models=MODELS, judged=JUDGED)
    assert first == again and first.version == release.version
    assert "not calibrated" in (again.folder / "card.html").read_text() and "critic@7" not in (again.folder / "card.html").read_text()


def test_what_judges_were_asked_stands_in_the_table_of_costs(made_up: MadeUpLine) -> None:
    asked = {"step": "pair: rating", "model": "critic@7", "prompt_tokens": 1000, "completion_tokens": 10, "cost": 0.5}
    verdicts = made_up.verdicts.with_columns(scoring=pl.Series([[asked]] * made_up.verdicts.height, dtype=USAGE))
    accepted = verdicts.filter(verdict="accepted")
    frames = (made_up.line, accepted, made_up.seeds, made_up.funnel, made_up.gates, verdicts, MODELS)
    size = verdicts.height
    assert f"| pair: rating | critic@7 | {size:,} | {size * 1000:,} | {size * 10:,} |" in render_markdown(arrange_contents(*frames))
