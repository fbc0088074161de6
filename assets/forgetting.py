"""What tuning made a student forget, of real texts and of what its base could do, measured with its evaluation."""

from dataclasses import asdict
from typing import Any

import polars as pl

from assets.layout import asset_key
from assets.pages import show_floats, show_table
from factory.line import Line
from factory.pico.models import model_revision
from factory.training import compare_texts, count_forgotten, measure_texts, read_texts, take_documents
from factory.training.statistics import ALL
from resources.keeper import Keeper, Kept, Made, take_fingerprint

READERS = ("base", "tuned")
"""Who reads the texts; what each makes of them is a part of the evaluation, `texts_<reader>`."""
NO_TEXTS = "no real text: the line's leaves have no documents; name files in training.evaluation.texts"


def names_texts(line: Line) -> bool:
    """Whether the line gives texts of its own, in place of its documents."""
    return bool(line.training.evaluation.texts)


def choose_texts(line: Line, documents: pl.DataFrame | None) -> pl.DataFrame:
    """The real texts (TEXT rows) that the line names, else those of its `documents` (records.DOCUMENT).

    Raises InputFaults where a text cannot be read.
    """
    return read_texts(line.training.evaluation.texts) if documents is None else take_documents(documents)


def keep_texts(line: Line, keeper: Keeper, student: pl.DataFrame, texts: pl.DataFrame, *, refresh: bool) -> dict[str, Kept]:
    """How well each of READERS predicts `texts` (WINDOWS rows), kept as long as model and texts stay the same; empty without texts."""
    if texts.is_empty():
        return {}
    key, models = asset_key(line, "evaluation"), {"base": line.training.student, "tuned": student["model"][0]}

    def keep(name: str, model: str) -> Kept:
        fingerprint = take_fingerprint(["training"], [model_revision(model)], [texts])
        return keeper.keep(key, f"texts_{name}", fingerprint, lambda: Made(measure_texts(model, texts)), refresh=refresh)

    return {name: keep(name, model) for name, model in models.items()}


def tell_forgetting(read: dict[str, Kept], answers: pl.DataFrame) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures by name, '<leaf>/forgotten' of one leaf, and the tables of the evaluation's page; `answers` are records.ANSWER rows."""
    tasks = count_forgotten(answers, "base", "tuned")
    figures = {"forgotten" if leaf == ALL else f"{leaf}/forgotten": share for leaf, share in tasks.select("leaf", "share").iter_rows()}
    shown: dict[str, Any] = {"forgotten_tasks": show_table(tasks, tasks.columns, rows=tasks.height)}
    if not read:
        return show_floats(figures), shown | {"forgetting": NO_TEXTS}
    told = compare_texts(read["base"].frame, read["tuned"].frame)
    table = pl.DataFrame([asdict(told)])
    figures |= {
        "perplexity_base": told.perplexity_before,
        "perplexity_tuned": told.perplexity_after,
        "forgetting_nats": told.nats,
        "forgetting_nats_low": told.nats_low,
        "forgetting_nats_high": told.nats_high,
        "forgetting_bits": told.bits,
    }
    return show_floats(figures), shown | {"forgetting": show_table(table, table.columns)}
