"""`factory collapse-study` from end to end: what it says, what it writes, and that a killed one goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from plant import Plant, Said, at_home, build_plant

from factory.collapse_study.figures import FIGURE
from factory.collapse_study.language import POLICIES

Call = Callable[..., Said]
TINY = ("--only", "language", "--tokens", "2048", "--generations", "1")


@pytest.fixture
def bare(tmp_path: Path) -> Plant:
    """A home that was never made."""
    with at_home(build_plant(tmp_path)) as plant:
        yield plant


def read(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "figures.parquet")


def value(figures: pl.DataFrame, policy: str, statistic: str, generation: int) -> float:
    chosen = (pl.col("policy") == policy) & (pl.col("statistic") == statistic) & (pl.col("generation") == generation)
    return float(figures.filter(chosen)["value"].item())


def test_language_models_of_the_repos_own_text_and_going_on_after_a_kill(bare: Plant, cli: Call) -> None:
    out = bare.root / "study"
    said = cli("collapse-study", *TINY, "--out", str(out))
    assert said.code == 0, said.err
    assert "Language models: The first model has a perplexity of" in said.out and f"report: {out}/report.html" in said.out
    figures = read(out)
    assert figures.schema == FIGURE
    assert pl.read_csv(out / "figures.csv").height == figures.height
    for policy in POLICIES:
        assert value(figures, policy, "perplexity", 1) > 1
    assert value(figures, "first", "loss_gained", 0) == 0
    assert value(figures, "real", "rare_1", 0) == 1 > value(figures, "replace", "rare_1", 1)
    page = (out / "report.html").read_text()
    assert "<script" not in page and "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")
    assert {file.name for file in (out / "plots").iterdir()} == {"perplexity.png", "strangeness.png", "tails.png", "diversity.png"}

    # As a kill leaves it: the last generation begun, and the one before it made.
    run = out / "work" / "language" / "run-0"
    (run / "accumulate-1" / "finished.json").unlink()
    kept = (run / "kept-1" / "model" / "model.safetensors").stat().st_mtime_ns
    assert cli("collapse-study", *TINY, "--out", str(out)).code == 0
    assert read(out).equals(figures)
    assert (run / "kept-1" / "model" / "model.safetensors").stat().st_mtime_ns == kept


def test_a_text_of_ones_own_by_beam_search(bare: Plant, cli: Call) -> None:
    text = bare.root / "letters.txt"
    text.write_text("".join(f"Day {day}. <b>The {day % 7}th ship</b> came in with {day * 37 % 101} sacks of rice.\n" for day in range(400)))
    out = bare.root / "study"
    said = cli("collapse-study", *TINY, "--beams", "2", "--text", str(text), "--out", str(out))
    assert said.code == 0, said.err
    page = (out / "report.html").read_text()
    assert "letters.txt" in page and "beam search with 2 beams" in page and "<b>The" not in page


def test_bad_arguments_are_all_named_at_once(bare: Plant, cli: Call) -> None:
    binary = bare.root / "binary.txt"
    binary.write_bytes(b"\xff\xfe\x00")
    file = bare.root / "file"
    file.write_text("x")
    said = cli(
        "collapse-study", "--only", "gausians", "--generations", "0", "--seed", "-1", "--beams", "99",
        "--text", str(binary), "--text", str(bare.root / "none.txt"), "--out", str(file / "study"),
    )  # fmt: skip
    assert said.code == 2 and not said.out
    for part in ("'gausians'", "did you mean 'gaussians'", "--generations", "--seed", "--beams", "not UTF-8", "none.txt", "is a file"):
        assert part in said.err, part


def test_too_little_text_is_said(bare: Plant, cli: Call) -> None:
    text = bare.root / "short.txt"
    text.write_text("Once upon a time there was a short text.\n" * 20)
    said = cli("collapse-study", "--only", "language", "--text", str(text), "--out", str(bare.root / "study"))
    assert said.code == 2 and "too short" in said.err
