"""What `factory mt-bench` says: the table of scores by category and turn, and what makes them say less than they seem to."""

from collections.abc import Iterator

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from assets.mt_bench import Contest, Held
from factory.training.mt_bench.questions import CHECKED_CATEGORIES
from factory.training.statistics import ALL

MUCH = 0.05
"""Share of answers without a grade, or cut, from which a hint is given."""


def draw_scores(contest: Contest, held: Held) -> Iterator[Table | str]:
    """The table by category and turn, hints, and where the files lie."""
    scores, turns = held.scores, [turn for turn in held.scores["turn"].unique(maintain_order=True) if turn != ALL]
    title = f"{contest.name}: mean grades by {contest.judge.identity}, rubric {contest.judge.rubric.name}"
    table = Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left")
    table.add_column("category", no_wrap=True)
    some_ungraded = bool(scores["ungraded"].sum())
    for column in (
        *(f"turn {turn}" for turn in turns),
        "all turns",
        "95 % interval",
        "questions",
        *(["ungraded"] if some_ungraded else []),
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for category in scores["category"].unique(maintain_order=True):
        by_turn = {row["turn"]: row for row in scores.filter(category=category).iter_rows(named=True)}
        whole = by_turn[ALL]
        interval = "–" if whole["low"] is None else f"{whole['low']:.2f} to {whole['high']:.2f}"
        cells = [_write_score(by_turn[turn]["score"]) if turn in by_turn else "–" for turn in (*turns, ALL)]
        counts = [f"{whole['questions']:,}", *([f"{whole['ungraded']:,}"] if some_ungraded else [])]
        table.add_row(escape(category), *cells, interval, *counts)
    yield table
    yield from (f"[yellow]{escape(hint)}[/yellow]" for hint in advise(contest, held.grades))
    yield f"answers, judgements and scores: {escape(str(held.folder))}"
    if held.url:
        yield f"MLflow: {held.url}"


def advise(contest: Contest, grades: pl.DataFrame) -> Iterator[str]:
    """What makes the scores say less than they seem to, and what to do about it."""
    size, ended = grades.height, grades["ended"]
    if contest.judge.identity == contest.model.teacher.identity:
        yield "The judge is the model itself, and models prefer their own words: take another judge."
    if overflown := int((ended == "overflow").sum()):
        yield f"{overflown} of {size} answers are empty: they do not fit the model's context: give a smaller --max-new-tokens."
    if (cut := int((ended == "length").sum())) > MUCH * size:
        yield f"{cut} of {size} answers were cut at the longest length, and are graded so: give a greater --max-new-tokens."
    if failed := int((ended == "failed").sum()):
        yield f"{failed} of {size} answers were given up by the server and are not graded: --ask-failed-again asks again."
    judged = grades.filter(pl.col("ended") != "failed")
    if (unread := judged["grade"].null_count()) > MUCH * size:
        reasons = judged.filter(pl.col("grade").is_null())["note"].value_counts(sort=True)["note"]
        yield f"{unread} of {size} answers have no grade, most often since: {reasons[0]}."
    checked = grades.filter(pl.col("category").is_in(CHECKED_CATEGORIES))
    if without := checked.height - int(checked["referenced"].sum()):
        yield f"{without} of {checked.height} answers of {', '.join(CHECKED_CATEGORIES)} were graded without a right answer: --references."


def _write_score(score: float | None) -> str:
    return "–" if score is None else f"{score:.2f}"
