"""Plots are the same bytes for the same frames, stand frames of nothing, and read no name as markup."""

from __future__ import annotations

import io
import xml.etree.ElementTree as Xml
from collections.abc import Callable

import polars as pl
import pytest
from made_up_line import MadeUpLine
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from factory.records import FUNNEL, SEED, VERDICT, empty
from factory.release.drawing import Form
from factory.release.fonts import OWN_FONT, choose_fonts
from factory.release.plots import plot_funnel, plot_goodness, plot_leaves, plot_lengths, plot_reasons

Plot = Callable[[MadeUpLine, Form], bytes]

PLOTS: dict[str, Plot] = {
    "funnel": lambda line, form: plot_funnel(line.funnel, form),
    "reasons": lambda line, form: plot_reasons(line.verdicts, form),
    "leaves": lambda line, form: plot_leaves(line.accepted, form),
    "lengths": lambda line, form: plot_lengths(line.accepted, line.seeds, form),
    "goodness": lambda line, form: plot_goodness(line.verdicts, form),
}


def words_of(svg: bytes) -> list[str]:
    return [element.text or "" for element in Xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_frames_give_the_same_picture(made_up: MadeUpLine, name: str, form: Form) -> None:
    first, second = PLOTS[name](made_up, form), PLOTS[name](made_up, form)
    assert first == second
    if form == "svg":
        assert b"<dc:date>" not in first and len(words_of(first)) > 3
    else:
        from PIL import Image

        picture = Image.open(io.BytesIO(first))
        assert picture.width == 728 and picture.height > 200
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 20


def test_frames_of_nothing_give_a_picture_that_says_so() -> None:
    verdicts = empty(VERDICT)
    pictures = [
        plot_funnel(empty(FUNNEL), "svg"), plot_reasons(verdicts, "svg"), plot_leaves(verdicts, "svg"), plot_goodness(verdicts, "svg"),
        plot_lengths(verdicts, empty(SEED), "svg"),
    ]  # fmt: skip
    assert [words_of(picture) for picture in pictures] == [["no records"]] * 5


def test_the_funnel_shows_the_share_that_each_leaf_keeps() -> None:
    rows = {
        "leaf": ["a/good", "a/bad"],
        "asked": [10, 10],
        "parsed": [10, 5],
        "judged": [10, 4],
        "verified": [9, 2],
        "unique": [9, 1],
        "accepted": [9, 0],
    }
    words = words_of(plot_funnel(pl.DataFrame(rows | {"most_refused_by": [None, "wrong"]}, schema=FUNNEL), "svg"))
    assert {"good", "bad", "90%", "0%", "not parsed", "judged bad", "duplicate"} <= set(words)


def test_names_are_text_and_leaves_that_end_alike_are_told_apart() -> None:
    leaves = ["a/$x^2$ <b>&", "a/sort", "b/sort", "c/" + "long" * 20, "skills/文字/排序", "knowledge/文字/排序"]
    counts = {name: [5] * len(leaves) for name in ("asked", "parsed", "judged", "verified", "unique", "accepted")}
    words = words_of(plot_funnel(pl.DataFrame({"leaf": leaves, **counts, "most_refused_by": [None] * len(leaves)}, schema=FUNNEL), "svg"))
    assert {"$x^2$ <b>&", "a/sort", "b/sort", "skills/文字/排序", "knowledge/文字/排序"} <= set(words)
    assert max(map(len, words)) < 60


def test_a_thousand_leaves_show_the_forty_that_need_a_look() -> None:
    leaves = [f"skills/leaf_{place:04d}" for place in range(1000)]
    counts = {name: [1000] * 1000 for name in ("asked", "parsed", "judged", "verified", "unique")} | {"accepted": list(range(1000))}
    words = words_of(plot_funnel(pl.DataFrame({"leaf": leaves, **counts, "most_refused_by": [None] * 1000}, schema=FUNNEL), "svg"))
    assert [word for word in words if word.startswith("leaf_")] == [f"leaf_{place:04d}" for place in range(40)]


def test_fonts_are_looked_for_only_where_the_own_font_lacks_a_character() -> None:
    assert choose_fonts(["naïve/ordre", "نصوص/ترتيب", "слова"]) == [OWN_FONT]
    fonts = choose_fonts(["文字", "\U0010ffff"])
    assert fonts[0] == OWN_FONT and fonts == choose_fonts(["\U0010ffff 文字"])
    for name in fonts[1:]:
        file = font_manager.findfont(font_manager.FontProperties(family=name), fallback_to_default=False)
        assert {ord("文"), ord("字"), 0x10FFFF} & FT2Font(file).get_charmap().keys()
